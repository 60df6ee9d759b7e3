"""Contrast of pairs: logits of distances reduced over rows and over columns, by a kernel or a block of rows at a time.

A block is stored, reduced and forgotten; the backward pass stores it again. So memory is O((N + M) D) and one block.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from hiergeo._core.numerics import pair_dtype, widest
from hiergeo._core.polar import part_of
from hiergeo.pairwise.interface import Factor, LogitTerms, PairBackend
from hiergeo.pairwise.quantity import QUANTITIES, Quantity

BLOCK = 1 << 21
"""Pairs that are stored at a time."""

DISTANCE = QUANTITIES["distance"]

REDUCTIONS = ("logsumexp", "softplus")

Reduction = Literal["logsumexp", "softplus"]


@dataclass(frozen=True)
class Logits:
    """z = bias - scale d, or with `squared` bias - scale d^2 / 2, of a distance d; `scale` and `bias` are 0-dim."""

    scale: Tensor
    bias: Tensor
    squared: bool

    def of(self, distance: Tensor) -> Tensor:
        """Logits of distances."""
        return self.bias.to(distance.dtype) - self.scale.to(distance.dtype) * self.measure(distance)

    def by_scale(self, weight: Tensor, distance: Tensor) -> Tensor:
        """The sum of `weight` times the derivative of logits by the scale, 0-dim."""
        return -(weight * self.measure(distance)).sum(dtype=widest(distance.device))

    def by_distance(self, distance: Tensor) -> Tensor:
        """Derivatives of logits by distances."""
        slope = -self.scale.to(distance.dtype)
        return slope * distance if self.squared else slope.expand_as(distance)

    def measure(self, distance: Tensor) -> Tensor:
        """What the scale multiplies."""
        return distance.square() / 2 if self.squared else distance


class Matches:
    """Which pairs belong together: those of rows and columns of equal integer labels, (N,) and (M,)."""

    def __init__(self, rows: Tensor, columns: Tensor) -> None:
        self._order = columns.argsort(stable=True)
        known = columns[self._order]
        self._first = torch.searchsorted(known, rows.contiguous())
        self._count = torch.searchsorted(known, rows.contiguous(), right=True) - self._first

    def among(self, rows: slice) -> tuple[Tensor, Tensor]:
        """The places of the pairs in a block of rows: rows of the block, and columns."""
        first, count = self._first[rows], self._count[rows]
        place = torch.arange(len(first), device=first.device).repeat_interleave(count)
        ends = count.cumsum(0)
        within = torch.arange(len(place), device=first.device) - (ends - count)[place]
        return place, self._order[first[place] + within]


class Contrast(NamedTuple):
    """What is reduced, float64.

    Attributes:
        rows: over all y for each x, (N,).
        columns: over all x for each y, (M,).
        matched_rows: the sum of the logits of each x with what it matches, (N,).
        matched_columns: the same of each y, (M,).
    """

    rows: Tensor
    columns: Tensor
    matched_rows: Tensor
    matched_columns: Tensor


def contrast(
    backend: PairBackend, factors: Sequence[Factor], quantity: Quantity, terms: LogitTerms
) -> Sequence[Tensor]:
    """The logits of B problems reduced, as `PairBackend.contrast` has them; nothing where B = 0."""
    found = backend.contrast(factors, quantity, terms)
    if found is None:
        return _stacked([each.contrast() for each in _problems(backend, factors, quantity, terms)])
    return found


def gradients(
    backend: PairBackend,
    factors: Sequence[Factor],
    quantity: Quantity,
    terms: LogitTerms,
    found: Sequence[Tensor],
    upstream: Sequence[Tensor],
) -> Sequence[Tensor]:
    """Gradients of `upstream` times what `contrast` gave, of which `found` are rows and columns; nothing where B = 0.

    By u_x, r_x, u_y, r_y and the curvature of each factor, by scale and by bias.
    """
    pulled = backend.contrast_backward(factors, terms, found, upstream)
    if pulled is not None:
        return pulled
    parts = []
    for b, each in enumerate(_problems(backend, factors, quantity, terms)):
        of_rows, of_columns, *matched = (part[b] for part in upstream)
        at = Contrast(found[0][b], found[1][b], *matched)
        by_factor, by_scale, by_bias = each.gradients(at, Contrast(of_rows, of_columns, *matched))
        parts.append([*(part[0] for factor in by_factor for part in factor), by_scale, by_bias])
    return _stacked(parts)


def _problems(
    backend: PairBackend, factors: Sequence[Factor], quantity: Quantity, terms: LogitTerms
) -> Iterator["Contrasted"]:
    """The problem of each leading index."""
    for b, (scale, bias) in enumerate(zip(terms.scale, terms.bias, strict=True)):
        one = slice(b, b + 1)
        of = [
            each._replace(x=part_of(each.x, one, slice(None)), y=part_of(each.y, one, slice(None))) for each in factors
        ]
        matches = None if terms.labels is None else Matches(*(labels[b] for labels in terms.labels))
        yield Contrasted(of, backend, quantity, Logits(scale, bias, terms.squared), matches, terms.reduction)


def _stacked(parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    return [torch.stack(part) for part in zip(*parts, strict=True)]


@dataclass(frozen=True)
class Contrasted:
    """The pairs of one problem, B = 1, of which logits are reduced. What it gives has no leading dimension.

    Attributes:
        factors: of one problem, B = 1.
        backend: that stores distances and pulls gradients.
        quantity: how distances of factors combine.
        logits: of combined distances.
        matches: which pairs belong together; None if none do.
        reduction: "logsumexp" or "softplus" of the logits of a row and of a column.
    """

    factors: Sequence[Factor]
    backend: PairBackend
    quantity: Quantity
    logits: Logits
    matches: Matches | None
    reduction: str

    def contrast(self) -> Contrast:
        """The logits reduced."""
        found, softplus = self._nothing(), self.reduction == "softplus"
        if not softplus:
            found.columns.fill_(-torch.inf)
        for block in self._blocks():
            z = self.logits.of(block.distance)
            self._add_matched(block, z, found)
            if softplus:
                z = torch.nn.functional.softplus(z)
                found.rows[block.rows] = z.sum(-1, dtype=found.rows.dtype)
                found.columns.add_(z.sum(-2, dtype=found.rows.dtype))
            else:
                found.rows[block.rows] = _logsumexp(z, -1, found.rows.dtype)
                torch.logaddexp(found.columns, _logsumexp(z, -2, found.rows.dtype), out=found.columns)
        return found

    def gradients(self, found: Contrast, upstream: Contrast) -> tuple[list[list[Tensor]], Tensor, Tensor]:
        """Gradients of `upstream` times what `contrast` gave.

        Returns:
            By u_x, r_x, u_y, r_y and the curvature of each factor, as `PairBackend.backward` has them with B = 1; by
            the scale and by the bias, 0-dim.
        """
        wide = found.rows.dtype
        by_scale, by_bias = (torch.zeros((), dtype=wide, device=found.rows.device) for _ in range(2))
        by_x: list[list[Sequence[Tensor]]] = [[] for _ in self.factors]
        by_y: list[list[Tensor]] = [[] for _ in self.factors]
        for block in self._blocks(apart=True):
            weight = self._weights(block, found, upstream)
            by_scale += self.logits.by_scale(weight, block.distance)
            by_bias += weight.sum(dtype=wide)
            weight *= self.logits.by_distance(block.distance)
            for f, factor in enumerate(block.factors):
                upstream_of = block.shared(weight, f, self.quantity).unsqueeze(0)
                pulled = self.backend.backward(upstream_of, factor.x, factor.y, factor.curvature, DISTANCE, None)
                by_x[f].append((pulled.ux, pulled.rx))
                shared = [pulled.uy, pulled.ry, pulled.curvature]
                by_y[f] = [a + b for a, b in zip(by_y[f], shared, strict=True)] if by_y[f] else shared
        joined = [
            [*(torch.cat(part, dim=1) for part in zip(*x, strict=True)), *y] for x, y in zip(by_x, by_y, strict=True)
        ]
        return joined, by_scale, by_bias

    def _add_matched(self, block: "Block", values: Tensor, to: Contrast) -> None:
        """Add the values of matching pairs of a block to the sums of their rows and columns."""
        if self.matches is not None:
            place, column = self.matches.among(block.rows)
            matched = values[place, column].to(to.rows.dtype)
            to.matched_rows[block.rows].index_add_(0, place, matched)
            to.matched_columns.index_add_(0, column, matched)

    def _nothing(self) -> Contrast:
        x, y = self.factors[0].x.radius, self.factors[0].y.radius
        sides = (x, y, x, y)
        return Contrast(*(side.new_zeros(side.shape[-1], dtype=widest(side.device)) for side in sides))

    def _slopes(self, block: "Block", found: Contrast) -> tuple[Tensor, Tensor]:
        """The derivatives of what rows and what columns are reduced to by the logits of a block."""
        z = self.logits.of(block.distance)
        if self.reduction == "softplus":
            slope = z.sigmoid()
            return slope, slope
        rows, columns = found.rows[block.rows, None], found.columns
        return (z - rows.to(z.dtype)).exp_(), (z - columns.to(z.dtype)).exp_()

    def _weights(self, block: "Block", found: Contrast, upstream: Contrast) -> Tensor:
        """The derivatives by the logits of a block."""
        of_rows, of_columns = upstream.rows[block.rows, None], upstream.columns
        by_rows, by_columns = self._slopes(block, found)
        weight = by_rows * of_rows.to(by_rows.dtype)
        weight += by_columns * of_columns.to(by_rows.dtype)
        if self.matches is not None:
            place, column = self.matches.among(block.rows)
            matched = upstream.matched_rows[block.rows][place] + upstream.matched_columns[column]
            if self.reduction == "softplus":
                matched = matched + weight[place, column]
            else:  # in float64: a match may be all but certain
                z = self.logits.of(block.distance[place, column]).to(found.rows.dtype)
                matched = matched + upstream.rows[block.rows][place] * (z - found.rows[block.rows][place]).exp()
                matched = matched + upstream.columns[column] * (z - found.columns[column]).exp()
            weight[place, column] = matched.to(weight.dtype)
        return weight

    def _blocks(self, apart: bool = False) -> Iterator["Block"]:
        count, width = (side.radius.shape[-1] for side in (self.factors[0].x, self.factors[0].y))
        step = max(1, BLOCK // max(1, width))
        for start in range(0, max(1, count), step):
            rows = slice(start, min(start + step, count))
            some = [factor._replace(x=part_of(factor.x, rows)) for factor in self.factors]
            each = [self._distance([factor], DISTANCE) for factor in some] if apart and len(some) > 1 else []
            yield Block(rows, some, self._distance(some, self.quantity), each)

    def _distance(self, factors: Sequence[Factor], quantity: Quantity) -> Tensor:
        x, y = factors[0].x, factors[0].y
        dtype = pair_dtype(x.direction, y.direction)
        out = x.radius.new_empty((1, x.radius.shape[-1], y.radius.shape[-1]), dtype=dtype)
        self.backend.store(factors, quantity, out)
        return out[0]


class Block(NamedTuple):
    """Some rows against all columns: distances (n, M), and those in each factor where they were asked for."""

    rows: slice
    factors: Sequence[Factor]
    distance: Tensor
    each: Sequence[Tensor]

    def shared(self, values: Tensor, f: int, quantity: Quantity) -> Tensor:
        """Values (n, M) times the derivative of the distance by that in factor `f`."""
        if not self.each or quantity is QUANTITIES["distance_l1"]:
            return values
        return values * torch.where(self.distance > 0, self.each[f] / self.distance, 0.0)


def _logsumexp(z: Tensor, dim: int, dtype: torch.dtype) -> Tensor:
    """`torch.logsumexp` whose sum is in `dtype`; -inf of nothing."""
    if not z.numel():
        return z.sum(dim, dtype=dtype) - torch.inf
    top = z.amax(dim, keepdim=True)
    top = torch.where(top.isinf(), 0.0, top)
    return (z - top).exp_().sum(dim, dtype=dtype).log_() + top.squeeze(dim)
