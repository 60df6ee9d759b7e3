"""The pair operations in float32 and plain PyTorch: what serves a device without native kernels.

A chunk of pairs is one product of unit rows, on which the triangle law is formed in float32 by as few passes as it
takes. Where two rays lie within about 18 degrees of one line those digits do not suffice: such pairs, few in most data,
are measured again on their rows in float64, as the reference measures all. Points that float32 cannot hold are left to
the reference altogether.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from hiergeo._core.numerics import WAITED_FOR, pair_dtype, saturated, unit, wide
from hiergeo._core.polar import Polar, part_of
from hiergeo.pairwise.interface import Factor, Gradients
from hiergeo.pairwise.quantity import Quantity
from hiergeo.pairwise.reference import TileBackend
from hiergeo.pairwise.sides import GATHER, Opening, Profile, pair_opening, row_opening
from hiergeo.pairwise.tiles import GradientSums, Measure, Tile, TiledPairs, rays
from hiergeo.pairwise.triangle import Partials, Triangle, tangent

CHUNK, LARGE_CHUNK = 1 << 17, 1 << 23
"""Pairs in a chunk: on a CPU a few of them fit into the caches of a core, elsewhere it keeps the device busy."""

CHUNK_ROWS = 256
"""The most rows of a chunk on a CPU, where the product of a nearly square one reads the fewest rows again."""

CAPACITY = 1 << 12
"""Near pairs of a chunk that a device measures at first."""

NEAR = 0.95
"""Pairs whose |cos(theta)| is larger are measured in float64."""

SHORTEST, LONGEST = 1e-18, 1e18
"""Radii that are not 0 and are measured here, as lengths and times s."""

FARTHEST = 30.0
"""The largest s r for K < 0."""

TINY = 1e-30
"""What float32 divides by is no smaller; norms above its inverse are divided by in float64."""

CROWDED = 1 / 16
"""Where a larger share of a chunk is near, angles are taken from a product in float64."""


class Side(NamedTuple):
    """What the law reads of a point, float32, with s = sqrt(|K|) and a = s r.

    Attributes:
        radius: of the point; this and the next three are those of `Profile`.
        sine: tanh(a)/s, r or sin(a)/s.
        shrink: 1/cosh(a) for K < 0, else 1.
        cosine: cos(a) for K > 0, else 1.
        bow: as that of `Profile`.
        rise: cosh(a) - 1 for K < 0, r^2 for K = 0, 2 sin(a/2)/s for K > 0.
        stretch: cosh(a) for K < 0, 1 for K = 0, cos(a/2) for K > 0.
        arc: sinh(a) for K < 0, sqrt(2) r for K = 0, sin(a)/s for K > 0.
        directed: 0 at the root, else 1.
    """

    radius: Tensor
    sine: Tensor
    shrink: Tensor
    cosine: Tensor
    bow: Tensor
    rise: Tensor
    stretch: Tensor
    arc: Tensor
    directed: Tensor


def sides(of: Profile, curvature: float) -> Tensor:
    """The fields of the sides of points of this profile in curvature K, (9, N)."""
    a, one = of.radius * math.sqrt(abs(curvature)), torch.ones_like(of.radius)
    if curvature < 0:
        law = 2 * torch.sinh(a / 2).square(), torch.cosh(a), torch.sinh(a)
    elif curvature == 0:
        law = of.radius.square(), one, math.sqrt(2) * of.radius
    else:
        law = torch.sin(a / 2) * (2 / math.sqrt(curvature)), torch.cos(a / 2), of.sine
    fields = (of.radius, of.sine, of.shrink, of.cosine, of.bow, *law, of.radius != 0)
    return torch.stack([part.to(torch.float32) for part in fields])


class Near(NamedTuple):
    """The pairs of a chunk on nearly one line, and how float64 measures them.

    Attributes:
        rows: in the chunk, (K,), and
        columns: (K,). Where K is fixed beforehand, some pairs are listed repeatedly.
        triangle: their law, (K,).
        first: which entries are the first of their pair, (K,); None where all are.
    """

    rows: Tensor
    columns: Tensor
    triangle: Triangle
    first: Tensor | None


@dataclass(frozen=True)
class PlainTriangle:
    """The law of `Triangle` on the pairs of a chunk in float32, where theta is not close to 0 or pi.

    Attributes:
        cosine: cos(theta), (n, m).
        x: of the apexes, and
        y: of the other points: fields (n, 1) and (1, m), or the other way round.
        curvature: signed K.
        near: the pairs that are measured in float64; None where there are none.
    """

    cosine: Tensor
    x: Side
    y: Side
    curvature: float
    near: Near | None

    @property
    def scale(self) -> float:
        """s = sqrt(|K|)."""
        return math.sqrt(abs(self.curvature))

    @cached_property
    def sine(self) -> Tensor:
        """sin(theta)."""
        return torch.addcmul(self.cosine.new_ones(()), self.cosine, self.cosine, value=-1).sqrt_()

    @property
    def adjacent(self) -> Tensor:
        """The adjacent leg of the exterior angle at x, as that of `Triangle`."""
        x, y = self.x, self.y
        if self.curvature > 0:
            return (self.cosine * y.sine).mul_(x.cosine).addcmul_(x.sine, y.cosine, value=-1)
        return torch.addcmul(-x.sine, self.cosine, y.sine)

    @cached_property
    def legs(self) -> tuple[Tensor, Tensor]:
        """Opposite and adjacent leg of the exterior angle at x."""
        opposite = self.sine * self.y.sine
        return opposite.mul_(self.x.shrink) if self.curvature < 0 else opposite, self.adjacent

    @property
    def leg_at_y(self) -> Tensor:
        """The adjacent leg of the angle at y."""
        x, y = self.x, self.y
        if self.curvature > 0:
            return (self.cosine * -x.sine).mul_(y.cosine).addcmul_(y.sine, x.cosine)
        return torch.addcmul(y.sine, self.cosine, x.sine, value=-1)

    @cached_property
    def inverse(self) -> Tensor:
        """1/chord, the chord being sn(d), for K < 0 divided by cs_x cs_y."""
        if "_sine_and_rise" in self.__dict__:
            stretch = self.x.stretch * (self.scale or 1.0) * self.y.stretch
            return stretch.div_(self._sine_and_rise[0].clamp_min(TINY))
        opposite, adjacent = self.legs
        chord = (opposite * opposite).addcmul_(adjacent, adjacent)
        return chord.clamp_min_(torch.finfo(torch.float32).tiny).rsqrt_()

    def exterior_angle(self) -> Tensor:
        return self._measured(torch.atan2(*self.legs).mul_(self.x.directed), Triangle.exterior_angle)

    def distance(self) -> Tensor:
        x, y, s = self.x, self.y, self.scale
        if self.curvature > 0:
            step = (x.rise * y.stretch).addcmul_(x.stretch, y.rise, value=-1)
            chord = self._squared(2, -2, step).sqrt_().mul_(s / 2)
            whole = (x.stretch * y.stretch).addcmul_(x.rise, y.rise, value=-(s**2) / 4)
            rest = self._squared(s**2 / 2, s**2 / 2, whole).sqrt_()
            return self._measured(torch.atan2(chord, rest).mul_(2 / s), Triangle.distance)
        if self.curvature == 0:
            return self._measured(self._sine_and_rise[0], Triangle.distance)
        sine, rise = self._sine_and_rise
        return self._measured(torch.add(sine, rise).log1p_().div_(s), Triangle.distance)

    def _squared(self, one: float, cosine: float, rest: Tensor) -> Tensor:
        """(one + cosine cos(theta)) sn_x sn_y + rest^2."""
        return torch.mul(self.cosine, cosine).add_(one).mul_(self.x.arc).mul_(self.y.arc).addcmul_(rest, rest)

    @cached_property
    def _sine_and_rise(self) -> tuple[Tensor, Tensor]:
        """sinh(s d) and cosh(s d) - 1 for K < 0; d and d^2 for K = 0."""
        x, y = self.x, self.y
        rise = self.cosine * x.arc
        rise = torch.addcmul(x.rise, rise, y.arc, value=-1, out=rise).addcmul_(x.stretch, y.rise)
        sine = rise.sqrt()
        return (sine.mul_((rise + 2).sqrt_()) if self.curvature else sine), rise

    def exterior_angle_partials(self) -> Partials:
        """As those of `Triangle`; 0 for near pairs."""
        x, y, inverse = self.x, self.y, self.inverse
        opposite, _ = self.legs
        shrink = inverse * x.shrink
        by_theta = (self.leg_at_y * inverse).mul_(shrink).mul_(y.sine).div_(self.sine)
        by_x = self._distance_cosine().mul_(inverse).mul_(opposite * inverse)
        by_y = (shrink * inverse).mul_(self.sine).mul_(-x.sine).mul_(y.shrink).mul_(y.shrink)
        shrink = (shrink * y.shrink).mul_(self.sine)
        bow = (y.sine * x.bow - x.sine * y.bow).mul_(inverse)
        whole = self._distance_cosine().addcmul_(x.shrink, y.shrink).clamp_min_(TINY).mul_(inverse)
        by_curvature = shrink.mul_(bow).sub_((opposite * inverse).mul_(x.radius).div_(whole)).mul_(0.5)
        return self._partials(by_theta, by_x, by_y, by_curvature, kink=True)

    def distance_partials(self) -> Partials:
        """As those of `Triangle`, without that by K; 0 for near pairs."""
        inverse = self.inverse
        by_theta = (inverse * self.y.sine).mul_(self.x.sine)
        by_x = self.adjacent.mul_(inverse).neg_()
        return self._partials(by_theta, by_x, self.leg_at_y.mul_(inverse), inverse.new_zeros(()), kink=False)

    def _distance_cosine(self) -> Tensor:
        """cs(d), for K < 0 divided by cs_x cs_y."""
        x, y = self.x, self.y
        product = (self.cosine * (x.sine * self.curvature)).mul_(y.sine)
        return product.addcmul_(x.cosine, y.cosine) if self.curvature > 0 else product.add_(1)

    def _partials(self, by_theta: Tensor, by_x: Tensor, by_y: Tensor, by_curvature: Tensor, kink: bool) -> Partials:
        """What is 0 at the root: everything of a quantity that has a kink there, else the derivative by that radius."""
        parts = [by_theta, by_x, by_y, by_curvature] if kink else [by_x, by_y]
        for part in parts:
            if kink or part is by_x:
                part *= self.x.directed
            if kink or part is by_y:
                part *= self.y.directed
        if self.near is not None:
            for part in [by_theta, by_x, by_y, *parts[3:]]:
                part[self.near.rows, self.near.columns] = 0.0
        return Partials(by_theta, by_x, by_y, by_curvature)

    def _measured(self, values: Tensor, law: Callable[[Triangle], Tensor]) -> Tensor:
        if self.near is not None:
            values[self.near.rows, self.near.columns] = law(self.near.triangle)
        return values


class PlainMeasure(Measure):
    """Pairs in float32, but for those on nearly one line.

    A device that computes while Python goes on is told beforehand how many of these a chunk has at most, and asked once
    a call whether that was enough.
    """

    def __init__(self) -> None:
        self.capacity = CAPACITY
        self.counts: list[Tensor] = []

    def pairs(self, x: Polar, y: Polar, curvature: float, swap: bool = False) -> TiledPairs:
        return PlainPairs(x, y, curvature, swap, self)

    def sums(self, x: Polar, y: Polar, aperture: Tensor | None, by_curvature: bool) -> GradientSums:
        return PlainSums(x, y, aperture, by_curvature)

    def is_settled(self) -> bool:
        """Whether no chunk had more near pairs than were measured; the next ones will all be."""
        most = int(torch.stack(self.counts).amax()) if self.counts else 0
        self.counts.clear()
        settled, self.capacity = most <= self.capacity, max(most, self.capacity)
        return settled


def measure(factors: Sequence[Factor], narrow: Callable[[], Measure] = PlainMeasure) -> Measure:
    """How the pairs of some factors are measured, `narrow` in float32; waits for the device once a factor."""
    return narrow() if all(fits(factor.x, factor.y, factor.curvature) for factor in factors) else Measure()


def fits(x: Polar, y: Polar, curvature: float) -> bool:
    """Whether float32 holds these points and what the law makes of them."""
    if pair_dtype(x.direction, y.direction) == torch.float64:
        return False
    s = math.sqrt(abs(curvature)) or 1.0
    low, high = max(SHORTEST, SHORTEST / s), min(LONGEST, (FARTHEST if curvature < 0 else LONGEST) / s)
    beyond = [((r > high) & torch.isfinite(r) | (r < low) & (r != 0)).any() for r in (x.radius, y.radius)]
    return not bool(beyond[0] | beyond[1])


@dataclass(frozen=True)
class PlainPairs(TiledPairs):
    """The pairs of two unbatched polar point sets, a chunk at a time; `measure` counts those on nearly one line."""

    measure: PlainMeasure = field(default_factory=PlainMeasure)

    @cached_property
    def sides(self) -> tuple[Tensor, Tensor]:
        """The fields of the sides of x and of y."""
        x, y = (sides(of, self.curvature) for of in self.profiles)
        return x, y

    @cached_property
    def units(self) -> tuple["Units", "Units"]:
        """Unit rows of x and of y."""
        return units(self.x.direction), units(self.y.direction)

    @property
    def chunk(self) -> tuple[int, int]:
        """Pairs in a chunk, and its most rows."""
        if self.x.radius.device.type in WAITED_FOR:
            return CHUNK, CHUNK_ROWS
        return LARGE_CHUNK, max(1, LARGE_CHUNK // max(1, len(self.y.radius)))

    def rows(self) -> Iterator[slice]:
        total, step = len(self.x.radius), self.chunk[1]
        return (slice(start, min(start + step, total)) for start in range(0, total, step))

    def tiles(self, i: slice) -> Iterator[Tile]:
        total, step = len(self.y.radius), max(1, self.chunk[0] // max(1, i.stop - i.start))
        for start in range(0, total, step):
            j = slice(start, min(start + step, total))
            x, y = self.units[0].rows[i], self.units[1].rows[j]
            yield Tile(i, j, x, y, self.triangle(i, j, product(x, y)))

    def triangle(self, i: slice, j: slice, cosine: Tensor) -> Any:
        """The law of the pairs of a chunk."""
        rows, columns = Side(*self.sides[0][:, i, None].unbind()), Side(*self.sides[1][:, None, j].unbind())
        apex, other = (columns, rows) if self.swap else (rows, columns)
        return PlainTriangle(cosine, apex, other, self.curvature, self.near(i, j, cosine))

    def near(self, i: slice, j: slice, cosine: Tensor) -> Near | None:
        """The pairs of a chunk on nearly one line."""
        rows, columns, first = self._places(cosine)
        if not len(rows):
            return None
        x, y = (of.at(index) for of, index in zip(self.profiles, (rows + i.start, columns + j.start), strict=True))
        apex, other = (y, x) if self.swap else (x, y)
        opening = self._opening(i, j, rows, columns)
        return Near(rows, columns, Triangle(opening, apex, other, self.curvature, torch.float32), first)

    def _places(self, cosine: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Rows and columns of near pairs in a chunk, and which of them are listed first."""
        if cosine.device.type in WAITED_FOR:
            low, high = torch.aminmax(cosine)
            apart = bool(low >= -NEAR) and bool(high <= NEAR)  # neither of which holds of NaN
            rows, columns = torch.nonzero((cosine[:0] if apart else cosine).abs() > NEAR, as_tuple=True)
            return rows, columns, None
        near = cosine.abs() > NEAR
        near[0, 0] = True  # which fills the list
        count = near.sum()
        self.measure.counts.append(count)
        size = min(self.measure.capacity, cosine.numel())
        try:
            rows, columns = torch.nonzero_static(near, size=size, fill_value=0).unbind(1)
        except NotImplementedError:  # not on every device, which then is waited for
            self.measure.counts.clear()
            rows, columns = torch.nonzero(near, as_tuple=True)
            return rows, columns, None
        return rows, columns, torch.arange(size, device=cosine.device) < count

    def _opening(self, i: slice, j: slice, rows: Tensor, columns: Tensor) -> Opening:
        """The angles of near pairs, (K,), by their chords; where they are many by a product in float64."""
        if len(rows) > CROWDED * (i.stop - i.start) * (j.stop - j.start) and rows.device.type in WAITED_FOR:
            versine, coversine = pair_opening(self.rays_of(0, i), self.rays_of(1, j))
            return Opening(versine[rows, columns], coversine[rows, columns])
        parts = []
        for row, column in self.few(rows + i.start, columns + j.start):
            x, y = self.rays_of(0, row), self.rays_of(1, column)
            parts.append(row_opening(x, x.square().sum(-1), y, y.square().sum(-1)))
        return Opening(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def rays_of(self, index: int, at: slice | Tensor) -> Tensor:
        """Unit rays in the widest float of some points of x (0) or of y (1)."""
        return rays(part_of((self.x, self.y)[index], at), self.is_exact)

    def few(self, rows: Tensor, columns: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Indices of pairs, as many at a time as are gathered."""
        step = max(1, GATHER // max(1, self.x.direction.shape[-1]))
        return zip(rows.split(step), columns.split(step), strict=True)


def product(x: Tensor, y: Tensor) -> Tensor:
    """x y^T in full float32."""
    with full_float32(x.device):
        return x @ y.mT


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Products in full float32, whatever autocast and the precision of products in torch are set to."""
    matmul: Any = torch.backends.cuda.matmul if device.type == "cuda" else cast(Any, torch.backends.mkldnn).matmul
    before = matmul.fp32_precision
    mixed = torch.is_autocast_enabled(device.type)
    with torch.autocast(device.type, enabled=False) if mixed else nullcontext():
        if before in ("none", "ieee"):
            yield
            return
        try:
            matmul.fp32_precision = "ieee"
            yield
        finally:
            matmul.fp32_precision = before


class Units(NamedTuple):
    """Directions divided by their norms, float32 (N, D), and the norms in the widest float, (N, 1)."""

    rows: Tensor
    norm: Tensor


def units(directions: Tensor) -> Units:
    """The unit rows of directions (N, D); zero rows stay zero."""
    directions = directions.contiguous()
    size = CHUNK if directions.device.type in WAITED_FOR else LARGE_CHUNK
    blocks = directions.split(max(1, size // max(1, directions.shape[-1])))
    norm = torch.cat([torch.linalg.vector_norm(wide(block), dim=-1, keepdim=True) for block in blocks])
    odd = ((norm > 1 / TINY) & torch.isfinite(norm)) | ((norm < TINY) & (norm > 0))
    if norm.device.type not in WAITED_FOR or bool(odd.any()):
        rows, norm = unit(wide(directions))
        return Units(rows.to(torch.float32), norm.unsqueeze(-1))
    return Units(directions.to(torch.float32) * norm.masked_fill(norm == 0, 1.0).reciprocal().to(torch.float32), norm)


class PlainSums(GradientSums):
    """As `GradientSums`, summed over a chunk in float32; near pairs one by one."""

    def __init__(self, x: Polar, y: Polar, aperture: Tensor | None, by_curvature: bool) -> None:
        super().__init__(x, y, aperture, by_curvature, torch.float32)
        self.all_counted = bool(self.counted.all() & self.finite_y.all())
        self._units: dict[int, tuple[Units, Units]] = {}

    def masked(self, b: int, tile: Tile, weight: Tensor) -> Tensor:
        weight = weight.to(torch.float32)
        return weight if self.all_counted else torch.where(self._pairs(b, tile), weight, 0.0)

    def add(self, b: int, tile: Tile, pairs: TiledPairs, weight: Tensor, quantity: Quantity) -> None:
        assert isinstance(pairs, PlainPairs)
        x, y = (tile.x, tile.y) if self.all_counted else (part.nan_to_num(0.0, 0.0, 0.0) for part in (tile.x, tile.y))
        self._units[b] = pairs.units
        by_cosine, by_x, by_y, by_curvature = self.weighed(tile, pairs, weight, quantity)
        with full_float32(x.device):
            self.pull_x[b, tile.i].addmm_(by_cosine, y, alpha=-1)
            self.pull_y[b, tile.j].addmm_(by_cosine.mT, x, alpha=-1)
        self.radius_x[b, tile.i] += by_x
        self.radius_y[b, tile.j] += by_y
        if by_curvature is not None:
            self.curvature[b] += by_curvature
        if tile.triangle.near is not None:
            self._add_near(b, tile, pairs, weight, tile.triangle.near, quantity)

    def weighed(
        self, tile: Tile, pairs: PlainPairs, weight: Tensor, quantity: Quantity
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Derivatives times `weight`: by theta over sin(theta), by r_x summed over y, by r_y over x, by K over both."""
        partials = quantity.partials(tile.triangle)
        if not self.all_counted:
            partials = Partials(*(part.nan_to_num(0.0, 0.0, 0.0) for part in vars(partials).values()))
        by_curvature = None
        if self.by_curvature and partials.curvature.ndim:
            by_curvature = (partials.curvature * weight).sum(dtype=self.curvature.dtype)
        elif self.by_curvature:
            by_curvature = self._by_curvature(tile, pairs, weight, quantity)
        by_cosine = partials.theta_over_sine.mul_(weight)
        return by_cosine, partials.x.mul_(weight).sum(1), partials.y.mul_(weight).sum(0), by_curvature

    def _add_near(self, b: int, tile: Tile, pairs: PlainPairs, weight: Tensor, near: Near, quantity: Quantity) -> None:
        weight = wide(weight[near.rows, near.columns])
        weight = weight if near.first is None else weight * near.first
        partials = quantity.partials(near.triangle)
        rows, columns = near.rows + tile.i.start, near.columns + tile.j.start
        self.radius_x[b].index_add_(0, rows, weight * partials.x)
        self.radius_y[b].index_add_(0, columns, weight * partials.y)
        if self.by_curvature:
            self.curvature[b] += (weight * partials.curvature).sum()
        pull, (versine, coversine) = -weight * partials.theta_over_sine, near.triangle.opening
        scalars = (part.split(max(1, GATHER // tile.x.shape[-1])) for part in (pull, versine, coversine))
        for row, column, *scalar in zip(*zip(*pairs.few(rows, columns), strict=True), *scalars, strict=True):
            x, y = pairs.rays_of(0, row), pairs.rays_of(1, column)
            by_pair, v, p = (part.unsqueeze(-1) for part in scalar)
            self.pull_x[b].index_add_(0, row, (by_pair * tangent(x, y, v, p)).to(torch.float32))
            self.pull_y[b].index_add_(0, column, (by_pair * tangent(y, x, v, p)).to(torch.float32))

    def _by_curvature(self, tile: Tile, pairs: TiledPairs, weight: Tensor, quantity: Quantity) -> Tensor:
        """The sum of `weight` times the derivatives by K, in float64, but for near pairs."""
        cosine = wide(tile.triangle.cosine)
        rows, columns = pairs.profiles[0].at((tile.i, None)), pairs.profiles[1].at((None, tile.j))
        triangle = Triangle(Opening(1 - cosine, 1 + cosine), rows, columns, pairs.curvature, torch.float32)
        by_curvature = quantity.partials(triangle).curvature
        if tile.triangle.near is not None:
            by_curvature[tile.triangle.near.rows, tile.triangle.near.columns] = 0.0
        return (by_curvature.nan_to_num(0.0, 0.0, 0.0) * weight).sum()

    def gradients(self) -> Gradients:
        for b, both in self._units.items():
            for pull, (ray, norm) in zip((self.pull_x[b], self.pull_y[b]), both, strict=True):
                pull.addcmul_((pull * ray).sum(-1, keepdim=True), ray, value=-1)
                inverse = norm.reciprocal().clamp_max_(torch.finfo(pull.dtype).max).masked_fill_(norm == 0, 0.0)
                pull.mul_(inverse.to(pull.dtype))
        return Gradients(
            *self._of_points(self.x, self.pull_x, self.radius_x),
            *self._of_points(self.y, self.pull_y, self.radius_y),
            self.curvature,
            self.aperture,
        )

    def _of_points(self, point: Polar, pull: Tensor, by_radius: Tensor) -> tuple[Tensor, Tensor]:
        if not self.all_counted:
            pull = pull.masked_fill(~point.finite.unsqueeze(-1), math.nan)
            by_radius = by_radius.masked_fill(~point.finite, math.nan)
        return saturated(pull, torch.float32), saturated(by_radius, torch.float32)


PORTABLE = TileBackend(measure)
"""Pairs in float32, with the reference for float64 and for what float32 cannot hold."""
