"""The pair operations in a space whose law is given by formulas of its own: the functions of `hiergeo.pairwise`.

A block of pairs is measured, used and forgotten; the backward pass measures it again. Memory is O((N + M) P) for rows
of P numbers, and one block. Minus the margin of a pair stands where a cone has its angle, and half apertures are 0.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hiergeo._core.errors import HiergeoError, InputError, described
from hiergeo._core.numerics import WAITED_FOR, readable, scalar, unit, wide, widest
from hiergeo._core.polar import Exact, Polar
from hiergeo.pairwise import search_checks
from hiergeo.pairwise.interface import Factor, LogitTerms
from hiergeo.pairwise.logits import Contrast, Logits
from hiergeo.pairwise.quantity import ANGLE, QUANTITIES, Quantity, hinge
from hiergeo.pairwise.reference import TileBackend, admitted
from hiergeo.pairwise.searches import By, Members, Side
from hiergeo.pairwise.tiles import Measure, Tile, TiledPairs

ROWS = 128
"""Rows of a block."""

NUMBERS = 1 << 22
"""Numbers of a block: its pairs times the numbers of a row."""

Points = Sequence[Polar]

DISTANCE, MARGIN, ENERGY = (QUANTITIES[name] for name in ("distance", "cone_margin", "energy"))


def tangent(point: Polar) -> Tensor:
    """The tangent vectors (..., D) of points in their dtype, of the embeddings where these are held; differentiable."""
    exact = torch.promote_types(point.direction.dtype, torch.float32)
    if isinstance(point, Exact):
        return point.vectors.to(exact) - point.origin.to(exact)
    ray = unit(wide(point.direction))[0]
    return (ray * wide(point.radius).unsqueeze(-1)).to(exact)


def measured(law: Any, name: str, x: Tensor, y: Tensor) -> Tensor:
    """What `law.name` gives of rows x and y: of those that broadcast, or of every x (n, P) with every y (m, P).

    Rows with NaN are not shown to the law, and their pairs are NaN. Raises InputError for a result of another shape.
    """
    odd_x, odd_y = x[..., 0].isnan(), y[..., 0].isnan()
    odd = odd_x[:, None] | odd_y if name in ("distances", "margins") else odd_x | odd_y
    try:
        value = getattr(law, name)(*(x.masked_fill(of[..., None], 0) for x, of in ((x, odd_x), (y, odd_y))))
    except (HiergeoError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the code of the user runs here
        raise InputError(f"the {name.rstrip('s')} of {law.spec} raised {described(error)}.") from error
    if not isinstance(value, Tensor) or value.shape != odd.shape or not value.is_floating_point():
        of = f"shape {tuple(value.shape)}, {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        raise InputError(f"the {name.rstrip('s')} of {law.spec} must be floats of shape {tuple(odd.shape)}, not {of}.")
    return value.masked_fill(odd, torch.nan)


class LawTriangle(NamedTuple):
    """The pairs of rows x (n, P) with rows y (m, P) as tiles read them; with `swap` y entails x."""

    law: Any
    x: Tensor
    y: Tensor
    swap: bool = False

    def distance(self) -> Tensor:
        """(n, m)."""
        return measured(self.law, "distances", self.x, self.y)

    def exterior_angle(self) -> Tensor:
        """Minus the margin, (n, m)."""
        if self.swap:
            return -measured(self.law, "margins", self.y, self.x).mT
        return -measured(self.law, "margins", self.x, self.y)


@final
@dataclass(frozen=True)
class LawTiles(TiledPairs):
    """The pairs of two unbatched sets of rows under a law."""

    law: Any = None

    def rows(self) -> Iterator[slice]:
        total = len(self.x.direction)
        return (slice(start, min(start + ROWS, total)) for start in range(0, total, ROWS))

    def tiles(self, i: slice) -> Iterator[Tile]:
        x, total = self.x.direction[i].to(self.dtype), len(self.y.direction)
        step = max(ROWS // 8, NUMBERS // max(1, x.numel()))
        for start in range(0, total, step):
            j = slice(start, min(start + step, total))
            y = self.y.direction[j].to(self.dtype)
            yield Tile(i, j, x, y, LawTriangle(self.law, x, y, self.swap))


@final
class LawMeasure(Measure):
    """How the pairs of rows under a law are measured."""

    def __init__(self, law: Any) -> None:
        self.law = law

    def pairs(self, x: Polar, y: Polar, curvature: float, swap: bool = False) -> TiledPairs:
        return LawTiles(x, y, 0.0, swap, self.law)


class Use(NamedTuple):
    """What is kept of all pairs, a number of each pair of a block (n, m) in entry b, and the gradient by that number.

    The gradient is given b, rows, columns, the numbers, the gradients by what was kept, and what was kept.
    """

    run: Callable[[TileBackend, Factor, Sequence[Tensor]], Sequence[Tensor]]
    value: Callable[[LawTriangle, int, Sequence[Tensor]], Tensor]
    weight: Callable[[int, slice, slice, Tensor, Sequence[Tensor], Sequence[Tensor]], Tensor]


def stored(quantity: Quantity) -> Use:
    """A quantity of every pair, (B, N, M)."""

    def run(backend: TileBackend, factor: Factor, _: object) -> Sequence[Tensor]:
        x, y = factor.x.direction, factor.y.direction
        out = x.new_empty((*x.shape[:2], y.shape[1]), dtype=torch.promote_types(x.dtype, y.dtype))
        backend.store([factor], quantity, out)
        return (out,)

    return Use(run, _law_of(quantity), lambda b, i, j, law, up, _: _slope(quantity, law) * up[0][b, i, j])


def summed(quantity: Quantity) -> Use:
    """A quantity of each x summed over y, (B, N) in the widest float."""
    return Use(
        lambda backend, factor, _: (backend.row_sums([factor], quantity),),
        _law_of(quantity),
        lambda b, i, j, law, up, _: _slope(quantity, law) * up[0][b, i, None].expand_as(law),
    )


def contrasted(labels: Any, squared: bool = False, reduction: str = "logsumexp", combine: str = "l2") -> Use:
    """Logits reduced over rows and over columns, as a `Contrast`; the numbers are scale and bias, (B,)."""

    def run(backend: TileBackend, factor: Factor, numbers: Sequence[Tensor]) -> Sequence[Tensor]:
        return backend.contrast([factor], DISTANCE, LogitTerms(numbers[0], numbers[1], labels, squared, reduction))

    def value(triangle: LawTriangle, b: int, numbers: Sequence[Tensor]) -> Tensor:
        return Logits(numbers[0][b], numbers[1][b], squared).of(wide(triangle.distance()))

    def weight(b: int, i: slice, j: slice, z: Tensor, up: Sequence[Tensor], results: Sequence[Tensor]) -> Tensor:
        rows, columns = ([of[b, i, None] for of in up[::2]], [of[b, None, j] for of in up[1::2]])
        if reduction == "softplus":
            by_logit = z.sigmoid() * (rows[0] + columns[0])
        else:
            by_logit = (z - results[0][b, i, None]).exp() * rows[0] + (z - results[1][b, None, j]).exp() * columns[0]
        if labels is None:
            return by_logit
        return by_logit + (labels[0][b, i, None] == labels[1][b, None, j]) * (rows[1] + columns[1])

    return Use(run, value, weight)


def _law_of(quantity: Quantity) -> Callable[[LawTriangle, int, Sequence[Tensor]], Tensor]:
    return lambda triangle, *_: quantity.law(triangle)


def _slope(quantity: Quantity, law: Tensor) -> Tensor | float:
    """The derivative of a quantity by its law, where half apertures are 0."""
    return 1.0 if quantity.cone is None else quantity.cone.slope(law, law.new_zeros(()))


class _Recomputed(torch.autograd.Function):
    """What a use keeps of the pairs of rows x (B, N, P) and y (B, M, P); its gradients measure them again.

    After x and y come so many `numbers` that it takes, and the parameters of the law.
    """

    @staticmethod
    def forward(ctx: Any, law: Any, use: Use, numbers: int, x: Tensor, y: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        results = tuple(use.run(TileBackend(lambda _: LawMeasure(law)), factor_of(x, y), rest[:numbers]))
        ctx.law, ctx.use, ctx.numbers, ctx.end = law, use, numbers, len(rest)
        ctx.save_for_backward(x, y, *rest, *(results if numbers else ()))
        return results

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, y, *saved = ctx.saved_tensors
        results, use = saved[ctx.end :], ctx.use
        numbers = [number.detach().requires_grad_() for number in saved[: ctx.numbers]]
        inputs = [x, y, *numbers, *saved[ctx.numbers : ctx.end]]
        sums = [torch.zeros_like(wide(of)) for of in inputs]
        for b, pairs in enumerate(LawMeasure(ctx.law).problems(*factor_of(x, y)[:3])):
            for tile in (tile for i in pairs.rows() for tile in pairs.tiles(i)):
                with torch.enable_grad():
                    rows = [of.detach().requires_grad_() for of in (tile.x, tile.y)]
                    value = use.value(LawTriangle(ctx.law, *rows), b, numbers)
                weight = use.weight(b, tile.i, tile.j, value.detach(), upstream, results).to(value)
                gradients = torch.autograd.grad(value, [*rows, *inputs[2:]], weight, allow_unused=True)
                for total, part in zip((sums[0][b, tile.i], sums[1][b, tile.j], *sums[2:]), gradients, strict=True):
                    if part is not None:
                        total += part
        return None, None, None, *(total.to(of) for total, of in zip(sums, inputs, strict=True))


def factor_of(x: Tensor, y: Tensor, *, apex_is_y: bool = False) -> Any:
    """The `Factor` of rows (B, N, P) and (B, M, P)."""
    nothing_x, nothing_y = x[..., 0] * 0, y[..., 0] * 0
    return Factor(Polar(x, nothing_x), Polar(y, nothing_y), 0.0, nothing_y if apex_is_y else nothing_x)


@final
class LawPairs:
    """The functions of `hiergeo.pairwise` that a `Space` calls, in the space of a law.

    They take points as those do; curvatures, `combine` and `min_radius` are of no meaning here and ignored.
    """

    def __init__(self, law: Any) -> None:
        self.law = law
        self.rows = SimpleNamespace(
            distance=lambda a, b, _=None: measured(law, "distance", self._of(a), self._of(b)),
            exterior_angle=lambda a, b, _=None: -measured(law, "margin", self._of(a), self._of(b)),
        )

    def half_aperture(self, radius: Tensor, *_: object) -> Tensor:
        """0, (...): the margin of a law is minus its angle."""
        return radius * 0

    def distance(self, px: Points, py: Points, *_: object, **__: object) -> Tensor:
        """The distance of every pair, (..., N, M)."""
        return self._used(px, py, stored(DISTANCE))[0]

    def cone_margin(self, px: Points, py: Points, *_: object) -> Tensor:
        """The margin of every pair, (..., N, M)."""
        return self._used(px, py, stored(MARGIN))[0]

    def energy_sum(self, px: Points, py: Points, *_: object) -> Tensor:
        """max(0, -margin) of each x summed over all y, (..., N)."""
        return self._used(px, py, summed(ENERGY))[0]

    def hinge_sum(self, px: Points, py: Points, _: object, margin: float, *__: object) -> Tensor:
        """max(0, margin - energy) of each x summed over all y, (..., N)."""
        return self._used(px, py, summed(Quantity(-1, *ANGLE, hinge(margin))))[0]

    def hinge_total(self, px: Points, py: Points, _: object, margin: float, *__: object) -> Tensor:
        """max(0, margin - energy) summed over all pairs, (...)."""
        return self.hinge_sum(px, py, _, margin).sum(-1)

    def energy_min(self, px: Points, py: Points, *_: object) -> tuple[Tensor, Tensor]:
        """The least energy of each x over all y, (..., N), and the lowest index that reaches it."""
        x, y, batch = self._operands(px, py)
        with torch.no_grad():
            indices = self._backend.energy_min(*factor_of(x, y))[1]
        nearest = y.gather(-2, indices.clamp_min(0).unsqueeze(-1).expand(*indices.shape, y.shape[-1]))
        energy = (-measured(self.law, "margin", x, nearest)).clamp_min(0)
        return _batched(energy.masked_fill(indices < 0, torch.nan), batch), _batched(indices, batch)

    def contrast(
        self, px: Points, py: Points, _: object, scale: Any, bias: Any = 0.0, labels: Any = None, **options: Any
    ) -> Contrast:
        """The logits bias - scale d of every pair, reduced over rows and over columns; as `pairwise.contrast`."""
        x, y, batch = self._operands(px, py)
        exact = widest(x.device)
        numbers = [scalar(number, x.device).to(exact).expand(len(x)) for number in (scale, bias)]
        if labels is not None:
            sizes = ((*batch, x.shape[1]), (*batch, y.shape[1]))
            labels = [of.expand(size).reshape(len(x), -1) for of, size in zip(labels, sizes, strict=True)]
        return Contrast(*self._used(px, py, contrasted(labels, **options), numbers))

    @torch.no_grad()
    def topk(
        self, px: Points, py: Points, _: object, k: int, by: By, side: Side, *__: object, **___: object
    ) -> tuple[Tensor, Tensor]:
        """The k best y for each x: values and indices, (..., N, k)."""
        search_checks.check_neighbours(k)
        factor, quantity, swap, batch = self._order(px, py, by, side)
        scores, indices = self._backend.smallest([factor], quantity, k, swap)
        return _batched(-scores if quantity.largest_first else scores, batch), _batched(indices, batch)

    @torch.no_grad()
    def rank(
        self, px: Points, py: Points, _: object, target: Tensor, by: By, side: Side, *__: object, **___: object
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
        return Members(*self._backend.members(*factor_of(x, y)))

    @torch.no_grad()
    def nearest_ladder(
        self, px: Points, py: Points, _: object, radius: Tensor, thresholds: Tensor, **__: object
    ) -> tuple[Tensor, Tensor]:
        """For each x and threshold the nearest y of a radius within it: distances and indices, (N, T)."""
        x, y, _batch = self._operands(px, py)
        within = admitted(radius, thresholds, None)
        return self._backend.nearest_ladder([factor_of(x, y)], DISTANCE, *within)[::-1]

    def shadowed(self, point: Polar, _: object) -> Polar:
        """The points as they are."""
        return point

    @property
    def _backend(self) -> TileBackend:
        return TileBackend(lambda _: LawMeasure(self.law))

    def _of(self, point: Polar) -> Tensor:
        """The rows (..., P) of points; NaN throughout where one is not finite."""
        v = tangent(point)
        rows = self.law.rows(v)
        if rows.shape[:-1] != v.shape[:-1] or not rows.shape[-1]:
            raise InputError(f"rows of {self.law.spec} must be (..., P), not {tuple(rows.shape)} of {tuple(v.shape)}.")
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

    def _used(self, px: Points, py: Points, use: Use, numbers: Sequence[Tensor] = ()) -> list[Tensor]:
        x, y, batch = self._operands(px, py)
        rest = *numbers, *(of for of in self.law.parameters() if of.requires_grad)
        return [_batched(result, batch) for result in _Recomputed.apply(self.law, use, len(numbers), x, y, *rest)]


def _batched(result: Tensor, batch: torch.Size) -> Tensor:
    return result.reshape(*batch, *result.shape[1:])
