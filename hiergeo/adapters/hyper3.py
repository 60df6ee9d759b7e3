"""hyper3-CLIP: a folder of a configuration and safetensors, in the Lorentz space whose curvature it learnt.

Its text tower is CLIP's as transformers lays it out, with QuickGELU, and its projections have biases. The published
model returns [time, space] coordinates of 513 numbers; the rows here are the tangent vectors that they are made of, so
that the space is that of the other models of this kind. Facts of the format are those of the public repository
Hyper3Labs/hyper3-clip; no real checkpoint was at hand.
"""

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from hiergeo._core import limits
from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage import tensors
from hiergeo._core.storage.documents import Foreign
from hiergeo._core.storage.tensors import Shapes
from hiergeo._core.storage.texts import read_text
from hiergeo.adapters import hub, weights
from hiergeo.adapters.encoders import DualEncoder, TextSizes, VisionSizes, weight_shapes
from hiergeo.adapters.native import STATISTICS, NativeModel, SpecOptions, byte_pairs, hyperbolic, square

BACKBONES = {
    "vit_tiny_patch16_224": (192, 3),
    "vit_small_patch16_224": (384, 6),
    "vit_base_patch16_224": (768, 12),
    "vit_large_patch16_224": (1024, 16),
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
    """The model of a folder, or a name on the hub: ``config.json`` (or ``config.yaml``) and ``model.safetensors``.

    ``hyper3:FOLDER?images=squash`` brings pictures to a square without cropping, as the published model does by itself;
    by default the shorter side is resized and the centre cropped.

    Raises:
        UnavailableError: a download failed.
        InputError: no such folder, another family (the right adapter is named), a configuration that does not fit, or
            weights that are missing, left over, misshapen or not finite.
    """
    source, options = hub.options_of(rest, SpecOptions)
    folder = hub.folder_of(source, "hyper3:/path/to/folder")
    file = folder / "model.safetensors"
    weights.refuse_other_family(file, tensors.shapes(file), "hyper3")
    config = _config(folder)
    stored = {_name(name): weight for name, weight in tensors.read(file).items() if not IGNORED.fullmatch(name)}
    weights.check_kinds(file, stored)
    weights.check_finite(file, stored)
    state = _joined(file, stored)
    shapes = {name: tuple(weight.shape) for name, weight in state.items()}
    vision, text = _sizes(file, config, shapes)
    expected = weight_shapes(vision, text, weights.side(file, shapes, "visual_proj.weight", 0, 2), bias=True)
    tensors.check_fit(file, {**expected, **dict.fromkeys(SCALARS, ())}, shapes)
    numbers = {name: float(state.pop(name)) for name in SCALARS}
    dim = len(state["visual_proj.weight"])
    middle, most = math.log(config.curv_init), math.log(10)
    log_curvature = min(max(numbers["log_curv"], middle - most), middle + most)  # as the model itself keeps it
    native = hyperbolic(file, log_curvature, numbers["visual_alpha"], numbers["textual_alpha"], dim)
    network = DualEncoder(vision, text, state, scales=native.scales, reach=native.reach, quick_gelu=True)
    images, statistics = options.images, STATISTICS[config.image_normalization]
    return NativeModel(
        f"hyper3:{rest}",
        network,
        device,
        tokenizer=byte_pairs(text.context),
        transform=square(vision.image, *statistics, images),
        preprocessing=f"{images} to {vision.image}, bicubic, mean and std {statistics}",
        space=native.space,
    )


def _config(folder: Path) -> _Hyper3Config:
    """The configuration of the model, from ``config.json`` or the ``config.yaml`` of its training code."""
    path = folder / "config.json"
    values = hub.foreign_json(path) if path.is_file() else _yaml(folder / "config.yaml")
    values = values.get("model", values) if isinstance(values, dict) else values
    return hub.configuration(folder, _Hyper3Config, values)


def _yaml(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"{path.parent} holds no config.json and no config.yaml: not a folder of hyper3-clip.")
    import yaml

    text = read_text(path, "name a folder of hyper3-clip")
    try:
        if len(text) > limits.RECORD_CHARACTERS or any(isinstance(e, yaml.AliasEvent) for e in yaml.parse(text)):
            raise InputError(f"{path} is not a configuration of hyper3-clip: it is too long or refers to itself.")
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not valid YAML: {reason(error)}.") from error


def _name(name: str) -> str:
    if name.startswith(("image_proj.", "text_proj.")):
        return name.replace("image_proj", "visual_proj").replace("text_proj", "textual_proj")
    if name.startswith("vision_encoder.backbone."):
        return "visual." + name.removeprefix("vision_encoder.backbone.")
    if not TEXT.match(name):
        return name
    inner = TEXT.sub("", name)
    whole = {
        "embeddings.token_embedding.weight": "token_embedding.weight",
        "embeddings.position_embedding.weight": "positional_embedding",
        "final_layer_norm.weight": "ln_final.weight",
        "final_layer_norm.bias": "ln_final.bias",
    }
    if match := re.fullmatch(r"encoder\.layers\.(\d{1,6})\.(.+)\.(weight|bias)", inner):
        return f"textual.transformer.resblocks.{match[1]}.{LAYER.get(match[2], match[2])}.{match[3]}"
    return f"textual.{whole.get(inner, inner)}"


def _sizes(file: Path, config: _Hyper3Config, shapes: Shapes) -> tuple[VisionSizes, TextSizes]:
    def heads_of(width: int) -> int:
        expected, heads = BACKBONES[config.vision_backbone]
        if width != expected:
            raise InputError(f"{file} does not fit: 'cls_token' is {width} wide, and its tower has {expected}.")
        return heads

    vision, text = weights.tower_sizes(
        file,
        shapes,
        heads_of,
        lambda text_width: max(1, text_width // TEXT_HEAD),
        pool="avg" if "visual.fc_norm.weight" in shapes else "token",
        eps=EPS[config.vision_norm_layer or "default"],
    )
    if text.width % text.heads:
        raise InputError(f"{file} does not fit: its text tower is {text.width} wide, not a multiple of {TEXT_HEAD}.")
    return vision, text


def _joined(file: Path, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with queries, keys and values of the text tower one below the other."""
    parts = [re.fullmatch(r"(.+)\.self_attn\.q_proj\.(weight|bias)", name) for name in state]
    for block, kind in [match.groups() for match in parts if match]:
        names = [f"{block}.self_attn.{part}_proj.{kind}" for part in "qkv"]
        missing = [name for name in names if name not in state]
        if missing or len({state[name].shape for name in names}) > 1 or not state[names[0]].ndim:
            named = (missing or names)[0]
            raise InputError(f"{file} does not fit: '{named}' is missing, a single number or unlike its siblings.")
        state[f"{block}.attn.in_proj_{kind}"] = torch.cat([state.pop(name) for name in names])
    return state
