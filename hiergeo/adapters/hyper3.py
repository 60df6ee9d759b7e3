"""hyper3-CLIP: a folder of a configuration and safetensors, in the Lorentz space whose curvature it learnt.

Its text tower is CLIP's as transformers lays it out, with QuickGELU, and its projections have biases. The published
model returns [time, space] coordinates of 513 numbers; the rows here are the tangent vectors that they are made of, so
that the space is that of the other models of this kind. Facts of the format are those of the public repository
Hyper3Labs/hyper3-clip; no released file was at hand.
"""

import math
import re
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage import tensors
from hiergeo._core.storage.documents import Foreign
from hiergeo.adapters import hub, weights
from hiergeo.adapters.native import (
    STATISTICS,
    DualEncoder,
    NativeModel,
    SpecOptions,
    hyperbolic,
    stored_sizes,
)

BACKBONES = {
    "vit_tiny_patch16_224": {192: 3},
    "vit_small_patch16_224": {384: 6},
    "vit_base_patch16_224": {768: 12},
    "vit_large_patch16_224": {1024: 16},
}
"""timm's name of the image tower -> its width and attention heads; the published models are of the size B."""

TEXT_HEAD = 64
"""Width of an attention head in the text towers of OpenAI's CLIP."""

EPS = {"layer_norm": 1e-5, "default": 1e-6}
"""Configured LayerNorm of the image tower -> its epsilon: that of torch, or timm's own."""


class _Hyper3Config(Foreign):
    """The configuration, as far as it is used."""

    vision_backbone: Annotated[str, Field(pattern=f"^({'|'.join(BACKBONES)})$")]
    vision_norm_layer: Literal["layer_norm", "default"] | None = None
    curv_init: Annotated[float, Field(gt=0)] = 1.0
    text_model_name: str = ""
    image_normalization: Annotated[str, Field(pattern=f"^({'|'.join(STATISTICS)})$")] = "imagenet"


SCALARS = ("log_curv", "visual_alpha", "textual_alpha")

IGNORED = re.compile(r"(query_pooling\..+|(.+_)?logit_scale|text_encoder\..*position_ids)")
"""Weights that embeddings do not depend on."""

TEXT = re.compile(r"text_encoder\.backbone\.(text_model\.)?")

LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
"""Part of a text layer as transformers calls it -> as open_clip does."""


def load_hyper3(rest: str, *, device: torch.device) -> NativeModel:
    """The model of a folder, or a name on the hub: ``config.json`` and ``model.safetensors``.

    ``hyper3:FOLDER?images=squash`` brings pictures to a square without cropping, as the published model does by itself;
    by default the shorter side is resized and the centre cropped.

    Raises:
        UnavailableError: a download failed.
        InputError: no such folder, a configuration that does not fit, or weights that are missing, left over, misshapen
            or not finite.
    """
    source, options = hub.options_of(rest, SpecOptions)
    folder = hub.folder_of(source, "hyper3:/path/to/folder")
    file = folder / "model.safetensors"
    values = hub.foreign_json(folder / "config.json")
    values = values.get("model", values) if isinstance(values, dict) else values
    config = hub.configuration(folder, _Hyper3Config, values)
    stored = {_name(name): weight for name, weight in tensors.read(file).items() if not IGNORED.fullmatch(name)}
    weights.check_usable(file, stored)
    state = _joined(file, stored)
    log_curvature, visual, textual = (weights.taken(file, state, name)[0] for name in SCALARS)
    middle, most = math.log(config.curv_init), math.log(10)
    log_curvature = min(max(log_curvature, middle - most), middle + most)  # as the model itself keeps it
    sizes = stored_sizes(
        file,
        state,
        lambda width: BACKBONES[config.vision_backbone].get(width, 0),
        lambda width: max(1, width // TEXT_HEAD),
        pool="avg" if "visual.fc_norm.weight" in state else "token",
        eps=EPS[config.vision_norm_layer or "default"],
    )
    native = hyperbolic(file, log_curvature, visual, textual, sizes.dim)
    network = DualEncoder.stored(file, state, sizes, native, quick_gelu=True)
    statistics = STATISTICS[config.image_normalization]
    return NativeModel(
        f"hyper3:{rest}",
        network,
        device,
        space=native.space,
        images=options.images,
        statistics=statistics,
        normalisation=f"mean and std {statistics}",
    )


def _name(name: str) -> str:
    if name.startswith(("image_proj.", "text_proj.")):
        return name.replace("image_proj", "visual_proj").replace("text_proj", "textual_proj")
    if name.startswith("vision_encoder.backbone."):
        return "visual." + name.removeprefix("vision_encoder.backbone.")
    if not TEXT.match(name):
        return name
    inner = TEXT.sub("", name)
    names = {
        "embeddings.token_embedding.weight": "token_embedding.weight",
        "embeddings.position_embedding.weight": "positional_embedding",
        "final_layer_norm.weight": "ln_final.weight",
        "final_layer_norm.bias": "ln_final.bias",
    }
    if match := re.fullmatch(r"encoder\.layers\.(\d{1,6})\.(.+)\.(weight|bias)", inner):
        return f"textual.transformer.resblocks.{match[1]}.{LAYER.get(match[2], match[2])}.{match[3]}"
    return f"textual.{names.get(inner, inner)}"


def _joined(file: Path, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with queries, keys and values of the text tower one below the other."""
    parts = [re.fullmatch(r"(.+)\.self_attn\.q_proj\.(weight|bias)", name) for name in state]
    for block, kind in [match.groups() for match in parts if match]:
        try:
            joined = torch.cat([state.pop(f"{block}.self_attn.{part}_proj.{kind}") for part in "qkv"])
        except (KeyError, RuntimeError) as error:
            raise InputError(f"{file} does not fit: of '{block}.self_attn', {reason(error)}.") from error
        state[f"{block}.attn.in_proj_{kind}"] = joined
    return state
