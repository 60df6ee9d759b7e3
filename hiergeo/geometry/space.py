"""A space: a geometry with its root, which reads embeddings as points and measures them."""

import math
from collections.abc import Callable
from typing import Literal, TypeVar, final

import torch
from torch import Tensor, nn

from hiergeo import pairwise
from hiergeo._numerics import compute_dtype, readable, wants_derivative, wide
from hiergeo.errors import InputError, check_positive, warn
from hiergeo.geometry._base import Geometry, to_ray
from hiergeo.geometry.product import Product
from hiergeo.pairwise import rows
from hiergeo.pairwise.checks import check_reach
from hiergeo.polar import Polar

Factor = TypeVar("Factor")
Measure = Callable[[Polar, Polar, float | Tensor], Tensor]

MIN_RADIUS = 0.1
"""The scale of cones unless another is asked for, in geodesic units."""


@final
class Space(nn.Module):
    """A geometry around a root.

    An embedding e is read as the tangent vector v = e - root at the root O: its radius is |v| and its direction
    v/|v| in every geometry. With frozen embeddings radii are therefore the same in all geometries, by construction.

    Args:
        geometry: a `Geometry` or a `Product`.
        root: (D,) embedding that becomes the origin (gradients reach it, a Parameter is registered as one); None leaves
            the choice to whoever evaluates the space, which then uses the model's own root; False is no root at all.
            Alone, None acts like False.
        min_radius: radius up to which cones are half-spaces, and the scale of their apertures beyond it; above 0.

    Cones are those of `min_radius`, unless a call names another.

    Every method takes embeddings (..., N, D) and raises InputError for a wrong dimension or, on a sphere, for a point
    beyond the antipode. Row-wise methods broadcast; pairwise ones give (..., N, M).
    """

    root: Tensor | None

    def __init__(
        self,
        geometry: Geometry | Product,
        root: Tensor | Literal[False] | None = None,
        *,
        min_radius: float = MIN_RADIUS,
    ) -> None:
        super().__init__()
        check_positive("min_radius", min_radius)
        self.geometry = geometry
        self.min_radius = min_radius
        self.unrooted = root is False
        if not isinstance(geometry, Geometry | Product):
            raise InputError(f"geometry must be a Geometry or a Product, not {geometry!r}: use hiergeo.geometry.parse.")
        if isinstance(root, Tensor):
            if root.ndim != 1:
                raise InputError(f"root must be one vector (D,), not a tensor of shape {tuple(root.shape)}.")
            if readable(root) and not bool(torch.isfinite(root).all()):
                raise InputError("root holds NaN or Inf: every coordinate must be finite.")
            if isinstance(root, nn.Parameter):
                self.root = root
            else:
                self.register_buffer("root", root)
        elif root is None or root is False:
            self.root = None
        else:
            raise InputError(f"root must be a tensor (D,), None or False, not {type(root).__name__}.")

    def rooted(self, root: Tensor) -> "Space":
        """This space around `root`, unless it has a root already or asked for none."""
        if self.unrooted or self.root is not None:
            return self
        return Space(self.geometry, root, min_radius=self.min_radius)

    def polars(self, x: Tensor) -> list[Polar]:
        """Polar form of embeddings in each factor: one `Polar` for a plain geometry."""
        _check(x)
        v = self._tangent(x)
        result = []
        for geometry, part in self.geometry.parts(x.shape[-1]):
            ray = to_ray(v[..., part])
            point = Polar(*(field.to(compute_dtype(x.dtype)) for field in ray))
            check_reach("embedding", point.radius, geometry.curvature)
            result.append(point)
        return result

    def polar(self, x: Tensor) -> Polar:
        """Polar form of embeddings, (..., N, D). Raises InputError for a product: see `polars`."""
        return self._only(self.polars(x))

    def radius(self, x: Tensor) -> Tensor:
        """Distance from the root, (..., N), geodesic units."""
        return self.geometry.combine([point.radius for point in self.polars(x)])

    def exterior_angle(self, x: Tensor, y: Tensor) -> Tensor:
        """Xi(x_i, y_i) in [0, pi] radians. Raises InputError for a product."""
        return rows.exterior_angle(self.polar(x), self.polar(y), self._only(self._curvatures(x)))

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Geodesic distance of x_i and y_i."""
        return self.geometry.combine(self._each(x, y, rows.distance))

    def half_aperture(self, x: Tensor, min_radius: float | None = None) -> Tensor:
        """Half aperture of the cone at x_i in [0, pi/2] radians. Raises InputError for a product."""
        return self._aperture(self.polar(x), self._only(self._curvatures(x)), min_radius)

    def margin(self, x: Tensor, y: Tensor, min_radius: float | None = None) -> Tensor:
        """Cone margin of x_i over y_i, radians; x entails y where it is >= 0. The smallest of a product's factors."""

        def margin(a: Polar, b: Polar, curvature: float | Tensor) -> Tensor:
            return self._aperture(a, curvature, min_radius) - rows.exterior_angle(a, b, curvature)

        return pairwise.least(self._each(x, y, margin))

    def pairwise_distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Geodesic distance of every pair, (..., N, M)."""
        norm = self.geometry.norm if isinstance(self.geometry, Product) else "l2"
        return pairwise.distance(*self._pairs(x, y), combine=norm)

    def pairwise_margin(self, x: Tensor, y: Tensor, min_radius: float | None = None) -> Tensor:
        """Cone margin of every x over every y, (..., N, M) radians; the smallest over the factors of a product."""
        polars = self._pairs(x, y)
        for point, _, curvature in zip(*polars, strict=True):
            warn_if_widening(point.radius, curvature)
        return pairwise.cone_margin(*polars, self._least(min_radius))

    def _each(self, x: Tensor, y: Tensor, measure: Measure) -> list[Tensor]:
        return [measure(a, b, curvature) for a, b, curvature in zip(*self._pairs(x, y), strict=True)]

    def _pairs(self, x: Tensor, y: Tensor) -> tuple[list[Polar], list[Polar], list[float | Tensor]]:
        """Points of x and of y and the curvature, in each factor."""
        _check(x)
        _check(y)
        if x.shape[-1] != y.shape[-1]:
            raise InputError(f"x has dimension {x.shape[-1]} and y has dimension {y.shape[-1]}: they must be equal.")
        return self.polars(x), self.polars(y), self._curvatures(x)

    def _tangent(self, x: Tensor) -> Tensor:
        if self.root is None:
            return wide(x)
        if x.shape[-1] != len(self.root):
            raise InputError(
                f"embeddings have dimension {x.shape[-1]} and the root has {len(self.root)}: they must be equal."
            )
        root = wide(self.root)
        if wants_derivative(root):  # a row with NaN or Inf gives the root no gradient
            root = torch.where(torch.isfinite(x.detach()).all(-1, keepdim=True), root, root.detach())
        return wide(x) - root

    def _curvatures(self, x: Tensor) -> list[float | Tensor]:
        return [geometry.curvature for geometry, _ in self.geometry.parts(x.shape[-1])]

    def _aperture(self, point: Polar, curvature: float | Tensor, min_radius: float | None) -> Tensor:
        warn_if_widening(point.radius, curvature)
        return pairwise.half_aperture(point.radius, curvature, self._least(min_radius))

    def _least(self, min_radius: float | None) -> float:
        return self.min_radius if min_radius is None else min_radius

    def _only(self, factors: list[Factor]) -> Factor:
        if len(factors) > 1:
            raise InputError(f"{self.geometry.spec} has no single angle or cone: use distance, margin or polars.")
        return factors[0]


def _check(x: Tensor) -> None:
    if not isinstance(x, Tensor):
        raise InputError(f"embeddings must be a tensor (..., D), not {type(x).__name__}: use torch.as_tensor.")
    if x.ndim < 1 or not x.is_floating_point():
        raise InputError(
            f"embeddings must be a floating-point tensor (..., D), not {x.dtype} of shape {tuple(x.shape)}."
        )


def _number(curvature: float | Tensor) -> float:
    return float(curvature.detach()) if isinstance(curvature, Tensor) else curvature


def warn_if_widening(radius: Tensor, curvature: float | Tensor) -> None:
    """Warn where points lie beyond the equator of a sphere; skipped where values are not readable."""
    if not readable(radius):
        return
    k = _number(curvature)
    if k > 0 and bool(((radius * math.sqrt(k) > math.pi / 2) & torch.isfinite(radius)).any()):
        warn("points lie beyond the equator of the sphere, where entailment cones widen again.")
