"""What a geometry declares: its signed curvature and a chart. Everything else follows from the triangle law."""

import abc
import math
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from hiergeo import pairwise
from hiergeo._core.errors import InputError
from hiergeo._core.numerics import compute_dtype, unit, wide
from hiergeo._core.polar import Polar
from hiergeo.geometry.state import Described

LEARNABLE = "?learnable"
"""The end of the spec of a geometry that learns its curvature."""


class Geometry(Described, abc.ABC):
    """A space in which embeddings are measured: one of constant curvature, or a product of several.

    Every geometry consists of factors of constant curvature, each on its own slice of the tangent vector at the root.
    A space of constant curvature is its own only factor.
    """

    norm: Literal["l1", "l2"] = "l2"
    """How the distances in the factors combine into one."""

    single: ClassVar[bool] = False
    """Whether the space is its own only factor."""

    engine: Any = pairwise
    """What measures pairs of points: the functions of `hiergeo.pairwise`."""

    @property
    def measures(self) -> frozenset[str]:
        """What pairs have in it: "distance", "margin" (of entailment), "angle" (exterior), and "single" cones."""
        return frozenset(("distance", "margin", "angle"))

    @property
    @abc.abstractmethod
    def spec(self) -> str:
        """The string that `hiergeo.geometry.parse` turns back into this geometry."""

    @property
    @abc.abstractmethod
    def dim(self) -> int | None:
        """The dimension that embeddings must have; None if any dimension will do."""

    @property
    @abc.abstractmethod
    def isometry_class(self) -> Hashable:
        """Equal for two geometries exactly when they are charts of one space: what distances depend on."""

    @abc.abstractmethod
    def parts(self, dim: int) -> tuple[tuple["ConstantCurvature", slice], ...]:
        """The factors with their slices of a tangent vector of dimension `dim`.

        Raises:
            InputError: the geometry does not fit `dim`.
        """

    @abc.abstractmethod
    def charts(self, ambient: int) -> tuple[tuple["ConstantCurvature", slice], ...]:
        """The factors with their slices of `ambient` coordinates, as `parts` has those of a tangent vector.

        Raises:
            InputError: the charts of the factors do not have that many coordinates.
        """

    @abc.abstractmethod
    def learnable(self) -> "Geometry":
        """A copy whose curvatures are learnable parameters; flat factors stay flat."""

    def curvatures(self, dim: int) -> list[float | Tensor]:
        """Signed K of each factor of embeddings of dimension `dim`; none of a law that has no curvature."""
        return [factor.curvature for factor, _ in self.parts(dim)]

    def curvature_values(self, dim: int) -> list[float]:
        """`curvatures` as numbers, without gradients."""
        return [float(k.detach()) if isinstance(k, Tensor) else k for k in self.curvatures(dim)]

    def radii(self, factors: Sequence[Polar]) -> list[Tensor]:
        """Distance from the root of points in each factor, (..., N) each, in the compute dtype."""
        return [point.radius.to(compute_dtype(point.direction.dtype)) for point in factors]

    @property
    def learnt(self) -> dict[str, Any]:
        """Numbers that the spec does not say, as nested lists by name: what a law has learnt."""
        return {}

    def fixed(self) -> "Geometry":
        """This geometry with the curvatures that it has now, to the seven digits of float32; nothing is learnt."""
        return self

    def combine(self, lengths: Sequence[Tensor]) -> Tensor:
        """One length from the lengths in the factors, geodesic units, >= 0."""
        return pairwise.combined(lengths, self.norm)

    def extra_repr(self) -> str:
        return self.spec


class ConstantCurvature(Geometry):
    """A space of constant curvature with a chart for import and export.

    A subclass declares `curvature`, `spec`, `ambient_dim`, `to_ambient` and `from_ambient`, and is final. Angles,
    distances, cones and their kernels need only the curvature; the chart is used for import and export alone.
    """

    single: ClassVar[bool] = True

    @property
    @abc.abstractmethod
    def curvature(self) -> float | Tensor:
        """Signed curvature K; a 0-dim tensor with gradient when it is learnable."""

    @abc.abstractmethod
    def ambient_dim(self, dim: int) -> int:
        """How many coordinates the chart needs for a point of a `dim`-dimensional space."""

    @abc.abstractmethod
    def to_ambient(self, point: Polar) -> Tensor:
        """Coordinates of polar points, (..., N, D) -> (..., N, ambient_dim(D)).

        Directions are rays: an implementation must not assume that they have norm 1.
        """

    @abc.abstractmethod
    def from_ambient(self, x: Tensor) -> Polar:
        """Polar form of points given by coordinates, (..., N, ambient_dim(D)) -> (..., N, D).

        The error in s r is at most 4 eps cosh(s r / 2)^2. Raises InputError for coordinates outside the chart.
        """

    @property
    def measures(self) -> frozenset[str]:
        return frozenset(("distance", "margin", "angle", "single"))

    @property
    def dim(self) -> None:
        """None: a space of constant curvature takes any dimension."""
        return None

    @property
    def value(self) -> float:
        """K as a plain number."""
        k = self.curvature
        return float(k.detach()) if isinstance(k, Tensor) else k

    @property
    def isometry_class(self) -> float:
        return self.value

    @property
    def kind(self) -> str:
        """The spec; of a curvature that is learnt, whose value the parameters hold, the name alone."""
        return self.spec if next(self.parameters(), None) is None else f"{self.spec.partition(':')[0]}:{LEARNABLE}"

    def parts(self, dim: int) -> tuple[tuple["ConstantCurvature", slice], ...]:
        return ((self, slice(0, dim)),)

    def combine(self, lengths: Sequence[Tensor]) -> Tensor:
        return lengths[0]

    def charts(self, ambient: int) -> tuple[tuple["ConstantCurvature", slice], ...]:
        return ((self, slice(0, ambient)),)

    def learnable(self) -> "ConstantCurvature":
        return self

    def fixed(self) -> "ConstantCurvature":
        return self


class Curved(ConstantCurvature):
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
    def scale(self) -> float | Tensor:
        """s = sqrt(|K|), the inverse of the radius of curvature."""
        if self.log_magnitude is None:
            return math.sqrt(abs(self._initial))
        return (self.log_magnitude / 2).exp()

    @property
    def spec(self) -> str:
        return f"{type(self).__name__.lower()}:{self.written}{'' if self.log_magnitude is None else LEARNABLE}"

    @property
    def written(self) -> str:
        """K in decimals: exact when it is fixed, to the seven digits of float32 when it is learnt."""
        value = self.value if self.log_magnitude is None else float(f"{self.value:.7g}")
        return repr(value).removesuffix(".0")

    def learnable(self) -> "Curved":
        return type(self)(self.value, learnable=True)

    def fixed(self) -> "Curved":
        return self if self.log_magnitude is None else type(self)(float(self.written))


def rays(point: Polar) -> Tensor:
    """The unit directions of `point` in the widest float; 0 at the root."""
    return unit(wide(point.direction))[0]


def to_ray(x: Tensor) -> Polar:
    """Directions and norms of the rows of `x`, differentiable everywhere (gradient 0 at a zero row); NaN stays NaN."""
    norm = torch.linalg.vector_norm(x, dim=-1)
    return Polar(x * norm.masked_fill(norm == 0, math.inf).reciprocal().unsqueeze(-1), norm)


def bend(curvature: float, radius: float) -> float:
    """sn(r)/r - 1: by how much circles of this radius are longer (K < 0) or shorter (K > 0) than flat ones."""
    a = math.sqrt(abs(curvature)) * radius
    if a == 0:
        return 0.0
    return (math.sinh(min(a, 700)) if curvature < 0 else math.sin(a)) / a - 1


def first_row(mask: Tensor) -> int:
    """The first row (last index of the leading dimensions, flattened) where `mask` holds."""
    return int(torch.nonzero(mask.flatten())[0])
