"""Stored weights before anything is built from them: the sizes that their shapes tell, and their defects."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.storage.tensors import Shapes


def side(path: Path, found: Shapes, name: str, axis: int, ndim: int) -> int:
    """One side of a weight of `ndim` dimensions. Raises InputError if it is missing, of another kind or too long."""
    if name not in found:
        raise InputError(f"{path} is no whole checkpoint: the weight '{name}' is missing.")
    shape = found[name]
    if len(shape) != ndim or not 0 < shape[axis] <= limits.WIDTH:
        raise InputError(f"{path} is damaged: the weight '{name}' has shape {list(shape)}.")
    return shape[axis]


def blocks(path: Path, found: Shapes, prefix: str) -> int:
    """How many blocks weights of the names ``PREFIX0.``, ``PREFIX1.`` ... make. Raises InputError for gaps."""
    numbers = {int(match[1]) for name in found if (match := re.match(re.escape(prefix) + r"(\d{1,6})\.", name))}
    if not numbers or len(numbers) > limits.LAYERS or max(numbers) != len(numbers) - 1:
        raise InputError(f"{path} is no whole checkpoint: its blocks '{prefix}0', '{prefix}1' and so on have gaps.")
    return len(numbers)


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
    stored, held = sum(weight.numel() * weight.element_size() for weight in described.values()), path.stat().st_size
    if stored > held:
        raise InputError(f"{path} is damaged: it describes {stored:,} bytes of weights and has {held:,}.")


def check_finite(path: Path, state: Mapping[str, Tensor]) -> None:
    """Raise InputError, naming the weight, for NaN or Inf among floating numbers."""
    for name, weight in state.items():
        if weight.is_floating_point() and not bool(weight.isfinite().all()):
            raise InputError(f"{path} is damaged: the weight '{name}' holds NaN or Inf.")
