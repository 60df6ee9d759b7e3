"""Contrast by geodesic distance: each x is nearest to what it matches, and each y likewise. Nothing N x M is stored."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import compute_dtype, readable
from hiergeo.geometry import Contrast, Space
from hiergeo.losses import ranks
from hiergeo.losses._checks import Reduction, check_embeddings, check_equal_dimensions, check_number, check_reduction

By = Literal["distance", "cosine"]

Labels = Tensor | tuple[Tensor, Tensor] | None

Sides = Literal["both", "rows"]


def contrastive_loss(
    space: Space,
    x: Tensor,
    y: Tensor,
    temperature: float | Tensor = 0.07,
    labels: Labels = None,
    *,
    levels: Labels = None,
    by: By = "distance",
    sides: Sides = "both",
    reduction: Reduction = "mean",
    gather: bool = True,
) -> Tensor:
    """Symmetric InfoNCE with the logits -d(x_i, y_j) / temperature, nats.

    The mean of the cross-entropies of rows and of columns. Memory is O(N + M), forward and backward. Under
    `torch.distributed` the batch is that of all ranks (`hiergeo.losses.ranks`), unless `gather` is False.

    Args:
        space: where distances are taken; not asked where `by` is "cosine".
        x: (N, D).
        y: (M, D).
        temperature: > 0, geodesic units; a 0-dim tensor may be learnt (keep it positive, for example as the
            exponential of a parameter).
        labels: which rows match. None: x_i and y_i, N = M. Integers (N,): x_i and y_j of equal ones, N = M. Two such
            tensors, (N,) and (M,): those of x and of y; each needs a match on the other side. Where a row has several
            matches, the mean over them (Khosla et al., NeurIPS 2020, L_out).
        levels: integers of x and of y, as `labels`: only pairs of equal level are compared, so that a genus is no
            negative of a species (the mask of BioCLIP-HC, arXiv 2606.21838). None compares all pairs.
        by: "distance", or "cosine": the logits cos(x_i, y_j) / temperature of CLIP.
        sides: "both", or "rows": each x among all y alone, of which some may match nothing.
        reduction: "mean" over rows and over columns, the "sum" of both halves, or "none" where N = M.
        gather: whether other ranks' rows are negatives too; ranks may hold different numbers of rows.

    Returns:
        A 0-dim tensor >= 0, or with "none" (N,), the loss of each of this rank's pairs.

    Raises:
        InputError: shapes that do not fit, NaN or Inf, a temperature that is not a positive number, rows without a
            match.

    Source: Radford et al. (ICML 2021) with the logits of Desai et al., MERU (ICML 2023).
    """
    check_reduction(reduction)
    if sides not in ("both", "rows"):
        raise InputError(f"sides must be 'both' or 'rows', not '{sides}'.")
    pair = _Matched(x, y, labels, gather, matched=("x", "y") if sides == "both" else ("x",), levels=levels)
    check_number("temperature", temperature, positive=True)
    if reduction == "none" and sides == "both" and len(x) != len(y):
        raise InputError(f"reduction 'none' needs as many x as y, not {len(x)} and {len(y)}.")
    of_x, of_y, matched_x, matched_y = pair.owned(pair.reduced(_space(space, by), by, 1 / temperature))
    by_row = of_x - matched_x / pair.matches_of_x
    rows, columns = pair.sizes
    if sides == "rows":
        if reduction == "none":
            return by_row.to(compute_dtype(x.dtype))
        share = by_row.sum() if reduction == "sum" else by_row.sum() / rows
        return pair.whole(share).to(compute_dtype(x.dtype))
    by_column = of_y - matched_y / pair.matches_of_y
    if reduction == "none":
        return ((by_row + by_column) / 2).to(compute_dtype(x.dtype))
    share = by_row.sum() + by_column.sum() if reduction == "sum" else by_row.sum() / rows + by_column.sum() / columns
    return pair.whole(share / 2).to(compute_dtype(x.dtype))


def siglip_loss(
    space: Space,
    x: Tensor,
    y: Tensor,
    temperature: float | Tensor,
    bias: float | Tensor,
    labels: Labels = None,
    *,
    by: By = "distance",
    gather: bool = True,
) -> Tensor:
    """-log sigmoid(s_ij z_ij) summed over all pairs, divided by N, nats; s = 1 where a pair matches, else -1.

    The logits are z_ij = bias - d(x_i, y_j) / temperature, or with "cosine" bias + cos(x_i, y_j) / temperature. Memory
    is O(N + M). Arguments as for `contrastive_loss`; here a row may match nothing.

    Args:
        space: where distances are taken.
        x: (N, D).
        y: (M, D).
        temperature: > 0, geodesic units.
        bias: a number or a 0-dim tensor. Distances are >= 0: only a bias above 0 lets a pair be likely.
        labels: which rows match.
        by: what the logits are made of.
        gather: whether other ranks' rows are negatives too.

    Returns:
        A 0-dim tensor >= 0.

    Raises:
        InputError: as `contrastive_loss`.

    Source: Zhai et al., SigLIP (ICCV 2023), section 3.2.
    """
    pair = _Matched(x, y, labels, gather, matched=())
    check_number("temperature", temperature, positive=True)
    scale = 1 / temperature
    bias = bias + scale if by == "cosine" else bias
    options: dict[str, Any] = {"squared": by == "cosine", "reduction": "softplus"}
    sums = _space(space, by).contrastive(*pair.located(by), scale, bias, labels=pair.labels, **options)
    return pair.whole((sums.rows.sum() - sums.matched_rows.sum()) / pair.sizes[0]).to(compute_dtype(x.dtype))


def _space(space: Space, by: By) -> Space:
    if by not in ("distance", "cosine"):
        raise InputError(f"by must be 'distance' or 'cosine', not '{by}'.")
    return Space("euclidean", "none") if by == "cosine" else space


class _Matched:
    """Rows of this rank, the columns of all ranks, and which of them match.

    Attributes:
        x: (N, D).
        y: (M, D), those of all ranks.
        labels: of x and of y.
        levels: of x and of y; None where all pairs are compared.
        sizes: how many rows and columns all ranks have.
        matches_of_x: how many columns each row matches, (N,).
        matches_of_y: how many rows of all ranks each column of this rank matches.
    """

    def __init__(
        self, x: Tensor, y: Tensor, labels: Labels, gather: bool, matched: tuple[str, ...], levels: Labels = None
    ) -> None:
        check_embeddings(x=x, y=y)
        for name, rows in (("x", x), ("y", y)):
            if rows.ndim != 2:
                raise InputError(f"{name} must be (N, D), not shape {tuple(rows.shape)}.")
        check_equal_dimensions(x=x, y=y)
        own = [_sided(x, y, labels, "labels"), *([] if levels is None else [_sided(x, y, levels, "levels")])]
        self._ranked = ranks.gathers(gather)
        self.x, self.y = x, y
        self._mine = slice(0, len(y))
        self.sizes = len(x), len(y)
        everyone = own
        if self._ranked:
            of_x, of_y = ranks.counts_of(x), ranks.counts_of(y)
            before = ranks.before(of_x), ranks.before(of_y)
            if labels is None:
                own[0] = own[0][0] + before[0], own[0][1] + before[1]
            self.y = ranks.gathered(y, of_y)
            everyone = [(ranks.gathered(first, of_x), ranks.gathered(second, of_y)) for first, second in own]
            self._mine = slice(before[1], before[1] + len(y))
            self.sizes = sum(of_x), sum(of_y)
        self.labels, *masks = [(first, second) for (first, _), (_, second) in zip(own, everyone, strict=True)]
        self.levels = masks[0] if masks else None
        mine_x, mine_y, all_x, all_y = _keys([*zip(*own, strict=True), *zip(*everyone, strict=True)])
        self.matches_of_x, self.matches_of_y = _counted(mine_x, all_y), _counted(mine_y, all_x)
        for name, count in (("x", self.matches_of_x), ("y", self.matches_of_y)):
            if name in matched and readable(count) and not bool(count.all()):
                raise InputError(f"row {int((count == 0).nonzero()[0])} of {name} matches nothing: leave it out.")

    def located(self, by: By) -> tuple[Tensor, Tensor]:
        """What a space measures: unit vectors for cosines."""
        return (normalize(self.x, dim=-1), normalize(self.y, dim=-1)) if by == "cosine" else (self.x, self.y)

    def reduced(self, space: Space, by: By, scale: float | Tensor) -> Contrast:
        """Logits reduced over the rows and columns that are compared; a column that meets no row has -inf."""
        sides, squared = self.located(by), by == "cosine"
        if self.levels is None:
            return space.contrastive(*sides, scale, labels=self.labels, squared=squared)
        every = torch.cat(self.levels).unique().tolist()
        rows = [[(levels == level).nonzero().flatten() for level in every] for levels in self.levels]
        parts = []
        for at in zip(*rows, strict=True):
            (x, y), labels = ([of[i] for of, i in zip(both, at, strict=True)] for both in (sides, self.labels))
            parts.append(space.contrastive(x, y, scale, labels=(labels[0], labels[1]), squared=squared))
        orders = [torch.cat(of).argsort() for of in rows] * 2
        return Contrast(*(torch.cat(of)[order] for of, order in zip(zip(*parts, strict=True), orders, strict=True)))

    def owned(self, sums: Contrast) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What rows and columns of this rank were reduced to over the rows of all ranks, and their matches."""
        columns, matched = sums.columns, sums.matched_columns
        if self._ranked:
            one = [1] * ranks.count()
            columns = ranks.gathered(columns.unsqueeze(0), one).logsumexp(0)
            matched = ranks.gathered(matched.unsqueeze(0), one).sum(0)
        return sums.rows, columns[self._mine], sums.matched_rows, matched[self._mine]

    def whole(self, share: Tensor) -> Tensor:
        """The loss of all ranks from the share of this one."""
        return ranks.whole(share) if self._ranked else share


def _sided(x: Tensor, y: Tensor, labels: Labels, what: str) -> tuple[Tensor, Tensor]:
    if not isinstance(labels, tuple):
        if len(x) != len(y):
            raise InputError(f"x has {len(x)} rows and y {len(y)}: give {what} of both.")
        own = torch.arange(len(x), device=x.device) if labels is None else labels
        labels = own, own
    for name, of, rows in zip(("x", "y"), labels, (x, y), strict=True):
        if of.shape != rows.shape[:1] or of.is_floating_point() or of.is_complex():
            raise InputError(
                f"{what} of {name} must be {len(rows)} integers, not {of.dtype} of shape {tuple(of.shape)}."
            )
    return labels[0].long(), labels[1].long()


def _keys(sides: Sequence[tuple[Tensor, ...]]) -> Sequence[Tensor]:
    """One integer a row, equal where the labels of rows are equal, and their levels if there are any."""
    if len(sides[0]) == 1:
        return [labels for (labels,) in sides]
    rows = torch.cat([torch.stack(side) for side in sides], dim=1)
    return rows.unique(dim=1, return_inverse=True)[1].split([len(labels) for labels, _ in sides])


def _counted(labels: Tensor, among: Tensor) -> Tensor:
    """How often each label occurs among others, (N,)."""
    ordered = among.sort().values
    last, first = (torch.searchsorted(ordered, labels.contiguous(), right=right) for right in (True, False))
    return last - first
