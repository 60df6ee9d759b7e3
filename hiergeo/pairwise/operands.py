"""Operands of pair operations: points and curvatures of the factors of a space, checked, flattened, with a backend."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hiergeo._core.numerics import pair_dtype, scalar, wants_derivative
from hiergeo._core.polar import Polar
from hiergeo.pairwise import checks
from hiergeo.pairwise.interface import Backend, Factor
from hiergeo.pairwise.quantity import named, unchecked_aperture
from hiergeo.pairwise.resolver import resolve

Points = Polar | Sequence[Polar]
"""Points of one space, or of a product: their polar form in each factor."""

Curvature = float | Tensor | Sequence[float | Tensor]
"""The signed curvature of one space, or those of the factors of a product."""


BLOCK = 1 << 22
"""Pairs of a product that are stored at a time where only a reduction of each row is kept."""


class Pairs(NamedTuple):
    """Two point sets in the factors of a space.

    Attributes:
        x: N points in each factor, directions (..., N, D) and radii (..., N).
        y: M points in each.
        curvature: signed K of each.
        batch: the leading dimensions of x and y, broadcast against each other.
    """

    x: tuple[Polar, ...]
    y: tuple[Polar, ...]
    curvature: tuple[float | Tensor, ...]
    batch: torch.Size

    @property
    def single(self) -> bool:
        """Whether the space is no product."""
        return len(self.x) == 1

    @property
    def rows(self) -> torch.Size:
        """The shape (..., N) of results with one number for each x."""
        return torch.Size((*self.batch, *self.x[0].radius.shape[-1:]))

    def operands(self) -> tuple[list[Tensor], ...]:
        """The leading operands of operators: lists of directions and radii of x and of y and of 0-dim curvatures."""
        ux, uy = ([p.direction.expand(*self.batch, *p.direction.shape[-2:]) for p in side] for side in (self.x, self.y))
        rx, ry = ([p.radius.expand(*self.batch, *p.radius.shape[-1:]) for p in side] for side in (self.x, self.y))
        device = self.x[0].radius.device
        return ux, rx, uy, ry, [scalar(k, device) for k in self.curvature]

    def apertures(self, min_radius: float, of_y: bool = False) -> list[Tensor]:
        """Half apertures at x, or at y, in each factor."""
        side = self.y if of_y else self.x
        return [
            unchecked_aperture(p.radius, k, min_radius).expand(*self.batch, *p.radius.shape[-1:])
            for p, k in zip(side, self.curvature, strict=True)
        ]

    def closed(self, of_y: bool = False) -> list[Tensor]:
        """Half apertures of 0 at x, or at y, in each factor: the margins of such cones are minus exterior angles."""
        side = self.y if of_y else self.x
        return [torch.zeros_like(p.radius).expand(*self.batch, *p.radius.shape[-1:]) for p in side]

    def blocks(self, apertures: list[Tensor]) -> Iterator[tuple["Pairs", list[Tensor]]]:
        """Blocks of rows of x with their half apertures and all y, of at most `BLOCK` pairs; at least one block."""
        *batch, rows = self.rows
        step = max(1, BLOCK // max(1, math.prod(batch) * self.y[0].radius.shape[-1]))
        for start in range(0, max(1, rows), step):
            part = slice(start, start + step)
            x = tuple(Polar(p.direction[..., part, :], p.radius[..., part]) for p in self.x)
            yield self._replace(x=x), [aperture[..., part] for aperture in apertures]

    def paired(self, indices: Tensor) -> list[tuple[Polar, Polar, float | Tensor]]:
        """Each x with one y, `indices` (..., N): the points and the curvature in every factor, row by row."""
        ux, rx, uy, ry, _ = self.operands()
        others = [
            Polar(u.gather(-2, indices.unsqueeze(-1).expand(*indices.shape, u.shape[-1])), r.gather(-1, indices))
            for u, r in zip(uy, ry, strict=True)
        ]
        return [(Polar(u, r), other, k) for u, r, other, k in zip(ux, rx, others, self.curvature, strict=True)]

    def detached(self) -> "Pairs":
        """The same without derivatives, backward and forward."""
        x, y = (tuple(Polar(*(field.detach() for field in p)) for p in side) for side in (self.x, self.y))
        curvature = tuple(k.detach() if isinstance(k, Tensor) else k for k in self.curvature)
        return self._replace(x=x, y=y, curvature=curvature)

    def tensors(self) -> list[Tensor]:
        """The points and those curvatures that are tensors."""
        operands = (*(field for p in (*self.x, *self.y) for field in p), *self.curvature)
        return [x for x in operands if isinstance(x, Tensor)]

    def wants_derivative(self) -> bool:
        """Whether a result has to carry a derivative to points or curvatures; inside of `torch.func` it may have to."""
        return wants_derivative(*self.tensors())


def pairs(px: Points, py: Points, curvature: Curvature) -> Pairs:
    """The pairs of two point sets, or InputError for factors that do not fit each other."""
    x, y = ((p,) if isinstance(p, Polar) else tuple(p) for p in (px, py))
    k = tuple(curvature) if isinstance(curvature, Sequence) else (curvature,)
    checks.check_factors(len(x), len(y), len(k))
    for each in k:
        checks.check_curvature(each)
    batches = [checks.check_pair(a, b) for a, b in zip(x, y, strict=True)]
    return Pairs(x, y, k, checks.broadcast(batches))


POINTS = "Tensor ux, Tensor rx, Tensor uy, Tensor ry, Tensor curvature"
"""The leading operands of every operator on the pairs of one space."""

FACTORS = "Tensor[] ux, Tensor[] rx, Tensor[] uy, Tensor[] ry, Tensor[] curvature, Tensor[] aperture"
"""The leading operands of every operator on the pairs of a product of spaces; no apertures without a cone."""


class Problem(NamedTuple):
    """The operands of a backend: the factors of a space, each with one flattened leading dimension.

    Attributes:
        factors: one for a space that is no product.
        backend: the backend that computes.
        batch: the leading dimensions before they were flattened.
    """

    factors: tuple[Factor, ...]
    backend: Backend
    batch: torch.Size

    def flat(self, operand: Tensor) -> Tensor:
        """`operand` with its leading dimensions flattened."""
        return flat(operand, self.batch)

    def batched(self, result: Tensor) -> Tensor:
        """A result of the backend with its leading dimensions restored."""
        return result.reshape((*self.batch, *result.shape[1:]))


def problem(points: Sequence[Tensor], aperture: Tensor | None = None) -> Problem:
    """The problem of operands as in `POINTS`, without a check of their values."""
    ux, rx, uy, ry, curvature = points
    batch = shape(points)[:-2]
    x, y = (Polar(flat(u, batch), flat(r, batch)) for u, r in ((ux, rx), (uy, ry)))
    psi = None if aperture is None else flat(aperture, batch)
    return Problem((Factor(x, y, checks.as_number(curvature), psi),), resolve(ux.device), batch)


def checked(points: Sequence[Tensor], aperture: Tensor | None = None) -> Problem:
    """The problem of operands as in `POINTS`; InputError for values out of range."""
    ux, rx, uy, ry, curvature = points
    capturing = ux.is_cuda and torch.cuda.is_current_stream_capturing()
    if capturing:
        checks.check_capturable(curvature)
    result = problem(points, aperture)
    if not capturing:
        checks.check_values(Polar(ux, rx), Polar(uy, ry), result.factors[0].curvature)
    return result


def checked_product(operands: Sequence[Sequence[Tensor]]) -> Problem:
    """The problem of operands as in `FACTORS` that passed `product_shape`; InputError for values out of range."""
    *points, apertures = operands
    parts = [checked(part, apertures[f] if apertures else None) for f, part in enumerate(zip(*points, strict=True))]
    return parts[0]._replace(factors=tuple(part.factors[0] for part in parts))


def shape(points: Sequence[Tensor]) -> torch.Size:
    """The shape (..., N, M) of a stored result, or InputError for points that do not fit each other."""
    ux, rx, uy, ry = points[:4]
    checks.check_pair(Polar(ux, rx), Polar(uy, ry))
    checks.check_equal_batch(rx.shape[:-1], ry.shape[:-1])
    return torch.Size((*rx.shape, ry.shape[-1]))


def cone_shape(points: Sequence[Tensor], aperture: Tensor | None, name: str = "energy") -> torch.Size:
    """As `shape`; also checks the half apertures if the quantity of that name needs them."""
    size = shape(points)
    checks.check_aperture(aperture, points[1], named(name).cone is not None)
    return size


def product_shape(operands: Sequence[Sequence[Tensor]], name: str, swap: bool = False) -> torch.Size:
    """The shape (..., N, M) of a stored result of the quantity of that name.

    InputError for factors that do not fit each other, for half apertures that do not fit the apexes (x, or y with
    `swap`), or where a product has no such quantity.
    """
    *points, curvatures, apertures = operands
    checks.check_factors(*(len(operand) for operand in (*points, curvatures)))
    shapes = [shape(part) for part in zip(*points, strict=True)]
    checks.check_alike(shapes, points[0], points[2])
    for curvature in curvatures:
        checks.check_curvature(curvature)
    quantity = named(name)
    conic = quantity.cone is not None
    checks.check_quantity(name, quantity.combine is not None, conic, len(points[0]), len(apertures))
    for aperture, radius in zip(apertures, points[3 if swap else 1], strict=False):
        checks.check_numbers("aperture", aperture, radius)
    return shapes[0]


def flat(operand: Tensor, batch: torch.Size) -> Tensor:
    """`operand` with the leading dimensions `batch` flattened to one."""
    return operand.reshape((math.prod(batch), *operand.shape[len(batch) :]))


def computed(points: Sequence[Tensor], shape: Sequence[int | torch.SymInt], dtype: torch.dtype | None = None) -> Tensor:
    """An uninitialised tensor on the device of `points`, by default in the compute dtype."""
    return points[0].new_empty(shape, dtype=dtype or pair_dtype(points[0], points[2]))
