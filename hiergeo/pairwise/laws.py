"""The pair operations in a space whose law is given by formulas of its own: the functions of `hiergeo.pairwise`.

A tile of pairs is measured, used and forgotten; the backward pass measures it again. Memory is O((N + M) P) for rows of
P numbers, and one tile. Minus the margin of a pair stands where a cone has its angle, and half apertures are 0.
"""

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol, final

import torch
from torch import Tensor, nn

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import WAITED_FOR, readable, scalar, unit, wide, widest
from hiergeo._core.polar import Exact, Polar
from hiergeo.pairwise import search_checks
from hiergeo.pairwise.interface import Factor, Gradients, LogitTerms
from hiergeo.pairwise.logits import Contrast
from hiergeo.pairwise.quantity import ANGLE, QUANTITIES, Quantity, hinge
from hiergeo.pairwise.reference import TileBackend, admitted
from hiergeo.pairwise.searches import By, Members, Side
from hiergeo.pairwise.tiles import Measure, Tile, TiledPairs

ROWS = 128
"""Rows of a tile."""

NUMBERS = 1 << 22
"""Numbers of a tile: its pairs times the numbers of a row."""

Points = Sequence[Polar]

DISTANCE, MARGIN, ENERGY = (QUANTITIES[name] for name in ("distance", "cone_margin", "energy"))


class RowLaw(Protocol):
    """Formulas of pairs of rows (..., P), which broadcast."""

    @property
    def spec(self) -> str:
        """What it is called."""

    def rows(self, v: Tensor) -> Tensor:
        """Rows (..., P) of tangent vectors (..., D)."""

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """(...), >= 0."""

    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        """(...), >= 0 where x entails y."""


def tangent(point: Polar) -> Tensor:
    """The tangent vectors (..., D) of points in their dtype, of the embeddings where these are held; differentiable."""
    exact = torch.promote_types(point.direction.dtype, torch.float32)
    if isinstance(point, Exact):
        return point.vectors.to(exact) - point.origin.to(exact)
    ray = unit(wide(point.direction))[0]
    return (ray * wide(point.radius).unsqueeze(-1)).to(exact)


@final
class LawTriangle:
    """The pairs of rows x with rows y as tiles read them; with `swap` y entails x."""

    def __init__(self, law: RowLaw, x: Tensor, y: Tensor, swap: bool = False) -> None:
        self.law, self.x, self.y, self.swap = law, x.unsqueeze(1), y.unsqueeze(0), swap

    def distance(self) -> Tensor:
        """(n, m)."""
        return self.law.distance(self.x, self.y)

    def exterior_angle(self) -> Tensor:
        """Minus the margin, (n, m)."""
        return -(self.law.margin(self.y, self.x) if self.swap else self.law.margin(self.x, self.y))


@final
class LawTiles(TiledPairs):
    """The pairs of two unbatched sets of rows under a law."""

    def __init__(self, law: RowLaw, x: Polar, y: Polar, swap: bool) -> None:
        super().__init__(x, y, 0.0, swap)
        object.__setattr__(self, "law", law)

    def rows(self) -> Iterator[slice]:
        total = len(self.x.direction)
        return (slice(start, min(start + ROWS, total)) for start in range(0, total, ROWS))

    def tiles(self, i: slice) -> Iterator[Tile]:
        x, total = self.x.direction[i].to(self.dtype), len(self.y.direction)
        step = max(ROWS // 8, NUMBERS // max(1, x.numel()))
        for start in range(0, total, step):
            j = slice(start, min(start + step, total))
            y = self.y.direction[j].to(self.dtype)
            yield Tile(i, j, x, y, LawTriangle(self.law, x, y, self.swap))  # type: ignore[attr-defined]


@final
class LawMeasure(Measure):
    """How the pairs of rows under a law are measured; `by_parameters` adds up the gradients of its parameters."""

    def __init__(self, law: RowLaw, parameters: Sequence[Tensor] = ()) -> None:
        self.law, self.parameters = law, parameters
        self.by_parameters = [torch.zeros_like(parameter) for parameter in parameters]

    def pairs(self, x: Polar, y: Polar, curvature: float, swap: bool = False) -> TiledPairs:
        return LawTiles(self.law, x, y, swap)

    def sums(self, x: Polar, y: Polar, aperture: Tensor | None, by_curvature: bool) -> Any:
        return LawSums(self, x, y)


@final
class LawSums:
    """Gradients by rows and by the parameters of a law, summed over tiles; rows with NaN or Inf are left out."""

    def __init__(self, measure: LawMeasure, x: Polar, y: Polar) -> None:
        self.measure, self.x, self.y = measure, x, y
        self.by_x, self.by_y = torch.zeros_like(wide(x.direction)), torch.zeros_like(wide(y.direction))
        self.finite_x, self.finite_y = x.finite, y.finite
        self.aperture = torch.zeros_like(wide(x.radius))

    def masked(self, b: int, tile: Tile, weight: Tensor) -> Tensor:
        """The weights of the pairs of a tile, in which those of NaN or Inf are 0."""
        return torch.where(self.finite_x[b, tile.i, None] & self.finite_y[b, None, tile.j], weight, 0.0)

    def add(self, b: int, tile: Tile, pairs: TiledPairs, weight: Tensor, quantity: Quantity) -> None:
        """Add the gradients of `weight` (n, m) times the law of a quantity of one tile."""
        with torch.enable_grad():
            x, y = (
                torch.where(finite.unsqueeze(-1), rows, 0.0).requires_grad_()
                for finite, rows in ((self.finite_x[b, tile.i], tile.x), (self.finite_y[b, tile.j], tile.y))
            )
            value = quantity.law(LawTriangle(self.measure.law, x, y))  # type: ignore[arg-type]
            inputs = x, y, *self.measure.parameters
            gradients = torch.autograd.grad(value, inputs, weight.to(value), allow_unused=True)
        sums = self.by_x[b, tile.i], self.by_y[b, tile.j], *self.measure.by_parameters
        for total, gradient in zip(sums, gradients, strict=True):
            if gradient is not None:
                total += gradient

    def gradients(self) -> Gradients:
        """The sums, as gradients by the rows given; NaN for rows with NaN or Inf."""
        by_x, by_y = (
            total.masked_fill(~finite.unsqueeze(-1), torch.nan).to(of.direction)
            for total, finite, of in ((self.by_x, self.finite_x, self.x), (self.by_y, self.finite_y, self.y))
        )
        nothing = self.aperture
        return Gradients(
            by_x, nothing, by_y, torch.zeros_like(wide(self.y.radius)), nothing.new_zeros(len(nothing)), nothing
        )


class _Recomputed(torch.autograd.Function):
    """What work keeps of the pairs of rows x (B, N, P) and y (B, M, P); its gradients measure them again.

    After x and y come the `numbers` that logits are made with, if any, and the parameters of the law. The first `kept`
    results are given back to `Work.pull`.
    """

    @staticmethod
    def forward(ctx: Any, law: RowLaw, work: "Work", x: Tensor, y: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        results = work.run(TileBackend(lambda _: LawMeasure(law)), factor_of(x, y), rest[: work.numbers])
        ctx.law, ctx.work = law, work
        ctx.save_for_backward(x, y, *rest, *results[: work.kept])
        return results

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        work = ctx.work
        x, y, *saved = ctx.saved_tensors
        split = len(saved) - work.kept
        numbers, measure = saved[: work.numbers], LawMeasure(ctx.law, saved[work.numbers : split])
        backend = TileBackend(lambda _: measure)
        gradients = work.pull(backend, factor_of(x, y), numbers, saved[split:], upstream)
        return None, None, *gradients, *measure.by_parameters


class Work(NamedTuple):
    """A use of pairs: what it keeps, and the gradients by rows x, rows y and numbers of what it kept."""

    run: Callable[[TileBackend, Factor, Sequence[Tensor]], tuple[Tensor, ...]]
    pull: Callable[..., Sequence[Tensor]]
    numbers: int = 0
    kept: int = 0


def factor_of(x: Tensor, y: Tensor, *, apex_is_y: bool = False) -> Factor:
    """Rows (B, N, P) and (B, M, P) as operands of a backend."""
    nothing_x, nothing_y = x[..., 0] * 0, y[..., 0] * 0
    return Factor(Polar(x, nothing_x), Polar(y, nothing_y), 0.0, nothing_y if apex_is_y else nothing_x)


def _stored(quantity: Quantity) -> Work:
    def run(backend: TileBackend, factor: Factor, _: Sequence[Tensor]) -> tuple[Tensor, ...]:
        x, y = factor.x.direction, factor.y.direction
        out = x.new_empty((*x.shape[:2], y.shape[1]), dtype=torch.promote_types(x.dtype, y.dtype))
        backend.store([factor], quantity, out)
        return (out,)

    def pull(backend: TileBackend, factor: Factor, _: Any, __: Any, upstream: Sequence[Tensor]) -> Sequence[Tensor]:
        aperture = None if quantity.cone is None else factor.aperture
        pulled = backend.backward(upstream[0], factor.x, factor.y, 0.0, quantity, aperture)
        return pulled.ux, pulled.uy

    return Work(run, pull)


def _summed(quantity: Quantity) -> Work:
    """A quantity of each x summed over y, (B, N) in the widest float."""

    def run(backend: TileBackend, factor: Factor, _: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return (backend.row_sums([factor], quantity),)

    def pull(backend: TileBackend, factor: Factor, _: Any, __: Any, upstream: Sequence[Tensor]) -> Sequence[Tensor]:
        each = upstream[0].unsqueeze(-1).expand(*upstream[0].shape, factor.y.direction.shape[1])
        pulled = backend.backward(each, factor.x, factor.y, 0.0, quantity, factor.aperture)
        return pulled.ux, pulled.uy

    return Work(run, pull)


def _contrasted(labels: tuple[Tensor, Tensor] | None, squared: bool, reduction: str) -> Work:
    def terms(numbers: Sequence[Tensor]) -> LogitTerms:
        return LogitTerms(numbers[0], numbers[1], labels, squared, reduction)

    def run(backend: TileBackend, factor: Factor, numbers: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(backend.contrast([factor], DISTANCE, terms(numbers)))

    def pull(
        backend: TileBackend, factor: Factor, numbers: Sequence[Tensor], kept: Any, upstream: Any
    ) -> Sequence[Tensor]:
        pulled = backend.contrast_backward([factor], DISTANCE, terms(numbers), kept, upstream)
        return pulled[0], pulled[2], *pulled[5:]

    return Work(run, pull, numbers=2, kept=2)


@final
class LawPairs:
    """The functions of `hiergeo.pairwise` that a `Space` calls, in the space of a law.

    They take points as those do; curvatures, `combine` and `min_radius` are of no meaning here and ignored.
    """

    def __init__(self, law: RowLaw) -> None:
        self.law = law
        self.rows = SimpleNamespace(distance=self._row_distance, exterior_angle=self._row_angle)

    # row by row

    def _row_distance(self, a: Polar, b: Polar, _: object = None) -> Tensor:
        return self.law.distance(self._of(a), self._of(b))

    def _row_angle(self, a: Polar, b: Polar, _: object = None) -> Tensor:
        return -self.law.margin(self._of(a), self._of(b))

    def half_aperture(self, radius: Tensor, *_: object) -> Tensor:
        """0, (...): the margin of a law is minus its angle."""
        return radius * 0

    # every pair

    def distance(self, px: Points, py: Points, *_: object, **__: object) -> Tensor:
        """The distance of every pair, (..., N, M)."""
        return self._done(px, py, _stored(DISTANCE))[0]

    def cone_margin(self, px: Points, py: Points, *_: object) -> Tensor:
        """The margin of every pair, (..., N, M)."""
        return self._done(px, py, _stored(MARGIN))[0]

    def energy_sum(self, px: Points, py: Points, *_: object) -> Tensor:
        """max(0, -margin) of each x summed over all y, (..., N)."""
        return self._done(px, py, _summed(ENERGY))[0]

    def hinge_sum(self, px: Points, py: Points, _: object, margin: float, *__: object) -> Tensor:
        """max(0, margin - energy) of each x summed over all y, (..., N)."""
        return self._done(px, py, _summed(Quantity(-1, *ANGLE, hinge(margin))))[0]

    def hinge_total(self, px: Points, py: Points, _: object, margin: float, *__: object) -> Tensor:
        """max(0, margin - energy) summed over all pairs, (...)."""
        return self.hinge_sum(px, py, _, margin).sum(-1)

    def energy_min(self, px: Points, py: Points, *_: object) -> tuple[Tensor, Tensor]:
        """The least energy of each x over all y, (..., N), and the lowest index that reaches it."""
        x, y, batch = self._operands(px, py)
        with torch.no_grad():
            factor = factor_of(x, y)
            indices = self._backend.energy_min(factor.x, factor.y, 0.0, _aperture(factor))[1]
        nearest = y.gather(-2, indices.clamp_min(0).unsqueeze(-1).expand(*indices.shape, y.shape[-1]))
        energy = (-self.law.margin(x, nearest)).clamp_min(0)
        return _batched(energy.masked_fill(indices < 0, torch.nan), batch), _batched(indices, batch)

    def contrast(
        self,
        px: Points,
        py: Points,
        _: object,
        scale: float | Tensor,
        bias: float | Tensor = 0.0,
        labels: tuple[Tensor, Tensor] | None = None,
        *,
        squared: bool = False,
        reduction: str = "logsumexp",
        combine: str = "l2",
    ) -> Contrast:
        """The logits bias - scale d of every pair, reduced over rows and over columns; as `pairwise.contrast`."""
        x, y, batch = self._operands(px, py)
        exact = widest(x.device)
        numbers = [scalar(number, x.device).to(exact).expand(len(x)) for number in (scale, bias)]
        if labels is not None:
            sizes = ((*batch, x.shape[1]), (*batch, y.shape[1]))
            of_x, of_y = (of.expand(size).reshape(len(x), -1) for of, size in zip(labels, sizes, strict=True))
            labels = of_x, of_y
        return Contrast(*self._done(px, py, _contrasted(labels, squared, reduction), numbers))

    # searches

    @torch.no_grad()
    def topk(
        self,
        px: Points,
        py: Points,
        _: object,
        k: int,
        by: By = "distance",
        side: Side = "children",
        *__: object,
        **___: object,
    ) -> tuple[Tensor, Tensor]:
        """The k best y for each x: values and indices, (..., N, k)."""
        search_checks.check_neighbours(k)
        factor, quantity, swap, batch = self._order(px, py, by, side)
        scores, indices = self._backend.smallest([factor], quantity, k, swap)
        return _batched(-scores if quantity.largest_first else scores, batch), _batched(indices, batch)

    @torch.no_grad()
    def rank(
        self,
        px: Points,
        py: Points,
        _: object,
        target: Tensor,
        by: By = "distance",
        side: Side = "children",
        *__: object,
        **___: object,
    ) -> Tensor:
        """How many y come before that of index `target` in the order of `topk`, (..., N) int64; -1 for NaN."""
        factor, quantity, swap, batch = self._order(px, py, by, side)
        shape = factor.x.radius.shape
        search_checks.check_targets(target, torch.Size((*batch, shape[-1])), factor.x.radius.device)
        search_checks.check_indices("target", target, factor.y.radius.shape[-1])
        return _batched(self._backend.rank([factor], quantity, target.reshape(shape), swap), batch)

    @torch.no_grad()
    def cone_count(self, px: Points, py: Points, *_: object) -> Tensor:
        """How many y each x entails, (..., N) int64."""
        x, y, batch = self._operands(px, py)
        return _batched(self._backend.count([factor_of(x, y)], MARGIN, None), batch)

    @torch.no_grad()
    def count_within(self, px: Points, py: Points, _: object, reach: float | Tensor, **__: object) -> Tensor:
        """How many y lie within a distance of each x, (..., N) int64."""
        x, y, batch = self._operands(px, py)
        within = scalar(reach, x.device).to(widest(x.device)).expand(*batch, x.shape[1]).reshape(x.shape[:2])
        return _batched(self._backend.count([factor_of(x, y)], DISTANCE, within), batch)

    @torch.no_grad()
    def cone_members(self, px: Points, py: Points, *_: object) -> Members:
        """Which y each x entails, in compressed sparse rows; without leading dimensions."""
        x, y, batch = self._operands(px, py)
        if batch:
            raise InputError(f"members take points without leading dimensions, not {tuple(batch)}.")
        factor = factor_of(x, y)
        return Members(*self._backend.members(factor.x, factor.y, 0.0, _aperture(factor)))

    @torch.no_grad()
    def nearest_ladder(
        self, px: Points, py: Points, _: object, radius: Tensor, thresholds: Tensor, **__: object
    ) -> tuple[Tensor, Tensor]:
        """For each x and threshold the nearest y of a radius within it: distances and indices, (N, T)."""
        x, y, _batch = self._operands(px, py)
        indices, distances = self._backend.nearest_ladder(
            [factor_of(x, y)], DISTANCE, *admitted(radius, thresholds, None)
        )
        return distances, indices

    def shadowed(self, point: Polar, _: object) -> Polar:
        """The points as they are."""
        return point

    # inside

    @property
    def _backend(self) -> TileBackend:
        return TileBackend(lambda _: LawMeasure(self.law))

    def _of(self, point: Polar) -> Tensor:
        """The rows (..., P) of points; NaN throughout where one is not finite."""
        rows = self.law.rows(tangent(point))
        odd = ~torch.isfinite((rows.detach() * 0).sum(-1, keepdim=True))
        waited_for = rows.device.type in WAITED_FOR and readable(rows)
        return rows if waited_for and not bool(odd.any()) else rows.masked_fill(odd, torch.nan)

    def _operands(self, px: Points, py: Points) -> tuple[Tensor, Tensor, torch.Size]:
        """Rows (B, N, P) and (B, M, P), and the leading dimensions that were flattened."""
        x, y = self._of(px[0]), self._of(py[0])
        if x.shape[-1] != y.shape[-1]:
            raise InputError(f"x has rows of {x.shape[-1]} numbers and y of {y.shape[-1]}: they must be equal.")
        batch = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        flat = (of.expand(*batch, *of.shape[-2:]).reshape(-1, *of.shape[-2:]) for of in (x, y))
        return *flat, batch

    def _order(self, px: Points, py: Points, by: By, side: Side) -> tuple[Factor, Quantity, bool, torch.Size]:
        search_checks.check_order_of(by, side)
        if by == "angle":
            raise InputError(f"{self.law.spec} has no angles: order by distance or margin.")
        x, y, batch = self._operands(px, py)
        swap = by == "margin" and side == "parents"
        return factor_of(x, y, apex_is_y=swap), DISTANCE if by == "distance" else MARGIN, swap, batch

    def _done(self, px: Points, py: Points, work: Work, numbers: Sequence[Tensor] = ()) -> list[Tensor]:
        x, y, batch = self._operands(px, py)
        parameters = list(self.law.parameters()) if isinstance(self.law, nn.Module) else []
        return [_batched(result, batch) for result in _Recomputed.apply(self.law, work, x, y, *numbers, *parameters)]


def _aperture(factor: Factor) -> Tensor:
    assert factor.aperture is not None
    return factor.aperture


def _batched(result: Tensor, batch: torch.Size) -> Tensor:
    return result.reshape(*batch, *result.shape[1:])
