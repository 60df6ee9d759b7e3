"""How well the cone margin tells a caption's child from another caption, before and after training, as ROC curves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hiergeo.evaluation.embedded import Embedded
from hiergeo.geometry import Space, parse
from hiergeo.metrics import Ranking, Roc
from hiergeo.report.chart import WIDTH, Chart, Line, draw
from hiergeo.report.study.curves import series
from hiergeo.report.study.heads import Shown
from hiergeo.study import Study
from hiergeo.study.bench import beyond_the_equator

POINTS = 240
"""Points of a curve that are drawn at most."""


@dataclass(frozen=True)
class Curves:
    """ROC curves of every geometry.

    Attributes:
        chart: all of them.
        areas: geometry -> AUROC before and after.
        contradicting: whether the false pairs are those of the data; otherwise they are made at random.
        pairs: true pairs, and as many false ones.
    """

    chart: Chart
    areas: dict[str, tuple[float, float]]
    contradicting: bool
    pairs: int


def roc_curves(study: Study, heads: Sequence[Shown], seed: int) -> Curves:
    """The curves of (caption, its child) against (caption, a caption that contradicts it), all tiers together.

    Where the rows of the data have no contradicting captions, the child of another row, drawn at random, stands in.
    """
    frozen, lines, areas = study.frozen, [], {}
    other = derangement(len(frozen.hierarchy.rows), seed)
    for place, head in enumerate(heads):
        spec = head.cell.geometry
        rankings = _ranking(frozen, unheaded(study, spec), other), _ranking(head.embedded, head.space, other)
        areas[spec] = rankings[0].auroc(), rankings[1].auroc()
        kinds = zip(("before", "mean"), rankings, strict=True)
        lines += [_line(ranking.roc(), f"curve {kind} {series(place)}") for kind, ranking in kinds]
    unit = (0.0, 1.0)
    chance = Line("chance", np.array(unit), np.array(unit))
    chart = draw("true pairs accepted", "false pairs accepted", [chance, *lines], spans=(unit, unit), height=WIDTH)
    return Curves(chart, areas, frozen.negative is not None, int(frozen.chains[:, 1:].numel()))


def unheaded(study: Study, spec: str) -> Space:
    """The space that the frozen model was measured in for a geometry."""
    return Space(parse(study.before[spec].geometry), study.frozen.root)


def derangement(count: int, seed: int) -> Tensor:
    """A permutation of `count` >= 2 rows that leaves none in its place."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    other = torch.empty(count, dtype=torch.long)
    other[order] = order.roll(1)
    return other


@beyond_the_equator()
@torch.no_grad()
def _ranking(embedded: Embedded, space: Space, other: Tensor) -> Ranking:
    parent, child = embedded.positive[:, :-1], embedded.positive[:, 1:]
    wrong = child[other] if embedded.negative is None else embedded.negative[:, :-1]
    return Ranking(*(space.margin(parent, each).numpy() for each in (child, wrong)))


def _line(roc: Roc, css: str) -> Line:
    kept = np.unique(np.linspace(0, len(roc.true_positive_rate) - 1, POINTS).round().astype(int))
    return Line(css, *(rate[kept] for rate in roc))
