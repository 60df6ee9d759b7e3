"""What a backend offers: the pair operations on validated, batch-flattened operands, without autograd."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from hiergeo._core.polar import Polar, Shadow
from hiergeo.pairwise.quantity import Quantity

REGISTRY: dict[str, Any] = {}
"""Every operator, a `transforms.Operator`, by its name."""

FEW = 8
"""At most so many queries read shadows."""


class Factor(NamedTuple):
    """The points of one factor of a product of spaces; a space that is no product is one factor.

    Attributes:
        x: directions (B, N, D) and radii (B, N), D the dimension of this factor.
        y: the same of M points. The directions of all factors have one compute dtype; those of x and y may be of
            different dtypes that share it.
        curvature: signed K.
        aperture: half apertures of the apexes of the cones, (B, N), or (B, M) where the apex is y; None without a cone.
    """

    x: Polar
    y: Polar
    curvature: float
    aperture: Tensor | None = None


class Gradients(NamedTuple):
    """Gradients of a weighted sum over pairs: by directions and radii in the compute dtype, the rest in float64.

    Gradients by the direction and radius of a point that holds NaN or Inf are NaN. The pairs of such a point contribute
    nothing to any other gradient, whatever their weights.

    Attributes:
        ux: (B, N, D).
        rx: (B, N).
        uy: (B, M, D).
        ry: (B, M).
        curvature: (B,).
        aperture: (B, N), 0 for a quantity without a cone.
    """

    ux: Tensor
    rx: Tensor
    uy: Tensor
    ry: Tensor
    curvature: Tensor
    aperture: Tensor


class LogitTerms(NamedTuple):
    """What logits of B problems are made of and reduced by: z = bias - scale d, or bias - scale d^2 / 2.

    Attributes:
        scale: (B,).
        bias: (B,).
        labels: of x (B, N) and of y (B, M), int64; pairs of equal ones match. None where no sums of those are wanted.
        squared: whether d is squared.
        reduction: "logsumexp" or "softplus".
    """

    scale: Tensor
    bias: Tensor
    labels: tuple[Tensor, Tensor] | None
    squared: bool
    reduction: str


class PairBackend(Protocol):
    """The pair operations; a module of these functions is a backend.

    Operations on `factors` take one or more; what they compute is `quantity.of_product` of the values in each. Others
    take `x` with directions (B, N, D) and radii (B, N), `y` the same of M points, and `aperture` (B, N), the half
    aperture at x. The compute dtype is float64 for float64 directions and float32 otherwise; values are compared in it.
    Pairs with NaN are excluded from counts, members, searches and minima.

    Searches (`smallest`, `rank`, `nearest_ladder`) order by ascending scores: the quantity, or its negative where
    `quantity.largest_first`. With `swap` the value of the pair (x_i, y_j) is that of (y_j, x_i).
    """

    def store(self, factors: Sequence[Factor], quantity: Quantity, out: Tensor) -> None:
        """Write `quantity` of every pair to `out` (B, N, M), in its own dtype."""

    def backward(
        self,
        upstream: Tensor,
        x: Polar,
        y: Polar,
        curvature: float,
        quantity: Quantity,
        aperture: Tensor | None,
        by_curvature: bool = True,
    ) -> Gradients:
        """Gradients of the sum of `upstream` (B, N, M), of any strides, times `quantity`.

        Without `by_curvature` that by the curvature is not asked for, and may be 0.
        """

    def count(self, factors: Sequence[Factor], quantity: Quantity, reach: Tensor | None) -> Tensor:
        """How many y each x reaches, (B, N) int64: distances <= `reach` (B, N) float64, or without it margins >= 0."""

    def members(self, x: Polar, y: Polar, curvature: float, aperture: Tensor) -> tuple[Tensor, Tensor]:
        """Which y lie in the cone of each x, for B = 1: row offsets (N + 1,) and ascending columns (nnz,), int64."""

    def smallest(self, factors: Sequence[Factor], quantity: Quantity, k: int, swap: bool) -> tuple[Tensor, Tensor]:
        """The k columns of smallest score in each row; k may exceed M.

        Scores (B, N, k), ascending in the compute dtype, and indices, int64. Ties go to the lower index; rows with
        fewer than k numbers end in NaN and -1.
        """

    def shadow(self, point: Polar, curvature: float) -> Shadow | None:
        """What `smallest` reads of y instead of directions where x are at most `FEW`; None where it is of no use."""

    def rank(self, factors: Sequence[Factor], quantity: Quantity, target: Tensor, swap: bool) -> Tensor:
        """How many columns come before column `target` (B, N) int64 of each row in the order of `smallest`.

        (B, N) int64; -1 where the score of the target is NaN.
        """

    def energy_sum(self, x: Polar, y: Polar, curvature: float, aperture: Tensor) -> Tensor:
        """Sum over y of max(0, Xi - aperture), (B, N) float64."""

    def energy_total(
        self, x: Polar, y: Polar, curvature: float, aperture: Tensor, margin: float | None, gradients: bool
    ) -> tuple[Tensor, Gradients | None]:
        """Sum over all pairs of the energy max(0, Xi - aperture) or, with a margin, of max(0, margin - energy).

        (B,) float64, and with `gradients` those of each sum, formed in the same pass over the pairs.
        """

    def energy_min(self, x: Polar, y: Polar, curvature: float, aperture: Tensor) -> tuple[Tensor, Tensor]:
        """Least max(0, Xi - aperture) over y, (B, N) in the compute dtype, and the lowest index that reaches it.

        NaN and -1 where all pairs are NaN.
        """

    def contrast(self, factors: Sequence[Factor], quantity: Quantity, terms: LogitTerms) -> Sequence[Tensor]:
        """Logits reduced over y (B, N) and over x (B, M), and sums of matching ones, float64."""

    def contrast_backward(
        self,
        factors: Sequence[Factor],
        quantity: Quantity,
        terms: LogitTerms,
        reduced: Sequence[Tensor],
        upstream: Sequence[Tensor],
        by_curvature: bool = True,
    ) -> Sequence[Tensor]:
        """Gradients of `upstream` times what `contrast` gave, of which `reduced` are rows and columns.

        By u_x, r_x, u_y, r_y and the curvature of each factor as in `Gradients`, by scale and by bias (B,).
        """

    def ladder(
        self, queries: Tensor, candidates: Tensor, norms: Tensor | None, order: Tensor, ends: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Arg-max of the cosine within prefixes: queries (Q, D), candidates (M, D) -> (Q, T) int64, and the cosines.

        `order` (m,) lists candidates by the first threshold that admits them, `ends` (T,) how many of them each
        threshold admits; `norms` (M,) float64 are those of the candidates where they are known. Ties go to the lower
        candidate; -1 and NaN where all cosines of a prefix are NaN. Cosines are in the compute dtype.
        """

    def weigh(self, items: Tensor, positive: Tensor, negative: Tensor, precision: bool, chance: float) -> Tensor | None:
        """AUROC or average precision of one ranking under many weights, see `weighing`, (samples,); None is no kernel.

        `items` (n,) int32 lists it best first: 4 times a row, 2 more if it is a positive, 1 more if it is the last of
        its score. The weights `positive` (samples, rows) and `negative` (samples, rows), float64, are of rows, and one
        tensor where these are shared.
        """

    def nearest_ladder(
        self, factors: Sequence[Factor], quantity: Quantity, order: Tensor, ends: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As `ladder`, by the smallest distance of x (N queries) and y (M candidates), for B = 1: (N, T) each."""
