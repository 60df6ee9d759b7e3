"""Stored weights of other people's models: found in a checkpoint, checked, and loaded strictly onto a network."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from hiergeo._core.errors import InputError
from hiergeo._core.text import shortened

Network = TypeVar("Network", bound=nn.Module)

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""What weights may be stored in."""

SHOWN = 300
"""Characters of an error of another library that are passed on."""


def state_in(path: Path, content: Any, keys: Sequence[str] = ("model", "state_dict")) -> dict[str, Tensor]:
    """The weights in the content of a checkpoint: under the first of the keys that it has, or all of it.

    Raises:
        InputError: there are none.
    """
    key = next((key for key in keys if key in content), None) if isinstance(content, dict) else None
    state = content if key is None else content[key]
    named = state.items() if isinstance(state, dict) else ()
    weights = {str(name).removeprefix("module."): weight for name, weight in named if isinstance(weight, Tensor)}
    if not weights:
        raise InputError(f"{path} holds no weights: it is not a checkpoint of a model.")
    return weights


def check_usable(path: Path, state: Mapping[str, Tensor]) -> None:
    """Raise InputError for weights that are not dense, floating and finite, or more than the file has bytes for."""
    for name, weight in state.items():
        if weight.layout != torch.strided or weight.is_nested or weight.dtype not in DTYPES:
            kind = weight.dtype if weight.layout == torch.strided else weight.layout
            raise InputError(f"{path} cannot be used: the weight '{name}' is {kind}, not dense floating numbers.")
    stored, size = sum(weight.numel() * weight.element_size() for weight in state.values()), path.stat().st_size
    if stored > size:
        raise InputError(f"{path} is damaged: it describes {stored:,} bytes of weights and has {size:,}.")
    for name, weight in state.items():
        if not bool(weight.isfinite().all()):
            raise InputError(f"{path} is damaged: the weight '{name}' holds NaN or Inf.")


def taken(path: Path, state: dict[str, Tensor], name: str, count: int = 1) -> list[float]:
    """Take a weight of `count` numbers out of the state. Raises InputError where there is no such weight."""
    weight = state.pop(name, None)
    if not isinstance(weight, Tensor) or weight.numel() != count:
        raise InputError(f"{path} does not fit: it has no weight '{name}' of {count} numbers, as this family does.")
    return [float(number) for number in weight.flatten()]


def strictly(path: Path, build: Callable[[], Network], state: Mapping[str, Tensor]) -> Network:
    """The network that `build` makes, on torch's meta device, with the weights of a file: all of them and no others.

    Raises:
        InputError: it cannot be built, or weights are missing, left over or misshapen; the first ones are named.
    """
    try:
        with torch.device("meta"):
            network = build()
        network.load_state_dict(state, strict=True, assign=True)
    except Exception as error:  # timm, open_clip and torch check what they build in their own ways
        raise InputError(f"{path} does not fit the model that is named: {said(error)}.") from error
    return network


def said(error: Exception) -> str:
    """What an error of many lines says, on one and shortened."""
    text = " ".join(str(error).split()) or type(error).__name__
    return shortened(text.partition("Error(s) in loading ")[2] or text, SHOWN).rstrip(".")
