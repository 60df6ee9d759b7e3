"""Dtypes and machine constants of the numerics contract, and what autograd allows at the moment."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

WAITED_FOR = {"cpu"}
"""Types of devices whose every operation Python waits for, so that to ask for its result costs nothing."""

WITHOUT_FLOAT64 = {"mps"}
"""Types of devices that have no float64, such as Apple GPUs."""


@contextmanager
def torch_defaults() -> Iterator[None]:
    """Make float32 and the CPU torch's defaults in a `with` block, as networks expect, whatever the caller set.

    Defaults of torch are those of the whole process: they are set only if the caller has changed them.
    """
    dtype = torch.get_default_dtype()
    elsewhere = torch.get_default_device().type != "cpu"
    if dtype != torch.float32:
        torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu") if elsewhere else nullcontext():
            yield
    finally:
        if dtype != torch.float32:
            torch.set_default_dtype(dtype)


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype pair results are computed in: float64 for float64, float32 for everything narrower."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def pair_dtype(ux: Tensor, uy: Tensor) -> torch.dtype:
    """The dtype that pairs of directions `ux` and `uy` are computed in."""
    return torch.float64 if torch.float64 in (ux.dtype, uy.dtype) else torch.float32


def widest(device: torch.device) -> torch.dtype:
    """The widest float of a device: float64, or float32 where it has none."""
    return torch.float32 if device.type in WITHOUT_FLOAT64 else torch.float64


def wide(x: Tensor) -> Tensor:
    """`x` in the widest float of its device."""
    return x.to(torch.float32 if x.device.type in WITHOUT_FLOAT64 else torch.float64)


def scalar(value: float | Tensor, device: torch.device) -> Tensor:
    """`value` as a 0-dim tensor: a tensor moved to `device`, a number as float64."""
    if isinstance(value, Tensor):
        return value.to(device)
    return torch.tensor(value, dtype=torch.float64, device="cpu")


def largest_summed(dtype: torch.dtype) -> float:
    """The largest number of which a sum of 2^32 is still finite in `dtype`."""
    return float(torch.finfo(dtype).max / 2**32)


def saturated(x: Tensor, dtype: torch.dtype) -> Tensor:
    """`x` in `dtype`, no wider than its device has, where numbers beyond the range become its largest; NaN stays."""
    dtype = torch.float32 if dtype == torch.float64 and x.device.type in WITHOUT_FLOAT64 else dtype
    largest = min(torch.finfo(dtype).max, torch.finfo(x.dtype).max)
    return x.clamp(-largest, largest).to(dtype)


def unit(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of `x` divided by their norms, and the norms, (..., D) -> (..., D), (...); zero rows stay zero.

    Equal rows give equal results, however they lie in memory: norms are summed in one order. Rows whose squares leave
    the range of the dtype are multiplied by a power of two first.
    """
    x = x.contiguous()
    power = math.frexp(torch.finfo(x.dtype).max)[1] // 5
    rough = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    large, small = rough > 2.0 ** (2 * power), rough < 2.0 ** (-2 * power)
    try:
        plain = x.device.type in WAITED_FOR and not torch.compiler.is_compiling() and x.data_ptr() >= 0
    except RuntimeError:  # as in `readable`
        plain = False
    if plain and not bool((large | small).any()):
        return x / rough, rough.squeeze(-1)
    factor = torch.ones_like(rough).masked_fill(large, 2.0 ** (-3 * power)).masked_fill(small, 2.0 ** (3 * power))
    norm = torch.linalg.vector_norm(x * factor, dim=-1, keepdim=True)
    zero = norm == 0
    return x * factor.masked_fill(zero, 1.0) / norm.masked_fill(zero, 1.0), (norm / factor).squeeze(-1)


def readable(x: Tensor) -> bool:
    """Whether Python may branch on the values of `x` now.

    Not while `torch.compile` or `torch.export` traces, of a tensor of a transform of `torch.func`, or while a CUDA
    graph is captured. Checks of values are skipped there; the operators repeat those that guard their own operands.
    """
    if torch.compiler.is_compiling() or (x.is_cuda and torch.cuda.is_current_stream_capturing()):
        return False
    try:  # not by `is_transformed`: this is called for every operand, and a frame costs more than what it does
        return type(x) not in (Tensor, Parameter) or x.data_ptr() >= 0
    except RuntimeError:
        return False


def is_transformed(x: Tensor) -> bool:
    """Whether `x` belongs to a transform of `torch.func`: a stand-in without memory of its own."""
    if type(x) is not Tensor and type(x) is not Parameter:
        return False
    try:
        x.data_ptr()
    except RuntimeError:
        return True
    return False


def has_tangent(x: Tensor) -> bool:
    """Whether `x` carries a tangent of forward-mode AD."""
    return forward_ad.unpack_dual(x).tangent is not None


def wants_derivative(*operands: Tensor) -> bool:
    """Whether what is computed from `operands` may have to carry a gradient.

    Inside `vmap` it always may: a mapped tensor does not say whether it requires one. Nor can that be traced.
    """
    if not torch.is_grad_enabled():
        return False
    for x in operands:
        if x.requires_grad:
            return True
    if torch.compiler.is_compiling():
        return True  # which transforms are running cannot be traced
    return any([is_transformed(x) for x in operands])  # noqa: C419 - a generator costs more than the sum of it
