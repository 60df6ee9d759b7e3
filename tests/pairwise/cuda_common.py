"""Where the tests of the CUDA kernels run: on a GPU, or as host C++ on the emulated machine of tests/pairwise/simt."""

from typing import Any, cast

import pytest
import torch
from torch import Tensor

from hiergeo import Polar
from hiergeo.pairwise import native
from hiergeo.pairwise.resolver import why_absent
from hiergeo.pairwise.settings import tile_product
from hiergeo.pairwise.smoke import KernelVerdicts
from tests.pairwise.native_problems import Problem

EMULATED = why_absent(torch.device("cpu")) is None and native.simd_level() == "emulated"
DEVICE = "cpu" if EMULATED else "cuda"


def _missing() -> str | None:
    if not EMULATED and not torch.cuda.is_available():
        return "this machine has no CUDA device; `python -m tests.pairwise.simt` emulates one"
    return why_absent(torch.device(DEVICE))


MISSING = _missing()
"""Why the kernels cannot run in this process."""

needs_kernels = pytest.mark.skipif(MISSING is not None, reason=f"no CUDA kernels: {MISSING}")
needs_device = pytest.mark.skipif(EMULATED, reason="needs streams and graphs of a real GPU")
needs_emulation = pytest.mark.skipif(not EMULATED, reason="`python -m tests.pairwise.simt` emulates the kernels")


if EMULATED:
    # Operators are asked what they are on CUDA, and memory that no kernel wrote holds NaN.
    takes = native.takes
    native.takes = lambda _, *of: takes("cuda", *of)
    native.tile_product = lambda *_: tile_product("cuda", "")
    KernelVerdicts.failure = lambda *_: None  # type: ignore[method-assign]  # tests see whatever the kernels do
    torch.use_deterministic_algorithms(True)
    cast(Any, torch.utils.deterministic).fill_uninitialized_memory = True


def sized(on_a_gpu: int, emulated: int) -> int:
    """A size of a problem: emulated, chunks and spans are small, and so small problems have many."""
    return emulated if EMULATED else on_a_gpu


def on_device(tensor: Tensor) -> Tensor:
    """The tensor on the device with its strides and its place in its storage."""
    whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
    return whole.to(DEVICE).as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())


def moved(problem: Problem) -> Problem:
    return Problem(Polar(*map(on_device, problem.x)), Polar(*map(on_device, problem.y)), problem.curvature)


def random_points(count: int, dim: int, seed: int, dtype: torch.dtype = torch.float32) -> Polar:
    """One batch of points of which many lie in each other's cones, on the device."""
    generator = torch.Generator().manual_seed(seed)
    direction = 0.6 + torch.randn(1, count, dim, generator=generator)
    radius = 0.2 + torch.rand(1, count, generator=generator, dtype=torch.float64)
    return Polar(direction.to(DEVICE, dtype), radius.to(DEVICE))
