"""The float32 path on GPUs for which torch brings Triton: products by torch, what becomes of them by `epilogues`.

A chunk of cosines is turned into angles, distances, margins, energies or derivatives by one kernel in the place of many
operations of torch, and reduced by another. Pairs on nearly one line are measured in float64 as `portable` does, and so
is everything that float32 cannot hold. Triton is imported at the first launch.
"""

import functools
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar, final

import torch
from torch import Tensor

from hiergeo._core.polar import Polar
from hiergeo.pairwise import portable
from hiergeo.pairwise.interface import Factor
from hiergeo.pairwise.portable import Near, PlainMeasure, PlainPairs, PlainSums, measure
from hiergeo.pairwise.quantity import ENERGY, MARGIN, QUANTITIES, Quantity
from hiergeo.pairwise.reference import TileBackend
from hiergeo.pairwise.tiles import GradientSums, Measure, Tile, TiledPairs, Values

DEVICES = ("cuda", "xpu")
"""Types of devices that Triton compiles for; ROCm is "cuda" too."""

Result = TypeVar("Result")


class LaunchError(RuntimeError):
    """A kernel that could not be compiled or launched."""


@functools.cache
def missing(device_type: str) -> str | None:
    """Why there are no Triton kernels for a type of device; None where Triton may compile them."""
    if device_type not in DEVICES:
        return f"there are no Triton kernels for {device_type}"
    if not torch.get_device_module(device_type).is_available():
        return f"this torch has no usable {device_type}"
    if find_spec("triton") is None:
        return "Triton is not installed"
    compilers = (os.environ.get("CC"), "gcc", "clang", "cc")
    if os.name != "nt" and not any(name and shutil.which(name) for name in compilers):
        return "Triton needs a C compiler (gcc or clang) at run time"
    return None


def options(kernel: str, constants: dict[str, int]) -> dict[str, Any]:
    """How a kernel is compiled: by as many warps as leave registers, and stating what versions of Triton differ in."""
    warps = 4 if kernel != "weigh" else 16 if constants["K"] else 8
    return {"num_warps": warps, "enable_fp_fusion": True}


@contextmanager
def _named(step: str) -> Iterator[None]:
    """Make any error a LaunchError that names the step: those of compilers and drivers have no base class."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        first = (str(error).strip() or "no message").splitlines()[0]
        raise LaunchError(f"{step} raised {type(error).__name__}: {first}") from error


def _kernels() -> Any:
    with _named("import"):
        from hiergeo.pairwise import epilogues
    return epilogues


def launch(kernel: str, chunk: Tensor, *operands: object, **constants: int) -> None:
    """Run a kernel on every block of a chunk (n, m); LaunchError, with its name, where that fails."""
    kernels, (n, m) = _kernels(), chunk.shape
    grid = (-(-n // kernels.ROWS.value) * -(-m // kernels.COLUMNS.value),)
    with _named(kernel), torch.accelerator.device_index(chunk.device.index):
        getattr(kernels, kernel)[grid](chunk, *operands, **constants, **options(kernel, constants))


def blocks(chunk: Tensor, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Room for a number a row, and one a column, of every block of a chunk: (blocks, n) and (blocks, m)."""
    kernels, (n, m) = _kernels(), chunk.shape
    across, down = -(-m // kernels.COLUMNS.value), -(-n // kernels.ROWS.value)
    return chunk.new_empty(across, n, dtype=dtype), chunk.new_empty(down, m, dtype=dtype)


@dataclass(frozen=True)
class FusedTriangle:
    """The law of `PlainTriangle` on a chunk, by kernels.

    Attributes:
        cosine: cos(theta), (n, m), contiguous.
        x: the sides of rows, (9, n), and
        y: of columns, (9, m).
        curvature: signed K.
        near: the pairs that are measured in float64; None where there are none.
        swap: whether the apexes are the columns.
    """

    cosine: Tensor
    x: Tensor
    y: Tensor
    curvature: float
    near: Near | None
    swap: bool

    def constants(self, quantity: Quantity) -> dict[str, int]:
        """The sign of K; and 1 for what is measured along geodesics, 0 for angles and what cones make of them."""
        sign = (self.curvature > 0) - (self.curvature < 0)
        return {"SIGN": sign, "KIND": int(quantity.law is QUANTITIES["distance"].law)}

    @property
    def scale(self) -> float:
        """s = sqrt(|K|)."""
        return math.sqrt(abs(self.curvature))

    def exterior_angle(self) -> Tensor:
        return self.write(QUANTITIES["exterior_angle"], None, torch.empty_like(self.cosine))

    def distance(self) -> Tensor:
        return self.write(QUANTITIES["distance"], None, torch.empty_like(self.cosine))

    def write(self, quantity: Quantity, aperture: Tensor | None, out: Tensor) -> Tensor:
        """Write a quantity to `out` (n, m), whose rows are contiguous; it may be the cosines."""
        cone = CONES[quantity.cone] if quantity.cone is not None and aperture is not None else 0
        psi = self.x if aperture is None else aperture.contiguous()
        operands = out, out.stride(0), self.x, self.y, psi, *self.cosine.shape, self.scale
        launch("law", self.cosine, *operands, **self.constants(quantity), CONE=cone, SWAP=int(self.swap))
        if self.near is not None:
            rows, columns = self.near.rows, self.near.columns
            apex = None if aperture is None else aperture[columns if self.swap else rows]
            out[rows, columns] = quantity.value(self.near.triangle, apex)
        return out


CONES = {MARGIN: 1, ENERGY: 2}


@dataclass(frozen=True)
class FusedPairs(PlainPairs):
    """The pairs of two unbatched polar point sets, a chunk at a time, by kernels."""

    def triangle(self, i: slice, j: slice, cosine: Tensor) -> FusedTriangle:
        x, y = (of[:, index].contiguous() for of, index in zip(self.sides, (i, j), strict=True))
        return FusedTriangle(cosine, x, y, self.curvature, self.near(i, j, cosine), self.swap)


class FusedSums(PlainSums):
    """As `PlainSums`, weighed by a kernel."""

    def weighed(
        self, tile: Tile, pairs: PlainPairs, weight: Tensor, quantity: Quantity
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        law: FusedTriangle = tile.triangle
        chunk, (rows, columns) = law.cosine, blocks(law.cosine)
        by_curvature = torch.empty_like(rows) if self.by_curvature else None
        if law.near is not None and law.near.first is not None:
            chunk[0, 0] = 2.0  # the first pair is always among the near ones
        operands = law.x, law.y, rows, columns, rows if by_curvature is None else by_curvature, *chunk.shape
        operands = *weight.stride(), *operands, law.scale, portable.NEAR
        launch("weigh", chunk, weight, *operands, **law.constants(quantity), K=int(self.by_curvature))
        by_x, by_y = (part.sum(0, dtype=self.curvature.dtype) for part in (rows, columns))
        return chunk, by_x, by_y, None if by_curvature is None else by_curvature.sum(dtype=self.curvature.dtype)


class FusedValues(Values):
    """A quantity of pairs, formed and reduced by kernels where it is float32."""

    def write(self, i: slice, out: Tensor) -> None:
        if len(self.factors) > 1 or out.dtype != torch.float32 or out.stride(-1) != 1:
            super().write(i, out)
            return
        for tile in self.factors[0].tiles(i):
            tile.triangle.write(self.quantity, self._aperture(0, tile), out[:, tile.j])

    def _value(self, f: int, tile: Tile) -> Tensor:
        values: Tensor = tile.triangle.write(self.quantity, self._aperture(f, tile), tile.triangle.cosine)
        return values

    def _aperture(self, f: int, tile: Tile) -> Tensor | None:
        aperture = self.apertures[f]
        return None if aperture is None else aperture[tile.j if self.factors[f].swap else tile.i]

    def within(self, values: Tensor, reach: Tensor | None) -> Tensor:
        counts, floor = blocks(values, torch.int32)[0], values
        if reach is not None:
            floor = reach.to(torch.float32)
            floor = torch.where(floor > reach, torch.nextafter(floor, floor.new_tensor(-torch.inf)), floor)
        launch("count", values, floor, counts, *values.shape, AT_MOST=int(reach is not None))
        return counts.sum(0)

    def least(self, values: Tensor) -> tuple[Tensor, Tensor]:
        leasts, columns = blocks(values)[0], blocks(values, torch.int32)[0]
        launch("least", values, leasts, columns, *values.shape)
        least = leasts.amin(0)
        return least, torch.where(leasts == least, columns, values.shape[1]).amin(0).to(torch.int64)

    def reduced(self, logits: Tensor, reduction: str) -> tuple[Tensor, Tensor]:
        (top_x, top_y), (x, y) = blocks(logits), blocks(logits)
        softplus = int(reduction == "softplus")
        launch("reduce_logits", logits, top_x, top_y, x, y, *logits.shape, SOFTPLUS=softplus)
        if softplus:
            return x.sum(0, dtype=torch.float64), y.sum(0, dtype=torch.float64)
        rows, columns = (
            torch.logsumexp(top.double() + of.double().log1p_(), 0) for top, of in ((top_x, x), (top_y, y))
        )
        return rows, columns

    def weighed(
        self, logits: Tensor, reduced: tuple[Tensor, Tensor], upstream: tuple[Tensor, Tensor], reduction: str
    ) -> Tensor:
        operands = (part.contiguous() for part in (*reduced, *upstream))
        launch("weigh_logits", logits, *operands, *logits.shape, SOFTPLUS=int(reduction == "softplus"))
        return logits


class FusedMeasure(PlainMeasure):
    """Pairs in float32 by kernels, but for those on nearly one line."""

    def pairs(self, x: Polar, y: Polar, curvature: float, swap: bool = False) -> TiledPairs:
        return FusedPairs(x, y, curvature, swap, self)

    def sums(self, x: Polar, y: Polar, aperture: Tensor | None, by_curvature: bool) -> GradientSums:
        return FusedSums(x, y, aperture, by_curvature)

    def values(self, factors: Sequence[Factor], quantity: Quantity, swap: bool = False) -> Iterator[Values]:
        for of in super().values(factors, quantity, swap):
            yield FusedValues(of.factors, of.apertures, of.quantity)


@final
class FusedBackend(TileBackend):
    """The pair operations by Triton, and by plain PyTorch from the first kernel on that cannot be compiled or launched.

    Args:
        strict: raise LaunchError instead.

    Attributes:
        broken: what became of that kernel; None while all have worked.
    """

    def __init__(self, strict: bool = False) -> None:
        self.broken: str | None = None
        self._strict = strict
        super().__init__(lambda factors: measure(factors, PlainMeasure if self.broken else FusedMeasure))

    def _settled(self, work: Callable[[Measure], Result], factors: Sequence[Factor]) -> Result:
        try:
            return super()._settled(work, factors)
        except LaunchError as error:
            if self._strict:
                raise
            self.broken = str(error)
        return super()._settled(work, factors)


FUSED, TRIAL = FusedBackend(), FusedBackend(strict=True)
"""Pairs in float32 by Triton, with the reference for float64 and for what float32 cannot hold; the second is tested."""
