"""What operators on pairs make of their operands: checked, leading dimensions flattened, with a backend to run on."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hiergeo._numerics import pair_dtype
from hiergeo.pairwise import checks
from hiergeo.pairwise.backend import Backend, Factor
from hiergeo.pairwise.quantity import named
from hiergeo.pairwise.resolver import resolve
from hiergeo.polar import Polar

POINTS = "Tensor ux, Tensor rx, Tensor uy, Tensor ry, Tensor curvature"
"""What every operator on the pairs of one space takes first."""

FACTORS = "Tensor[] ux, Tensor[] rx, Tensor[] uy, Tensor[] ry, Tensor[] curvature, Tensor[] aperture"
"""What every operator on the pairs of a product of spaces takes first; no apertures where there is no cone."""


class Problem(NamedTuple):
    """What a backend works on: the factors of a space, each with one flattened leading dimension.

    Attributes:
        factors: one for a space that is no product.
        backend: what computes.
        batch: the shape that the leading dimension had.
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
    """The problem of operands as in `POINTS`, whose values are taken as they are."""
    ux, rx, uy, ry, curvature = points
    batch = shape(points)[:-2]
    x, y = (Polar(flat(u, batch), flat(r, batch)) for u, r in ((ux, rx), (uy, ry)))
    psi = None if aperture is None else flat(aperture, batch)
    return Problem((Factor(x, y, checks.as_number(curvature), psi),), resolve(ux.device), batch)


def checked(points: Sequence[Tensor], aperture: Tensor | None = None) -> Problem:
    """The problem of operands as in `POINTS`, or InputError for values out of range."""
    ux, rx, uy, ry, curvature = points
    capturing = ux.is_cuda and torch.cuda.is_current_stream_capturing()
    if capturing:
        checks.check_capturable(curvature)
    result = problem(points, aperture)
    if not capturing:
        checks.check_values(Polar(ux, rx), Polar(uy, ry), result.factors[0].curvature)
    return result


def checked_product(operands: Sequence[Sequence[Tensor]]) -> Problem:
    """The problem of operands as in `FACTORS` that passed `product_shape`, or InputError for values out of range."""
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
    """`shape`, where half apertures have to fit as well, if the quantity of that name has any."""
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
    """`operand` with the leading dimensions `batch` made one."""
    return operand.reshape((math.prod(batch), *operand.shape[len(batch) :]))


def computed(points: Sequence[Tensor], shape: Sequence[int | torch.SymInt], dtype: torch.dtype | None = None) -> Tensor:
    """A fresh tensor beside `points`, in the compute dtype unless told otherwise."""
    return points[0].new_empty(shape, dtype=dtype or pair_dtype(points[0], points[2]))
