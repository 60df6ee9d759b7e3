"""Coordinates of hyperbolic space as other libraries store them, to tangent vectors at the origin and back."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from hiergeo._core.errors import InputError, check_positive, unknown_name
from hiergeo._core.numerics import wide
from hiergeo.geometry.base import ConstantCurvature
from hiergeo.geometry.charts import Lorentz, PoincareBall
from hiergeo.geometry.space import MIN_RADIUS, Space

COORDINATES = ("hyperboloid", "ball", "lorentz-space", "negated-time")
"""Rows [time, space] with <x, x> = 1/K; rows of the Poincare ball; space components alone; and [-time, space]."""

SLACK = 16.0
"""Error of time coordinates of others, in units of their rounding."""

LOOKED_AT = 1 << 12
"""Rows, evenly spread, by which a hyperboloid is recognised."""

VARIATION = 1e-3
"""Least relative spread of the coordinates that are taken for times: a constant says nothing."""


@final
@dataclass(frozen=True)
class Coordinates:
    """What rows of numbers mean: points of a hyperbolic space in one of `COORDINATES`.

    The inner product of [-time, space] with a query [time, space] ranks by distance, the nearest first, in engines that
    know inner products alone: -cosh(s d) / s^2 with s = sqrt(-K).

    Attributes:
        name: one of `COORDINATES`.
        curvature: K < 0.
        min_radius: scale of the cones of their space, geodesic units.

    Raises:
        InputError: another name, a curvature that is not a number below 0, or a scale that is not one above 0.
    """

    name: str
    curvature: float
    min_radius: float = MIN_RADIUS

    def __post_init__(self) -> None:
        if self.name not in COORDINATES:
            raise unknown_name("kind of coordinates", self.name, COORDINATES)
        if not self.curvature < 0 or math.isinf(self.curvature):
            raise InputError(f"{self.name} coordinates need a curvature below 0, such as -1, not {self.curvature:g}.")
        check_positive("min_radius", self.min_radius)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Any]) -> "Coordinates | None":
        """Those that the arrays of its attributes' names (that of the name is ``coordinates``) say; None without it."""
        if "coordinates" not in arrays:
            return None
        scale = float(arrays.get("min_radius", MIN_RADIUS))
        return cls(str(arrays["coordinates"]), float(arrays.get("curvature", math.nan)), scale)

    @property
    def chart(self) -> ConstantCurvature:
        """The geometry whose chart they are."""
        return PoincareBall(self.curvature) if self.name == "ball" else Lorentz(self.curvature)

    @property
    def options(self) -> str:
        """How they are named in a spec."""
        return f"coordinates={self.name}&curvature={self.curvature!r}"

    def dim(self, ambient: int) -> int:
        """The dimension of tangent vectors of points of so many coordinates."""
        return ambient if self.name in ("ball", "lorentz-space") else ambient - 1

    def space(self, dim: int) -> Space:
        """The space of tangent vectors (N, dim) around the origin."""
        return Space(self.chart, torch.zeros(dim), min_radius=self.min_radius)

    def tangent(self, rows: Tensor) -> Tensor:
        """Tangent vectors (..., D) at the origin of points (..., ambient), at least float32.

        Numbers of float64 that are all those of float32, as lists of engines are, count as float32.

        Raises:
            InputError: a point outside of the space; names its row.
        """
        if rows.dtype == torch.float64 and bool((rows.float() == rows).all()):
            rows = rows.float()
        wider = torch.promote_types(rows.dtype, torch.float32)
        if self.name == "ball":
            return Space(self.chart, "none").from_ambient(rows.to(wider))
        space = wide(rows)
        if self.name != "lorentz-space":
            sign = -1 if self.name == "negated-time" else 1
            self.chart.from_ambient(torch.cat((sign * rows[..., :1], rows[..., 1:]), dim=-1))
            space = space[..., 1:]
        time = torch.hypot(space.norm(dim=-1, keepdim=True), space.new_tensor(1 / math.sqrt(-self.curvature)))
        return Space(self.chart, "none").from_ambient(torch.cat((time, space), dim=-1)).to(wider)

    def points(self, vectors: Tensor) -> Tensor:
        """The coordinates (..., ambient) of tangent vectors (..., D); inverse of `tangent`.

        Raises:
            InputError: a vector so long that its coordinates overflow, or lose it at the boundary of the ball.
        """
        rows = Space(self.chart, "none").to_ambient(vectors)
        if self.name == "lorentz-space":
            return rows[..., 1:]
        return torch.cat((-rows[..., :1], rows[..., 1:]), dim=-1) if self.name == "negated-time" else rows


def refuse_hyperboloid(rows: Tensor, what: str, cure: str) -> None:
    """Raise InputError where rows (N, D) are points of a hyperboloid, which flat or unit rows never are.

    `what` says whose rows they are, and `cure` what to write, with ``{}`` for the options of a spec.
    """
    if len(rows) < 2 or rows.shape[-1] < 3:
        return
    exact = wide(rows[:: -(-len(rows) // LOOKED_AT)])
    for axis, others, where in ((0, slice(1, None), "first"), (-1, slice(None, -1), "last")):
        time, length = exact[:, axis], exact[:, others].norm(dim=1)
        height = time.abs()
        least = int(height.argmin())
        gap = float(height[least].square() - length[least].square())
        apart = (height - torch.hypot(length, height.new_tensor(math.sqrt(max(gap, 0.0))))).abs()
        one_sheet = bool((time > 0).all() or (time < 0).all())
        varied = float(height.max()) > (1 + VARIATION) * float(height.min())
        slack = SLACK * torch.finfo(rows.dtype).eps * height
        if gap > 0 and one_sheet and varied and bool((apart <= slack).all()):
            form = f"-t^2 + |s|^2 = {-gap:.4g}, with the time coordinate {where}"
            if where == "last":
                raise InputError(f"{what} are points of a hyperboloid, {form}: put it first.")
            name = "hyperboloid" if bool((time > 0).all()) else "negated-time"
            described = cure.format(f"coordinates={name}&curvature={-1 / gap:.6g}")
            raise InputError(f"{what} are points of a hyperboloid, {form}: write {described}.")
