"""What a geometry declares: its signed curvature and a chart. Everything else follows from the triangle law."""

import abc
import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from hiergeo._numerics import unit, wide
from hiergeo.errors import InputError
from hiergeo.polar import Polar


class Geometry(nn.Module, abc.ABC):
    """A space of constant curvature with a chart for import and export.

    A subclass declares `curvature`, `spec`, `ambient_dim`, `to_ambient` and `from_ambient`, and is final. Angles,
    distances, cones and their kernels need only the curvature: the chart is never on their path.
    """

    @property
    @abc.abstractmethod
    def curvature(self) -> float | Tensor:
        """Signed curvature K; a 0-dim tensor with gradient when it is learnable."""

    @property
    @abc.abstractmethod
    def spec(self) -> str:
        """The string that `hiergeo.geometry.parse` turns back into this geometry."""

    @abc.abstractmethod
    def ambient_dim(self, dim: int) -> int:
        """Numbers that the chart needs for a point of a `dim`-dimensional space."""

    @abc.abstractmethod
    def to_ambient(self, point: Polar) -> Tensor:
        """Coordinates of polar points, (..., N, D) -> (..., N, ambient_dim(D))."""

    @abc.abstractmethod
    def from_ambient(self, x: Tensor) -> Polar:
        """Polar form of points given by coordinates, (..., N, ambient_dim(D)) -> (..., N, D).

        The error in s r is at most 4 eps cosh(s r / 2)^2. Raises InputError for coordinates outside the chart.
        """

    def parts(self, dim: int) -> tuple[tuple["Geometry", slice], ...]:
        """The factors of the space with their slices of the tangent vector: a single one here."""
        return ((self, slice(0, dim)),)

    def combine(self, lengths: list[Tensor]) -> Tensor:
        """One length from the lengths in the factors: itself here."""
        return lengths[0]

    def extra_repr(self) -> str:
        return self.spec


class Curved(Geometry):
    """Base of the geometries with K != 0, whose magnitude may be learnt (as its logarithm, so K keeps its sign)."""

    sign: ClassVar[int]

    def __init__(self, curvature: float, learnable: bool = False) -> None:
        """Raises InputError unless `curvature` is finite, not 0 and of this geometry's sign."""
        super().__init__()
        wanted = f"{type(self).__name__} needs a {'negative' if self.sign < 0 else 'positive'} curvature"
        try:
            curvature = float(curvature)
        except (TypeError, ValueError):
            raise InputError(f"{wanted}, not {curvature!r}.") from None
        if not math.isfinite(curvature) or curvature * self.sign <= 0:
            raise InputError(f"{wanted}, not {curvature:g}.")
        self._initial = curvature
        self.log_magnitude = (
            nn.Parameter(torch.tensor(abs(curvature), dtype=torch.float32).log()) if learnable else None
        )

    @property
    def curvature(self) -> float | Tensor:
        if self.log_magnitude is None:
            return self._initial
        return self.sign * self.log_magnitude.exp()

    @property
    def value(self) -> float:
        """K as a plain number."""
        k = self.curvature
        return k.item() if isinstance(k, Tensor) else k

    @property
    def written(self) -> str:
        """K in decimals: exactly when it is fixed, to the seven digits of float32 when it is learnt."""
        value = self.value if self.log_magnitude is None else float(f"{self.value:.7g}")
        return repr(value).removesuffix(".0")

    @property
    def scale(self) -> float | Tensor:
        """s = sqrt(|K|), the inverse of the radius of curvature."""
        if self.log_magnitude is None:
            return math.sqrt(abs(self._initial))
        return (self.log_magnitude / 2).exp()

    @property
    def spec(self) -> str:
        return f"{type(self).__name__.lower()}:{self.written}"


def rays(point: Polar) -> Tensor:
    """The unit directions of `point` in the widest float; 0 at the root."""
    return unit(wide(point.direction))[0]


def to_ray(x: Tensor) -> Polar:
    """Directions and norms of the rows of `x`, differentiable everywhere (gradient 0 at a zero row); NaN stays NaN."""
    square = x.square().sum(-1, keepdim=True)
    nonzero = square != 0
    norm = torch.where(nonzero, square, 1.0).sqrt()
    return Polar(torch.where(nonzero, x / norm, 0.0), torch.where(nonzero, norm, 0.0).squeeze(-1))


def first_row(mask: Tensor) -> int:
    """The first row (last index of the leading dimensions, flattened) where `mask` holds."""
    return int(torch.nonzero(mask.flatten())[0])
