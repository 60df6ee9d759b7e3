"""Laws of the literature by name: order embeddings, boxes, Gaussians and shadow cones."""

import math
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from hiergeo._core.errors import InputError, check_positive
from hiergeo.geometry.law import PairLaw

EULER = 0.5772156649015329

ORDERED = frozenset(("metric", "reflexive", "transitive", "antisymmetric", "monotone"))
"""The invariants of a partial order in a metric space that ascends with the radius."""


@final
class Order(PairLaw):
    """Order embeddings: x entails y where no coordinate of x exceeds that of y, in absolute value.

    The penalty E = |max(0, x - y)|^2 of the paper, whose reversed order has its most general point at the origin, is
    the square of minus the margin. Both violations together are the Euclidean distance of the rows.

    Source: Vendrov, Kiros, Fidler and Urtasun, Order-Embeddings of Images and Language (ICLR 2016), eq. 2 and 3.1.
    """

    invariants = ORDERED | {"rooted"}
    radial = True

    def rows(self, v: Tensor) -> Tensor:
        return v.abs()

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.linalg.vector_norm(x - y, dim=-1)

    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        return -torch.linalg.vector_norm((x - y).clamp_min(0), dim=-1)


class Halves(PairLaw):
    """Base of laws whose embeddings are two halves: where an item lies, and how large it is."""

    made_by_heads = True

    def check(self, dim: int) -> None:
        if dim % 2:
            raise InputError(f"{self.spec} reads places and sizes, so it needs an even dimension, not {dim}.")


@final
class Box(Halves):
    """Boxes: x entails y where the box of x holds that of y.

    An embedding of 2 m numbers is a centre and minus the logarithms of the sides, so that the root is a box of sides 1.
    Hard boxes are ordered as order embeddings are, by their corners: minus the margin is the length of what sticks out.
    With a temperature the corners are Gumbel variables, the intersection has the corners
    beta log(e^(a/beta) + e^(b/beta)), and a volume is the product of beta softplus(side / beta - 2 gamma); the margin
    is log 2 P(x | y), so that x entails y where the probability is at least one half.

    Source: Vilnis, Li, Murty and McCallum (ACL 2018) for the lattice of boxes; Dasgupta, Boratko, Zhang, Vilnis, Li and
    McCallum, Improving Local Identifiability in Probabilistic Box Embeddings (NeurIPS 2020), eq. 12 and 13.
    """

    def __init__(self, temperature: float | None = None) -> None:
        """Take beta, > 0; None for hard boxes."""
        super().__init__()
        if temperature is not None:
            check_positive("temperature", temperature)
        self.temperature = temperature
        self.invariants = ORDERED if temperature is None else frozenset(("metric",))

    @property
    def spec(self) -> str:
        return "box" if self.temperature is None else f"box:{self.temperature!r}"

    def rows(self, v: Tensor) -> Tensor:
        centre, shrink = v.chunk(2, dim=-1)
        half = (-shrink).exp() / 2
        return torch.cat((centre - half, centre + half), dim=-1)

    def radius(self, x: Tensor) -> Tensor:
        """The inverse of the geometric mean of the sides."""
        low, high = x.chunk(2, dim=-1)
        return (-(high - low).log().mean(-1)).exp()

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Of the corners, Euclidean."""
        return torch.linalg.vector_norm(x - y, dim=-1)

    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        (low_x, high_x), (low_y, high_y) = x.chunk(2, dim=-1), y.chunk(2, dim=-1)
        beta = self.temperature
        if beta is None:
            out = (low_x - low_y).clamp_min(0).square() + (high_y - high_x).clamp_min(0).square()
            return -_root(out.sum(-1))
        low = beta * torch.logaddexp(low_x / beta, low_y / beta)
        high = -beta * torch.logaddexp(-high_x / beta, -high_y / beta)
        both, own = (_log_side(side / beta - 2 * EULER) for side in (high - low, high_y - low_y))
        return math.log(2) + (both - own).sum(-1)


@final
class Gaussian(Halves):
    """Normal distributions with independent coordinates: x entails y where y lies inside x.

    An embedding of 2 m numbers is a mean and minus the logarithms of the variances, so that the root has variance 1.
    With densities p of x and q of y the margin is log of the integral of q^2 p less log of that of q p^2: it compares
    how concentrated two distributions are where they meet, and does not fall as means part. The distance is that of
    Wasserstein.

    Source: Chun, Kim, Park and Yun, ProLIP (ICLR 2025), section 3.3, whose code counts the normalising constants twice.
    """

    invariants = frozenset(("metric", "reflexive"))

    def radius(self, x: Tensor) -> Tensor:
        """The inverse of the geometric mean of the standard deviations."""
        return (x.chunk(2, dim=-1)[1].mean(-1) / 2).exp()

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        (mean_x, log_x), (mean_y, log_y) = x.chunk(2, dim=-1), y.chunk(2, dim=-1)
        apart = (mean_x - mean_y).square() + ((-log_x / 2).exp() - (-log_y / 2).exp()).square()
        return _root(apart.sum(-1))

    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        (mean_x, log_x), (mean_y, log_y) = x.chunk(2, dim=-1), y.chunk(2, dim=-1)
        of_x, of_y, apart = (-log_x).exp(), (-log_y).exp(), (mean_x - mean_y).square()
        inner, outer = of_y + 2 * of_x, of_x + 2 * of_y
        logs = (log_y - log_x - inner.log() + outer.log()) / 2
        return (logs - apart / inner + apart / outer).sum(-1)


@final
class Shadow(PairLaw):
    """Umbral shadow cones of the Poincare ball, K = -1: x entails y where the ball of y is in the shadow of that of x.

    Light is at the root, items are balls of one radius k, and v is read as the ray of an item and as its distance from
    the light less k, since no ball may hold the light. Minus the margin is the distance from y to the cone of x, or to
    x where that is the nearest point of it; inside it the margin is the distance to the rim.

    Source: Yu, Liu, Tseng and De Sa, Shadow Cones (ICLR 2024), section 4.
    """

    invariants = (ORDERED - {"metric"}) | {"symmetric", "rooted"}
    radial = True

    def __init__(self, ball: float = 0.1) -> None:
        """Take the radius k of the balls, geodesic units, > 0."""
        super().__init__()
        check_positive("the radius of balls", ball)
        self.ball = ball

    @property
    def spec(self) -> str:
        return f"shadow:{self.ball!r}"

    def rows(self, v: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
        return torch.cat((v / torch.where(length > 0, length, 1.0), length), dim=-1)

    def radius(self, x: Tensor) -> Tensor:
        return x[..., -1]

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Of the centres, geodesic; an item at the light lies on every ray."""
        from_x, from_y = x[..., -1] + self.ball, y[..., -1] + self.ball
        chord = (_angle(x, y) / 2).sin().square() * from_x.sinh() * from_y.sinh()
        return _length(((from_x - from_y) / 2).sinh().square() + chord)

    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        from_x, from_y = x[..., -1] + self.ball, y[..., -1] + self.ball
        nearest = torch.full_like(from_x, self.ball)
        sine = nearest.sinh() / from_x.sinh()
        touches = sine >= 1
        sine = torch.where(touches, 0.0, sine)
        tangent = torch.where(touches, math.pi / 2, sine.asin())
        cosine = torch.where(touches, 0.0, (1 - sine.square()).sqrt())
        turned = _angle(x, y) - tangent
        to_rim = (from_y.sinh() * turned.sin()).asinh() + self.ball
        behind = from_y.tanh() * turned.cos() >= from_x.tanh() * cosine
        return -torch.where(behind, to_rim, self.distance(x, y))


@final
class Penumbral(PairLaw):
    """Penumbral shadow cones of the half-space, K = -1: x entails y where y lies in the half shadow of x.

    Light is the horosphere of height 1 and items are points below it. The last number of an embedding is the depth of
    the item under the light, in absolute value: minus the logarithm of its height; the others are where it lies
    sideways. The half aperture at x is asin(height of x). Minus the margin is the distance from y to the cone of x, or
    to x where that is the nearest point of it; inside it the margin is the distance to the rim.

    Source: Yu, Liu, Tseng and De Sa, Shadow Cones (ICLR 2024), section 4.
    """

    made_by_heads = True
    invariants = ORDERED

    def check(self, dim: int) -> None:
        if dim < 2:
            raise InputError(f"{self.spec} reads a depth and where it is, so it needs a dimension of at least 2.")

    def rows(self, v: Tensor) -> Tensor:
        return torch.cat((v[..., :-1], v[..., -1:].abs()), dim=-1)

    def radius(self, x: Tensor) -> Tensor:
        """The depth under the light, geodesic units."""
        return x[..., -1]

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        deep_x, deep_y = x[..., -1], y[..., -1]
        sideways = (x[..., :-1] - y[..., :-1]).square().sum(-1)
        return _length(sideways * (deep_x + deep_y).exp() / 4 + ((deep_x - deep_y) / 2).sinh().square())

    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        deep_x, deep_y = x[..., -1], y[..., -1]
        sideways = torch.linalg.vector_norm(x[..., :-1] - y[..., :-1], dim=-1) * deep_x.exp()
        downwards = -(2 * (deep_x - deep_y)).expm1() - sideways.square()
        same = (sideways == 0) & (downwards == 0)
        angle = torch.atan2(2 * sideways, torch.where(same, 1.0, downwards))
        height = (-deep_x).exp()
        touches = height >= 1
        turned = angle - torch.where(touches, math.pi / 2, torch.where(touches, 0.0, height).asin())
        apart = self.distance(x, y)
        return -torch.where(turned <= math.pi / 2, (apart.sinh() * turned.sin()).asinh(), apart)


LAWS = (Box, Gaussian, Order, Penumbral, Shadow)
"""All of them."""


def _angle(x: Tensor, y: Tensor) -> Tensor:
    """The angle between rows of a ray and a length, (...) radians; 0 where a length is."""
    a, b = x[..., :-1], y[..., :-1]
    angle = 2 * torch.atan2(torch.linalg.vector_norm(a - b, dim=-1), torch.linalg.vector_norm(a + b, dim=-1))
    return torch.where((x[..., -1] == 0) | (y[..., -1] == 0), 0.0, angle)


def _length(square: Tensor) -> Tensor:
    """The hyperbolic length d of sinh(d / 2)^2."""
    return 2 * _root(square).asinh()


def _root(x: Tensor) -> Tensor:
    """The square root, with gradient 0 at 0."""
    nothing = x == 0
    return torch.where(nothing, 0.0, torch.where(nothing, 1.0, x).sqrt())


def _log_side(x: Tensor) -> Tensor:
    """log softplus(x), which is x far below 0."""
    return torch.where(x < -20, x, softplus(x.clamp_min(-20)).log())
