"""Points of a space: embeddings lifted to polar form once, however often they are then measured."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

from hiergeo._core.errors import InputError, warn
from hiergeo._core.numerics import WITHOUT_FLOAT64, compute_dtype, readable, wants_derivative, widest
from hiergeo._core.polar import Exact, Lifted, Polar, part_of
from hiergeo.geometry.base import Geometry, to_ray
from hiergeo.geometry.law import PairLaw
from hiergeo.pairwise.widening import widened

Curvatures = list[float | Tensor]

LEAST = torch.finfo(torch.float32).tiny
"""Norms below this count as this where rows are divided by them: the direction of such a row is shorter than 1."""

STRETCH = 1 << 12
"""Rows that are held in float64 at a time."""


@dataclass(frozen=True, eq=False)
class Points:
    """N points of a space in polar form around its root, with any leading dimensions; made by `Space.points`.

    The polar form depends on the root and on how a product slices embeddings, not on curvatures.

    Attributes:
        geometry: of the space.
        factors: the polar form in each factor: directions (..., N, dimension of the factor) and radii (..., N).
        lifted_from: the embeddings, if any, and how often these had been written to, where torch counts it.
    """

    geometry: Geometry
    factors: tuple[Polar, ...]
    lifted_from: tuple[Tensor, int] | None = None

    def __len__(self) -> int:
        """N."""
        return self.factors[0].radius.shape[-1]

    @property
    def dim(self) -> int:
        """The dimension of the space."""
        dim = 0
        for point in self.factors:
            dim += point.direction.shape[-1]
        return dim

    @property
    def radius(self) -> Tensor:
        """Distance from the root, (..., N), geodesic units."""
        return self.geometry.combine(self.radii)

    @property
    def radii(self) -> list[Tensor]:
        """Distance from the root in each factor, (..., N) each, geodesic units, in the compute dtype."""
        return self.geometry.radii(self.factors)

    def rows(self, which: slice | Tensor) -> "Points":
        """Some of the points, by a slice of the N or by (n,) integers or booleans."""
        points = self.settled()
        chosen = type(self.factors)(part_of(point, which) for point in points.factors)
        return Points(self.geometry, chosen, points.lifted_from)

    def settled(self) -> "Points":
        """These points; on their rays alone once the embeddings that these were rounded from are written to."""
        if self.lifted_from is None or version_of(self.lifted_from[0]) == self.lifted_from[1]:
            return self
        return Points(self.geometry, Lifted(Polar(*point) for point in self.factors))


def radius_of(point: Polar) -> Tensor:
    """The radius of a point, (..., N), in the dtype that its pairs are computed in."""
    return point.radius.to(compute_dtype(point.direction.dtype))


def lift(x: Tensor, root: Tensor | None, geometry: Geometry, origin: Tensor | None) -> Points:
    """The points of embeddings (..., N, D): in each factor the length and the direction of its part of x - root.

    `origin` is the root as gradients reach it; points that share the root are measured on their embeddings, those of a
    law with their gradients.
    """
    exact = torch.float32 if x.device.type in WITHOUT_FLOAT64 else torch.float64
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    frozen = _is_frozen(x, origin)
    factors: list[Polar] = []
    for part in (None,) if geometry.single else [part for _, part in geometry.parts(x.shape[-1])]:
        vectors, centre = x.detach(), None if root is None else root.detach()
        if part is not None:
            vectors, centre = vectors[..., part], None if centre is None else centre[part]
        centre = vectors.new_zeros(vectors.shape[-1], dtype=exact) if centre is None else centre.to(exact, copy=True)
        rays: list[tuple[Tensor, Tensor]] = []
        for rows in x.split(STRETCH) if x.ndim == 2 and x.shape[0] > STRETCH else (x,):
            ray = to_frozen_ray(rows, part, centre) if frozen else to_ray(_tangent(rows, origin, part, exact))
            rays.append(ray)
        direction, radius = rays[0]
        if len(rays) > 1:
            direction, radius = (torch.cat(field) for field in zip(*rays, strict=True))
        if isinstance(geometry, PairLaw):
            whole = x.new_zeros(x.shape[-1]) if origin is None else origin
            factors.append(Exact.of(Polar(direction.to(dtype), radius), x, whole, root))
            continue
        if dtype == exact:
            factors.append(Polar(direction, radius))
            continue
        point = Exact(direction.to(dtype), radius)
        point.vectors, point.origin, point.source, point.shadow = vectors, centre, root, None
        factors.append(point)
    countable = not (torch.compiler.is_compiling() or x.is_inference())
    return Points(geometry, Lifted(factors), (x, version_of(x)) if countable else None)


def _is_frozen(x: Tensor, origin: Tensor | None) -> bool:
    """Whether neither embeddings nor their origin carry a derivative, a transform of `torch.func` or a trace."""
    if torch.compiler.is_compiling():
        return False
    recorded = torch.is_grad_enabled()
    try:
        for operand in (x,) if origin is None else (x, origin):
            if (recorded and operand.requires_grad) or forward_ad.unpack_dual(operand).tangent is not None:
                return False
            if type(operand) is not Tensor and type(operand) is not Parameter:
                return False
            operand.data_ptr()  # a tensor of a transform has none
    except RuntimeError:
        return False
    return True


def to_frozen_ray(x: Tensor, part: slice | None, centre: Tensor) -> tuple[Tensor, Tensor]:
    """As `to_ray` of a tangent vector, by fewer operations."""
    v = (x if part is None else x[..., part]) - centre
    norm = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    v *= norm.clamp_min(LEAST).reciprocal()
    return v, norm.squeeze(-1)


def factor_lengths(x: Tensor, root: Tensor | None, geometry: Geometry) -> list[Tensor]:
    """The radii (..., N) of embeddings in each factor; those of `lift`, without its directions."""
    dtype, exact = compute_dtype(x.dtype), widest(x.device)
    stretches = x.split(STRETCH) if x.ndim == 2 and len(x) > STRETCH else (x,)
    lengths = (
        [torch.linalg.vector_norm(_tangent(rows, root, part, exact), dim=-1).to(dtype) for rows in stretches]
        for _, part in geometry.parts(x.shape[-1])
    )
    return [parts[0] if len(parts) == 1 else torch.cat(parts) for parts in lengths]


def row_by_row(measure: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    """`measure` of tensors (N, ...) that belong together row by row, (N, ...), a stretch of rows at a time."""
    return torch.cat([measure(*parts) for parts in zip(*(field.split(STRETCH) for field in rows), strict=True)])


def _tangent(x: Tensor, root: Tensor | None, part: slice | None, exact: torch.dtype) -> Tensor:
    v = x if part is None else x[..., part]
    v = v.to(exact) if v.itemsize > 2 else widened(v, exact)
    if root is None:
        return v
    origin = root if part is None else root[part]
    origin = origin.to(exact) if origin.itemsize > 2 else widened(origin, exact)
    if wants_derivative(origin):  # a row with NaN or Inf gives the root no gradient
        origin = torch.where(torch.isfinite(v.detach()).all(-1, keepdim=True), origin, origin.detach())
    return v - origin


def version_of(x: Tensor) -> int:
    """How often `x` was written to, where torch counts it."""
    try:
        return x._version
    except (AttributeError, RuntimeError):  # inference tensors have no version
        return 0


def tensor_of(x: Any) -> Any:
    """Arrays of numpy and nested lists of numbers (float32) as a tensor; anything else, and ragged lists, as it is."""
    with suppress(ValueError, TypeError):
        if isinstance(x, np.ndarray):
            return torch.as_tensor(x)
        if isinstance(x, list | tuple):
            return torch.tensor(x, dtype=torch.float32)
    return x


def check_rows_of_floats(name: str, x: Tensor) -> None:
    """Raise InputError unless `x` is a dense floating-point tensor (..., D)."""
    if not isinstance(x, Tensor):
        raise InputError(f"{name} must be a tensor (..., D), not {type(x).__name__}: use torch.as_tensor.")
    if x.ndim < 1 or not x.is_floating_point():
        raise InputError(f"{name} must be a floating-point tensor (..., D), not {x.dtype} of shape {tuple(x.shape)}.")
    if x.layout is not torch.strided:
        raise InputError(f"{name} must be dense, not {x.layout}: give x.to_dense().")


def check_located(x: Tensor, root: Tensor | None) -> None:
    """Raise InputError unless `x` holds embeddings (..., D) that fit the root."""
    check_rows_of_floats("embeddings", x)
    if root is None:
        return
    if x.shape[-1] != len(root):
        raise InputError(f"embeddings have dimension {x.shape[-1]} and the root has {len(root)}: they must be equal.")
    if x.device != root.device:
        raise InputError(
            f"embeddings are on {x.device} and the root of the space on {root.device}: move the space with space.to."
        )


def warn_if_widening(x: Points, curvatures: Curvatures) -> None:
    """Warn where points lie beyond the equator of a sphere; skipped where values are not readable."""
    for point, curvature in zip(x.factors, curvatures, strict=True):
        if not readable(point.radius):
            return
        k, radius = float(curvature.detach()) if isinstance(curvature, Tensor) else curvature, point.radius.detach()
        if k > 0 and bool(((radius * math.sqrt(k) > math.pi / 2) & torch.isfinite(radius)).any()):
            warn("points lie beyond the equator of the sphere, where entailment cones widen again.")
