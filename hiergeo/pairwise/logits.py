"""Contrast of pairs: logits of distances reduced over rows and over columns, a tile at a time.

A tile is reduced and forgotten; the backward pass measures it again. So memory is O((N + M) D) and one tile.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.numerics import WAITED_FOR, widest
from hiergeo.pairwise.interface import LogitTerms
from hiergeo.pairwise.quantity import QUANTITIES, of_factors
from hiergeo.pairwise.tiles import GradientSums, Values

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
        bias, scale = self.bias.to(distance.dtype), self.scale.to(distance.dtype)
        return torch.addcmul(bias, scale, self.measure(distance), value=-1)

    def by_scale(self, weight: Tensor, distance: Tensor) -> Tensor:
        """The sum of `weight` times the derivative of logits by the scale, 0-dim."""
        return -(weight * self.measure(distance)).sum(-1).sum(dtype=widest(distance.device))

    def pulled(self, weight: Tensor, distance: Tensor) -> Tensor:
        """`weight` times the derivatives of logits by distances."""
        weight = weight * -self.scale.to(distance.dtype)
        return weight.mul_(distance) if self.squared else weight

    def measure(self, distance: Tensor) -> Tensor:
        """What the scale multiplies."""
        return distance.square() / 2 if self.squared else distance


class Matches(NamedTuple):
    """Which pairs belong together: those of rows and columns of equal labels.

    Attributes:
        order: the columns, (M,), sorted by label.
        label: of each row, (N,); a label is M times the columns with smaller ones.
        keys: label and column of each of `order`, (M,), in one number.
        host: `label` and `keys` on the host, which say how many pairs a block has without waiting for the device; None
            where Python waits anyway.
    """

    order: Tensor
    label: Tensor
    keys: Tensor
    host: tuple[np.ndarray, np.ndarray] | None

    def within(self, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
        """The rows and the columns of the pairs in a block."""
        first, last = (torch.searchsorted(self.keys, self.label[rows] + at) for at in (columns.start, columns.stop))
        total, count = None, last - first
        if self.host is not None:
            label, keys = self.host[0][rows], self.host[1]
            total = int(
                (np.searchsorted(keys, label + columns.stop) - np.searchsorted(keys, label + columns.start)).sum()
            )
        row = torch.arange(len(first), device=first.device).repeat_interleave(count, output_size=total)
        ends = count.cumsum(0)
        within = torch.arange(len(row), device=first.device) - (ends - count)[row]
        return row + rows.start, self.order[first[row] + within]


def matches(rows: Tensor, columns: Tensor) -> list[Matches]:
    """The matches of each problem by its integer labels, (B, N) and (B, M); waits for the device once."""
    size, order = columns.shape[1], columns.argsort(stable=True)
    ordered, rows = columns.gather(1, order), rows.contiguous()
    first, last = (torch.searchsorted(ordered, rows, right=right) for right in (False, True))
    label = torch.where(first < last, first, size) * size
    keys = torch.searchsorted(ordered, ordered) * size + order
    problems = zip(order, label, keys, strict=True)
    if rows.device.type in WAITED_FOR:
        return [Matches(*of, None) for of in problems]
    host = zip(label.cpu().numpy(), keys.cpu().numpy(), strict=True)
    return [Matches(*of, counted) for of, counted in zip(problems, host, strict=True)]


class Contrast(NamedTuple):
    """What is reduced, float64.

    Attributes:
        rows: over all y for each x, (..., N).
        columns: over all x for each y, (..., M).
        matched_rows: the sum of the logits of each x with what it matches, (..., N).
        matched_columns: the same of each y, (..., M).
    """

    rows: Tensor
    columns: Tensor
    matched_rows: Tensor
    matched_columns: Tensor


@dataclass(frozen=True)
class Contrasted:
    """The pairs of one problem whose logits are reduced, a tile at a time.

    Attributes:
        values: the distances.
        logits: of distances.
        matches: which pairs belong together; None if none do.
        reduction: "logsumexp" or "softplus" of the logits of a row and of a column.
    """

    values: Values
    logits: Logits
    matches: Matches | None
    reduction: str

    def reduce(self, to: Contrast) -> None:
        """Reduce the logits into `to`, (N,) and (M,), which holds what nothing reduces to."""
        for i in self.values.rows():
            for j, distance in self.values.tiles(i):
                z = self.logits.of(distance)
                if self.matches is not None:
                    row, column = self.matches.within(i, j)
                    matched = z[row - i.start, column - j.start].to(to.rows.dtype)
                    to.matched_rows.index_add_(0, row, matched)
                    to.matched_columns.index_add_(0, column, matched)
                rows, columns = self.values.reduced(z, self.reduction)
                if self.reduction == "softplus":
                    to.rows[i] += rows
                    to.columns[j] += columns
                else:
                    to.rows[i] = torch.logaddexp(to.rows[i], rows)
                    to.columns[j] = torch.logaddexp(to.columns[j], columns)

    def pull(
        self, b: int, reduced: Contrast, upstream: Contrast, sums: Sequence[GradientSums]
    ) -> tuple[Tensor, Tensor]:
        """Add the gradients of `upstream` times what was reduced, `reduced`, to the sums of each factor for entry `b`.

        Returns:
            Those by the scale and by the bias, 0-dim.
        """
        by_scale, by_bias = (reduced.rows.new_zeros(()) for _ in range(2))
        factors, quantity = self.values.factors, self.values.quantity
        for i in self.values.rows():
            for tiles in zip(*(pairs.tiles(i) for pairs in factors), strict=True):
                lengths = [tile.triangle.distance() for tile in tiles]
                distance = self.values.combined(tiles, lengths)
                weight = self._weights(i, tiles[0].j, distance, reduced, upstream)
                by_scale += self.logits.by_scale(weight, distance)
                by_bias += weight.sum(-1).sum(dtype=by_bias.dtype)
                weight = self.logits.pulled(weight, distance)
                shares = of_factors(quantity, lengths, weight) if len(lengths) > 1 else [weight]
                for tile, pairs, share, to in zip(tiles, factors, shares, sums, strict=True):
                    to.add(b, tile, pairs, to.masked(b, tile, share), DISTANCE)
        return by_scale, by_bias

    def _weights(self, i: slice, j: slice, distance: Tensor, reduced: Contrast, upstream: Contrast) -> Tensor:
        """The derivatives by the logits of a tile."""
        z = self.logits.of(distance)
        lines, up = ((of.rows[i].to(z.dtype), of.columns[j].to(z.dtype)) for of in (reduced, upstream))
        weight = self.values.weighed(z, lines, up, self.reduction)
        if self.matches is not None:
            row, column = self.matches.within(i, j)
            pairs = row - i.start, column - j.start
            matched = upstream.matched_rows[row] + upstream.matched_columns[column]
            if self.reduction == "softplus":
                matched = matched + weight[pairs]
            else:  # in float64: a match may be all but certain
                exact = self.logits.of(distance[pairs]).to(reduced.rows.dtype)
                matched = matched + upstream.rows[row] * (exact - reduced.rows[row]).exp()
                matched = matched + upstream.columns[column] * (exact - reduced.columns[column]).exp()
            weight[pairs] = matched.to(weight.dtype)
        return weight


def contrasted(values: Iterable[Values], terms: LogitTerms) -> Iterator[Contrasted]:
    """The problem of each leading index."""
    together = None if terms.labels is None else matches(*terms.labels)
    for b, of in enumerate(values):
        logits = Logits(terms.scale[b], terms.bias[b], terms.squared)
        yield Contrasted(of, logits, None if together is None else together[b], terms.reduction)
