"""What native kernels are compared on: point sets of every size, dtype and layout, ordinary and hard ones."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo._core.numerics import pair_dtype
from hiergeo.pairwise.interface import Factor, PairBackend
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.resolver import NATIVE, why_absent
from hiergeo.pairwise.settings import SIMD_LEVELS
from hiergeo.testing.samples import bar_angles, bar_radii, frame
from tests.tools.kernel_settings import setenv
from tests.tools.strategies import curvatures

MISSING = why_absent(torch.device("cpu"))
"""Why there are no native kernels here; those that fail their smoke test are there."""

SANITIZER = next((name for name in ("asan", "tsan") if name in os.environ.get("LD_PRELOAD", "")), "")
"""That which runs, if any."""

LAYOUTS = ("packed", "every other row", "column-major", "one point set for the whole batch", "unaligned")
SIZES = (0, 1, 2, 3, 7, 17, 33, 70, 131)
FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
NARROW = (torch.float32, torch.bfloat16, torch.float16)
"""The dtypes of directions that CUDA kernels take."""


@dataclass(frozen=True)
class Problem:
    """Two batches of points of one space, with the half apertures of x."""

    x: Polar
    y: Polar
    curvature: float

    @property
    def dtype(self) -> torch.dtype:
        return pair_dtype(self.x.direction, self.y.direction)

    @property
    def aperture(self) -> Tensor:
        return pairwise.half_aperture(self.x.radius, self.curvature)

    @property
    def device(self) -> torch.device:
        return self.x.radius.device

    @property
    def cone(self) -> tuple[Polar, Polar, float, Tensor]:
        """The points, the curvature and the half apertures."""
        return self.x, self.y, self.curvature, self.aperture

    def factor(self, quantity: str, swap: bool = False) -> Factor:
        """The points as a backend takes them, with half apertures of the apexes where the quantity has a cone."""
        apex = self.y if swap else self.x
        cone = pairwise.half_aperture(apex.radius, self.curvature) if QUANTITIES[quantity].cone else None
        return Factor(self.x, self.y, self.curvature, cone)

    def stored(self, backend: PairBackend, quantity: str, dtype: torch.dtype | None = None) -> Tensor:
        shape = (*self.x.radius.shape, self.y.radius.shape[-1])
        out = torch.full(shape, 7.0, dtype=dtype or self.dtype, device=self.x.radius.device)
        backend.store([self.factor(quantity)], QUANTITIES[quantity], out)
        return out

    def scores(self, quantity: str, swap: bool = False) -> Tensor:
        """What searches keep small, (B, N, M), by the reference; with `swap` y is the apex."""
        turned = Problem(self.y, self.x, self.curvature) if swap else self
        values = turned.stored(REFERENCE, quantity)
        values = values.mT if swap else values
        return -values if QUANTITIES[quantity].largest_first else values


@st.composite
def problems(
    draw: st.DrawFn,
    dtypes: tuple[torch.dtype, ...] = FLOATS,
    hard: bool = True,
    batches: tuple[int, ...] = (1, 2, 0, 3),
) -> Problem:
    """Points within the ranges of the accuracy bars; the hard ones lie in a plane, some at the root, some NaN."""
    shape = draw(st.sampled_from(batches)), draw(st.sampled_from(SIZES)), draw(st.sampled_from(SIZES))
    dtype, hard = draw(st.sampled_from(dtypes)), hard and draw(st.booleans())
    return _problem(draw, shape, (dtype, dtype), hard)


MIXED = ((torch.float32, torch.float16), (torch.bfloat16, torch.float32), (torch.float16, torch.float64))


@st.composite
def products(
    draw: st.DrawFn, batches: tuple[int, ...] = (1, 2), dtypes: tuple[torch.dtype, ...] = FLOATS
) -> list[Problem]:
    """The factors of a product of one to four spaces, as many points in each; x and y may differ in dtype."""
    shape = draw(st.sampled_from(batches)), draw(st.sampled_from(SIZES)), draw(st.sampled_from(SIZES))
    mixed = (both for both in MIXED if set(both) <= set(dtypes))
    chosen = draw(st.sampled_from((*((dtype, dtype) for dtype in dtypes), *mixed)))
    hard = draw(st.booleans())
    return [_problem(draw, shape, chosen, hard) for _ in range(draw(st.integers(1, 4)))]


def _problem(
    draw: st.DrawFn, shape: tuple[int, int, int], dtypes: tuple[torch.dtype, torch.dtype], hard: bool
) -> Problem:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    k, dim = draw(curvatures()), draw(st.sampled_from((2, 3, 7, 16, 33, 64, 129)))
    shared = _Shared(frame(1, dim, generator), bar_angles(9, generator), bar_radii(k, 4, generator)[0])
    b, *sizes = shape
    x, y = (
        _laid_out(
            _hard(b, size, shared, generator) if hard else _ordinary(b, size, dim, k, generator),
            draw(st.sampled_from(LAYOUTS)),
            dtype,
        )
        for size, dtype in zip(sizes, dtypes, strict=True)
    )
    return Problem(x, y, k)


def _ordinary(b: int, size: int, dim: int, curvature: float, generator: torch.Generator) -> Polar:
    s = math.sqrt(abs(curvature)) or 1.0
    centre = torch.randn(dim, generator=generator, dtype=torch.float64)
    direction = centre + torch.randn(b, size, dim, generator=generator, dtype=torch.float64)
    return Polar(direction, (0.2 + 1.2 * torch.rand(b, size, generator=generator, dtype=torch.float64)) / s)


@dataclass(frozen=True)
class _Shared:
    """What hard points of both sets have in common, so that some coincide and some are opposite."""

    plane: tuple[Tensor, Tensor]
    angles: Tensor
    radii: Tensor


def _hard(b: int, size: int, shared: _Shared, generator: torch.Generator) -> Polar:
    """A third of the points of shared rays, a third on their opposites, a third of rays of their own."""
    count = b * size
    pick = torch.randint(3 * len(shared.angles), (count,), generator=generator)
    theta = torch.where(pick < 18, shared.angles[pick % 9], bar_angles(count, generator)).unsqueeze(-1)
    ray = theta.cos() * shared.plane[0] + theta.sin() * shared.plane[1]
    ray = torch.where((pick % 18 < 9).unsqueeze(-1), ray, -ray)
    direction = 2.0 ** torch.randint(-3, 4, (count, 1), generator=generator) * ray
    radius = shared.radii[torch.randint(len(shared.radii), (count,), generator=generator)].clone()
    kind = torch.randint(30, (count,), generator=generator)
    direction[kind == 0], radius[kind == 0] = 0, 0
    direction[kind == 1, -1], radius[kind == 2] = math.nan, math.nan
    return Polar(direction.reshape(b, size, ray.shape[-1]), radius.reshape(b, size))


def _laid_out(point: Polar, layout: str, dtype: torch.dtype) -> Polar:
    direction, radius = point.direction.to(dtype), point.radius.to(pair_dtype(*2 * (point.direction.to(dtype),)))
    if layout == "every other row":
        return Polar(direction.repeat_interleave(2, 1)[:, ::2], radius.repeat_interleave(2, 1)[:, ::2])
    if layout == "column-major":
        return Polar(direction.mT.contiguous().mT, radius.mT.contiguous().mT)
    if layout == "one point set for the whole batch" and len(radius):
        return Polar(direction[:1].expand_as(direction), radius[:1].expand_as(radius))
    if layout == "unaligned":
        return Polar(torch.nn.functional.pad(direction, (1, 0))[..., 1:], radius)
    return Polar(direction, radius)


SCREENS = ("amx", "int8", "bfloat16", "float32")
"""What HIERGEO_SCREEN may name; where there is no instruction for one, the next takes its place."""

OWN = ", own product"
"""After a SIMD level: with tiles that the kernels multiply themselves, also where torch does by default."""


def levels() -> list[str]:
    """The SIMD levels that run here, the lowest with either product; the kernels themselves refuse the others."""
    if MISSING is not None:
        return ["none"]
    point = Polar(torch.ones(1, 1, 2), torch.ones(1, 1))
    found = []
    for level in (SIMD_LEVELS[0] + OWN, *SIMD_LEVELS):
        with at(level):
            try:
                Problem(point, point, -0.3).stored(NATIVE, "distance")
            except RuntimeError:
                continue
            found.append(level)
    return found


@contextmanager
def at(level: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        setenv(patch, "HIERGEO_SIMD", level.removesuffix(OWN))
        setenv(patch, "HIERGEO_PRODUCT", "own" if level.endswith(OWN) else "")
        yield
