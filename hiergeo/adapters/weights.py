"""Stored weights before anything is built from them: whose they are, the sizes that they tell, and their defects."""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.storage.tensors import Shapes
from hiergeo.adapters.encoders import TextSizes, VisionSizes

MERU, MERU_CLIP, UNCHA, PHYCLIP = "meru", "meru-clip", "uncha", "phyclip"
"""Adapters of one layout of files."""

ONE_LAYOUT = (MERU, MERU_CLIP, UNCHA, PHYCLIP)

SAME_LAYOUT = {"hycoclip": MERU}
"""Adapters whose files cannot be told from those of another one."""

MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (PHYCLIP, ("curvs.", "textual.resblocks.")),
    (UNCHA, ("textual.min_radius_head.", "textual.resblocks.")),
    (MERU, ("curv", "textual.resblocks.")),
    (MERU, ("visual_alpha", "textual.resblocks.")),
    (MERU, ("textual_alpha", "textual.resblocks.")),
    (MERU_CLIP, ("visual.blocks.", "textual.resblocks.")),
    ("hyper3:FOLDER", ("vision_encoder.",)),
    ("prolip:FOLDER", ("visual.unc_embedding",)),
    ("open_clip:ARCHITECTURE//FILE", ("visual.conv1.",)),
    ("open_clip:ARCHITECTURE//FILE", ("visual.trunk.",)),
    ("hf:FOLDER", ("text_model.",)),
    ("head:FOLDER", ("linear.",)),
)
"""Adapter -> how names of weights in its files begin; the first whose beginnings are all there counts."""


def recognised(weights: Collection[str]) -> str | None:
    """The adapter of a file, by the names of its weights; None if nothing here knows it."""

    def begins(mark: str) -> bool:
        return any(name.startswith(mark) for name in weights)

    return next((adapter for adapter, marks in MARKS if all(map(begins, marks))), None)


def refuse_other_family(path: Path, weights: Collection[str], wanted: str) -> None:
    """Raise an `InputError` that names the right adapter unless a file is one of the adapter `wanted`.

    Args:
        path: the file.
        weights: names of its weights.
        wanted: an adapter of `MARKS` or `SAME_LAYOUT`.
    """
    adapter = recognised(weights)
    if adapter is not None and adapter.partition(":")[0] == SAME_LAYOUT.get(wanted, wanted):
        return
    if adapter is None:
        raise InputError(f"{path} is not a checkpoint that {wanted}: knows: it lacks the weights of that layout.")
    spec = adapter if ":" in adapter else f"{adapter}:{path}"
    raise InputError(f"{path} is a checkpoint of another family than {wanted}: loads: write {spec}.")


CONTEXT = 1 << 12
"""Positions of a text tower at most: its mask has as many rows and columns."""


def state_in(path: Path, content: Any, keys: Sequence[str] = ("model", "state_dict")) -> dict[str, Tensor]:
    """The weights in the content of a checkpoint: under the first of the keys that it has, or all of it.

    Raises:
        InputError: there are none, or something else is among those under ``model``.
    """
    key = next((key for key in keys if key in content), None) if isinstance(content, dict) else None
    state = content if key is None else content[key]
    if not isinstance(state, dict) or not state:
        raise InputError(f"{path} holds no weights: it is not a checkpoint of a model.")
    strange = next((name for name, weight in state.items() if not isinstance(weight, Tensor)), None)
    if strange is not None and key == "model":
        raise InputError(f"{path} is damaged: '{strange}' among its weights is a {type(state[strange]).__name__}.")
    return {str(name).removeprefix("module."): weight for name, weight in state.items() if isinstance(weight, Tensor)}


def side(path: Path, shapes: Shapes, name: str, axis: int, ndim: int) -> int:
    """One side of a weight of `ndim` dimensions. Raises InputError if it is missing, of another kind or too long."""
    if name not in shapes:
        raise InputError(f"{path} is not a complete checkpoint: the weight '{name}' is missing.")
    shape = shapes[name]
    if len(shape) != ndim or not 0 < shape[axis] <= limits.WIDTH:
        raise InputError(f"{path} is damaged: the weight '{name}' has shape {list(shape)}.")
    return shape[axis]


def blocks(path: Path, shapes: Shapes, prefix: str) -> int:
    """How many blocks weights of the names ``PREFIX0.``, ``PREFIX1.`` ... make. Raises InputError for gaps."""
    numbers = {int(match[1]) for name in shapes if (match := re.match(re.escape(prefix) + r"(\d{1,6})\.", name))}
    if not numbers or len(numbers) > limits.LAYERS or max(numbers) != len(numbers) - 1:
        raise InputError(f"{path} is not a complete checkpoint: blocks '{prefix}0', '{prefix}1' and so on have gaps.")
    return len(numbers)


def tower_sizes(
    path: Path, shapes: Shapes, vision_heads: Callable[[int], int], text_heads: Callable[[int], int], **vision: Any
) -> tuple[VisionSizes, TextSizes]:
    """The sizes of both towers of a `hiergeo.adapters.encoders.DualEncoder` by the shapes of its weights.

    Args:
        path: their file.
        shapes: by the names that the encoder has for them.
        vision_heads: width of the image tower -> its attention heads, which no shape tells.
        text_heads: the same of the text tower.
        vision: what else `VisionSizes` holds.

    Raises:
        InputError: a weight that is missing or misshapen, or sizes of which no towers can be built.
    """
    grid = max(1, math.isqrt(side(path, shapes, "visual.pos_embed", 1, 3) - 1))
    patch = side(path, shapes, "visual.patch_embed.proj.weight", 3, 4)
    width, text_width = (
        side(path, shapes, "visual.cls_token", 2, 3),
        side(path, shapes, "textual.token_embedding.weight", 1, 2),
    )
    layers, hidden = blocks(path, shapes, "visual.blocks."), side(path, shapes, "visual.blocks.0.mlp.fc1.weight", 0, 2)
    resblocks = "textual.transformer.resblocks."
    image = VisionSizes(width, layers, vision_heads(width), hidden, patch, grid * patch, **vision)
    text = TextSizes(
        text_width,
        blocks(path, shapes, resblocks),
        text_heads(text_width),
        side(path, shapes, f"{resblocks}0.mlp.c_fc.weight", 0, 2),
        side(path, shapes, "textual.positional_embedding", 0, 2),
    )
    if text.context > CONTEXT:
        raise InputError(f"{path} is damaged: its text tower has {text.context} positions, and {CONTEXT} is most.")
    for name, tower in (("image", image), ("text", text)):
        if tower.hidden % tower.width:
            raise InputError(
                f"{path} is damaged: the perceptrons of its {name} tower are {tower.hidden} wide, not a multiple of "
                f"{tower.width}."
            )
    return image, text


DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""What weights may be stored in."""


def check_kinds(path: Path, described: Mapping[str, Tensor], skipped: Collection[str] = ()) -> None:
    """Raise InputError for weights that are not dense or not of `DTYPES`; those of names in `skipped` need be dense."""
    for name, weight in described.items():
        if weight.layout != torch.strided or weight.is_nested:
            raise InputError(f"{path} cannot be used: the weight '{name}' is not dense ({weight.layout}).")
        if weight.dtype not in DTYPES and name not in skipped:
            raise InputError(
                f"{path} cannot be used: the weight '{name}' is of type {weight.dtype}, not floating numbers of 16 to "
                "64 bits."
            )


def check_bytes(path: Path, described: Mapping[str, Tensor]) -> None:
    """Raise InputError for more weights than the file has bytes for."""
    stored, size = sum(weight.numel() * weight.element_size() for weight in described.values()), path.stat().st_size
    if stored > size:
        raise InputError(f"{path} is damaged: it describes {stored:,} bytes of weights and has {size:,}.")


def check_finite(path: Path, state: Mapping[str, Tensor]) -> None:
    """Raise InputError, naming the weight, for NaN or Inf among floating numbers."""
    for name, weight in state.items():
        if weight.is_floating_point() and not bool(weight.isfinite().all()):
            raise InputError(f"{path} is damaged: the weight '{name}' holds NaN or Inf.")
