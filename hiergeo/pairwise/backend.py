"""What a backend offers: the pair operations on validated, batch-flattened operands, without autograd."""

from typing import NamedTuple, Protocol

from torch import Tensor

from hiergeo.pairwise.quantity import Quantity
from hiergeo.polar import Polar


class Gradients(NamedTuple):
    """Gradients of a weighted sum over pairs: by directions and radii in the compute dtype, the rest in float64.

    Those by the direction and the radius of a point that holds NaN or Inf are NaN; all others are as if its pairs were
    not there, whatever their weights.

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


class Backend(Protocol):
    """The pair operations; a module of these functions is a backend.

    `x` holds directions (B, N, D) and radii (B, N), `y` the same of M points; `aperture` (B, N) is the half aperture at
    x. The compute dtype is float64 for float64 directions and float32 otherwise. NaN is never counted, a member,
    among the smallest or the least.
    """

    def store(
        self, x: Polar, y: Polar, curvature: float, quantity: Quantity, aperture: Tensor | None, out: Tensor
    ) -> None:
        """Write `quantity` of every pair to `out` (B, N, M), in its own dtype."""

    def backward(
        self, upstream: Tensor, x: Polar, y: Polar, curvature: float, quantity: Quantity, aperture: Tensor | None
    ) -> Gradients:
        """Gradients of the sum of `upstream` (B, N, M), of any strides, times `quantity`."""

    def count(self, x: Polar, y: Polar, curvature: float, aperture: Tensor) -> Tensor:
        """How many y lie in the cone of each x, (B, N) int64."""

    def members(self, x: Polar, y: Polar, curvature: float, aperture: Tensor) -> tuple[Tensor, Tensor]:
        """Which y lie in the cone of each x, for B = 1: row offsets (N + 1,) and ascending columns (nnz,), int64."""

    def smallest(
        self, x: Polar, y: Polar, curvature: float, offset: Tensor | None, k: int, swap: bool
    ) -> tuple[Tensor, Tensor]:
        """The k columns of smallest Xi(x_i, y_j) - offset_j, `offset` (B, M), or with `swap` Xi(y_j, x_i) - offset_j.

        Values (B, N, k), ascending in the compute dtype, and indices, int64. Ties go to the lower index; rows with
        fewer than k numbers end in NaN and -1.
        """

    def energy_sum(self, x: Polar, y: Polar, curvature: float, aperture: Tensor) -> Tensor:
        """Sum over y of max(0, Xi - aperture), (B, N) float64."""

    def energy_min(self, x: Polar, y: Polar, curvature: float, aperture: Tensor) -> tuple[Tensor, Tensor]:
        """Least max(0, Xi - aperture) over y, (B, N) in the compute dtype, and the lowest index that reaches it.

        NaN and -1 where no pair is a number.
        """

    def ladder(self, queries: Tensor, candidates: Tensor, order: Tensor, ends: Tensor) -> Tensor:
        """Arg-max of the cosine within prefixes: queries (Q, D), candidates (M, D) -> (Q, T) int64.

        `order` (m,) lists candidates by the first threshold that admits them, `ends` (T,) how many of them each
        threshold admits. Ties go to the lower candidate; -1 where a prefix holds no number.
        """
