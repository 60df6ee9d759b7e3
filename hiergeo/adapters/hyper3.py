"""hyper3-CLIP: a folder of a configuration and safetensors, in the Lorentz space whose curvature it learnt.

Its text tower is CLIP's as transformers lays it out, with QuickGELU, and its projections have biases. The published
model returns [time, space] coordinates of 513 numbers; the rows here are the tangent vectors that they are made of, so
that the space is that of the other models of this kind. Facts of the format are those of the public repository
Hyper3Labs/hyper3-clip; no real checkpoint was at hand.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from hiergeo._core import limits
from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage import tensors
from hiergeo._core.storage.documents import Foreign, validated
from hiergeo._core.storage.tensors import Shapes
from hiergeo._core.storage.texts import read_text
from hiergeo.adapters import families, hub, weights
from hiergeo.adapters.encoders import DualEncoder, TextSizes, VisionSizes, tower_shapes
from hiergeo.adapters.native import STATISTICS, NativeModel, SpecOptions, byte_pairs, hyperbolic, square
from hiergeo.adapters.specs import options_of

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

    vision_backbone: str
    vision_norm_layer: Literal["layer_norm", "default"] | None = None
    curv_init: float = 1.0
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
    source, options = options_of(rest, SpecOptions)
    folder = hub.folder_of(source, "hyper3:/path/to/folder")
    config = _config(folder)
    file = folder / "model.safetensors"
    found = _renamed(file, tensors.shapes(file))
    vision, text = _sizes(file, config, found)
    _check_layout(file, vision, text, found)
    held = _renamed(file, tensors.read(file))
    weights.check_kinds(file, held)
    weights.check_finite(file, held)
    state = _joined(held, text.layers)
    numbers = {name: float(state.pop(name)) for name in SCALARS}
    dim = len(state["visual_proj.weight"])
    log_curvature = _clamped(config, numbers["log_curv"])
    native = hyperbolic(file, log_curvature, numbers["visual_alpha"], numbers["textual_alpha"], dim)
    network = DualEncoder(vision, text, state, scales=native.scales, reach=native.reach, quick_gelu=True)
    images, statistics = options.get("images", "crop"), STATISTICS[config.get("image_normalization", "imagenet")]
    return NativeModel(
        f"hyper3:{rest}",
        network,
        device,
        tokenizer=byte_pairs(text.context),
        transform=square(vision.image, *statistics, images),
        preprocessing=f"{images} to {vision.image}, bicubic, mean and std {statistics}",
        space=native.space,
    )


def _config(folder: Path) -> dict[str, Any]:
    """The configuration of the model, from ``config.json`` or the ``config.yaml`` of its training code."""
    path = folder / "config.json"
    held = hub.foreign_json(path) if path.is_file() else _yaml(folder / "config.yaml")
    held = held.get("model", held) if isinstance(held, dict) else held
    other = families.recognised_folder(folder)
    if other and not other.startswith("hyper3:"):
        raise InputError(f"{folder} is of another family than hyper3: loads: write {other}.")
    hub.check_config(held, f"the configuration in {folder}")
    try:
        validated(_Hyper3Config, held)
    except ValueError as error:
        raise InputError(f"the configuration in {folder} cannot be used: {error}") from error
    if held["vision_backbone"] not in BACKBONES:
        raise InputError(
            f"the configuration in {folder} names the image tower '{held['vision_backbone']}', and hyper3: builds "
            f"{', '.join(BACKBONES)}."
        )
    return dict(held)


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


def _renamed(file: Path, held: Mapping[str, Any]) -> dict[str, Any]:
    """Weights by the names that the towers have here; queries, keys and values of the text tower keep their own."""
    families.refuse_other_family(file, held, "hyper3")
    return {_name(name): value for name, value in held.items() if not IGNORED.fullmatch(name)}


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


def _sizes(file: Path, config: Mapping[str, Any], shapes: Shapes) -> tuple[VisionSizes, TextSizes]:
    def heads_of(width: int) -> int:
        expected, heads = BACKBONES[config["vision_backbone"]]
        if width != expected:
            raise InputError(f"{file} does not fit: 'cls_token' is {width} wide, and its tower has {expected}.")
        return heads

    vision, text = weights.tower_sizes(
        file,
        shapes,
        heads_of,
        lambda text_width: max(1, text_width // TEXT_HEAD),
        pool="avg" if "visual.fc_norm.weight" in shapes else "token",
        eps=EPS[config.get("vision_norm_layer") or "default"],
    )
    if text.width % text.heads:
        raise InputError(f"{file} does not fit: its text tower is {text.width} wide, not a multiple of {TEXT_HEAD}.")
    return vision, text


def _check_layout(file: Path, vision: VisionSizes, text: TextSizes, found: Shapes) -> None:
    dim, w = weights.side(file, found, "visual_proj.weight", 0, 2), text.width
    towers = {name: shape for name, shape in tower_shapes(vision, text).items() if "in_proj" not in name}
    for layer in range(text.layers):
        for part in "qkv":
            name = f"textual.transformer.resblocks.{layer}.self_attn.{part}_proj"
            towers |= {f"{name}.weight": (w, w), f"{name}.bias": (w,)}
    expected = {
        **towers,
        "visual_proj.weight": (dim, vision.width),
        "visual_proj.bias": (dim,),
        "textual_proj.weight": (dim, w),
        "textual_proj.bias": (dim,),
        **dict.fromkeys(SCALARS, ()),
    }
    tensors.check_fit(file, expected, found)


def _joined(state: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The weights with queries, keys and values of the text tower one below the other."""
    for layer in range(layers):
        block = f"textual.transformer.resblocks.{layer}"
        for kind in ("weight", "bias"):
            parts = [state.pop(f"{block}.self_attn.{part}_proj.{kind}") for part in "qkv"]
            state[f"{block}.attn.in_proj_{kind}"] = torch.cat(parts)
    return state


def _clamped(config: Mapping[str, Any], log_curvature: float) -> float:
    """The logarithm of the curvature within a factor of ten of its initial value, as the model itself keeps it."""
    start = config.get("curv_init", 1.0)
    if not start > 0:
        raise InputError(f"the configuration of a hyper3-clip has 'curv_init' above 0, not {start}.")
    middle, most = math.log(start), math.log(10)
    return min(max(log_curvature, middle - most), middle + most)
