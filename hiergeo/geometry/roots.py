"""The root of a space: which one was asked for, in words, and what radii are without one."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from hiergeo._core.errors import InputError, unknown_name, warn
from hiergeo._core.numerics import readable, wide

Centre = Literal["given", "model", "none"]

UNIT = 1e-2
"""How far norms may be from 1 in embeddings of unit norm; those of bfloat16 are rounded."""


def centre_of(root: object) -> Centre:
    """What a `root` asks for. Raises InputError unless it is one."""
    if isinstance(root, Tensor):
        if root.ndim != 1:
            raise InputError(f"root must be one vector (D,), not a tensor of shape {tuple(root.shape)}.")
        if readable(root) and not bool(torch.isfinite(root).all()):
            raise InputError("root holds NaN or Inf: every coordinate must be finite.")
        return "given"
    if root is None or root == "model":
        return "model"
    if root is False or root == "none":
        return "none"
    if isinstance(root, str):
        raise unknown_name("root", root, ("model", "none"))
    raise InputError(f"root must be a tensor (D,), 'model' or 'none', not {type(root).__name__}.")


def described(geometry: str, root: Tensor | None, centre: Centre, min_radius: float) -> str:
    """A space in words: its geometry, its root by dimension and whether it is learnt, and the scale of its cones."""
    learnt = " learnable" if isinstance(root, nn.Parameter) else ""
    without = "no root" if centre == "none" else "no root yet"
    words = without if root is None else f"{learnt} root of {len(root)} dimensions".strip()
    return f"{geometry}, {words}, min_radius {float(min_radius)!r}"


def warn_of_unit_rows(radii: Sequence[Tensor]) -> bool:
    """Warn where the first rows that a space without a root meets have norm 1; returns whether it has met some."""
    if radii[0].numel() < 2 or not readable(radii[0]):
        return False
    norms = sum(wide(radius.detach()).square() for radius in radii)
    if isinstance(norms, Tensor) and bool(((norms - 1).abs() < UNIT).all()):
        warn(
            "this space has no root and these embeddings have norm 1, so that every radius is 1 and tells nothing: "
            "give it the embedding of the empty caption as its root, such as model.root(), or 'none' to do without."
        )
    return True
