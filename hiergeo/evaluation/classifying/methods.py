"""Ways to classify into a tree: how sure a label is of an item, and the one path that an item takes.

The score of a label at an item is -d^2 / 2 with d their geodesic distance, in Euclidean space of unit embeddings the
cosine less one; T is the temperature.

    flat       softmax of scores / T over the leaves; a label has the sum of the leaves below it
    top-down   softmax of scores / T over the children of a label, times what the label itself has
    level      softmax of scores / T over the labels of one level
    distance   softmax of scores / T over all labels, inner ones too; a label has the sum of itself and all below it
    cone       the same with the margins of the labels' cones over the item, radians, as scores
    ladder     the share of radii, evenly spread over those of the labels, at which the nearest label within the radius
               is the label or one below it; without a temperature

The path of an item goes from the root to the child of which it is most sure, down to a leaf. Confidences never rise
on the way down: each is the least of those so far. They are kept as log-odds, log p / (1 - p), with 1 - p summed over
the labels beside the path: confidences that are rounded to 1 still differ, up to 1 - 1e-12 where labels have several
parents.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias, final, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.errors import check_positive, unknown_name
from hiergeo._core.numerics import wide
from hiergeo.adapters import Model
from hiergeo.datasets.labels.label_tree import LabelTree
from hiergeo.evaluation.classification import averaging_of
from hiergeo.evaluation.embedded import Compute
from hiergeo.geometry import Points, Space

Method: TypeAlias = Literal["flat", "top-down", "level", "distance", "cone", "ladder"]
METHODS: tuple[Method, ...] = get_args(Method)

TEMPERATURE = 0.05
"""Default temperature, with which no confidence is calibrated."""

STEPS = 50
"""Radii of the ladder."""


class Paths(NamedTuple):
    """One path an item: labels (n, levels) int64, -1 behind a leaf, and log-odds (n, levels), which never rise."""

    label: Tensor
    odds: Tensor


def check_method(method: str, temperature: float) -> None:
    """Raise InputError for an unknown method or a temperature that is not above 0."""
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    check_positive("temperature", temperature)


@final
@dataclass(frozen=True, eq=False)
class LabelPoints:
    """The labels of a tree as points (N,) of a space around its root, and as embeddings, `rows` (N, D)."""

    tree: LabelTree
    space: Space
    points: Points
    rows: Tensor

    @classmethod
    def of(cls, tree: LabelTree, space: Space, rows: Tensor) -> "LabelPoints":
        """Labels by their embeddings."""
        return cls(tree, space, space.points(rows), rows)

    @property
    def device(self) -> torch.device:
        """Where the points are."""
        return self.points.factors[0].direction.device

    def _on(self, numbers: np.ndarray) -> Tensor:
        return torch.from_numpy(numbers).to(self.device)

    @cached_property
    def _closure(self) -> tuple[Tensor, Tensor]:
        """Every pair of a label and itself or one below it, (P,) each, ordered by the first; dense on every device."""
        pairs = sorted((label, at) for at, above in enumerate(self.tree.above) for label in {*above, at})
        label, below = torch.tensor(pairs).T.contiguous()
        return label.to(self.device), below.to(self.device)

    def measure(self, items: Tensor, method: Method) -> Tensor:
        """Scores of each label at each item, (n, N); radians for cones, shares of radii for the ladder."""
        space = self.space
        if method == "cone":
            return space.pairwise_margin(self.points, space.points(items)).T
        if method != "ladder":
            return -0.5 * space.pairwise_distance(space.points(items), self.points).square()
        steps = space.ladder(space.points(items), self.points, STEPS)
        share = torch.zeros(len(items), len(self.tree) + 1, dtype=items.dtype, device=items.device)
        return share.scatter_add_(1, steps + 1, torch.full_like(steps, 1, dtype=items.dtype) / STEPS)[:, 1:]

    def confidences(self, scores: Tensor, method: Method, temperature: float = TEMPERATURE) -> tuple[Tensor, Tensor]:
        """How sure each label is of each item, (n, N) in [0, 1], from what `measure` gives for the method.

        Beside it is what of that is at none of the labels below, (n, N).
        """
        logits, leaves = wide(scores) / temperature, self._on(self.tree.leaves)
        own = torch.zeros_like(logits)
        if method == "level":
            return grouped_softmax(logits, self._on(self.tree.levels)), own
        if method == "top-down":
            return self._top_down(logits), own
        if method == "flat":
            own[:, leaves] = logits[:, leaves].softmax(1)
        else:
            own = wide(scores) if method == "ladder" else logits.softmax(1)
        return self.summed(own), own

    def _top_down(self, logits: Tensor) -> Tensor:
        parent, child = map(self._on, self.tree.edges)
        share = grouped_softmax(logits[:, child], parent)
        sure = logits.new_zeros(len(logits), len(self.tree) + 1)
        sure[:, self.tree.start] = 1.0
        depth = self._on(self.tree.longest)[child]
        for level in range(1, self.tree.depth + 1):
            at = (depth == level).nonzero()[:, 0]
            sure.index_add_(1, child[at], sure[:, parent[at]] * share[:, at])
        return sure[:, : len(self.tree)]

    def summed(self, mass: Tensor) -> Tensor:
        """What lies at a label or below it, (n, N), of what lies at each, (n, N); once where two ways lead there."""
        label, below = self._closure
        return torch.zeros_like(mass.T).index_add_(0, label, mass.T[below]).T

    def walk(self, scores: Tensor, method: Method, temperature: float = TEMPERATURE) -> Paths:
        """The path of each item: from the root always to the child of the largest confidence; ties go first."""
        sure, own = self.confidences(scores, method, temperature)
        (parent, child), level, size = map(self._on, self.tree.edges), self._on(self.tree.levels), len(self.tree)
        begin = torch.searchsorted(parent, torch.arange(size + 3, device=parent.device))
        at = torch.full((len(sure),), self.tree.start, device=sure.device)
        against, labels, odds = sure.new_zeros(len(sure)), [], []
        for depth in range(1, self.tree.depth + 1):
            first, count = begin[at], begin[at + 1] - begin[at]
            behind = torch.arange(max(1, int(count.max())), device=sure.device)
            label = child[(first[:, None] + behind).clamp_max(len(child) - 1)]
            values = sure.gather(1, label).masked_fill_(behind >= count[:, None], 0.0)
            confidence, best = values.max(1)
            against += values.scatter(1, best[:, None], 0.0).sum(1)
            against += own.gather(1, at.clamp_max(size - 1)[:, None])[:, 0] * (at < size)
            at = torch.where(count > 0, label.gather(1, best[:, None])[:, 0], size + 1)
            if method == "level":
                there = at.clamp_max(size - 1)[:, None]
                against = (sure * (level == level[there])).scatter(1, there, 0.0).sum(1)
            # Where two ways lead to a label, what speaks against it is less than what the other ways have.
            against = torch.minimum(against, 1 - confidence + 16 * torch.finfo(sure.dtype).eps)
            labels.append(torch.where(count > 0, at, -1))
            # Where nothing speaks against several labels of a path, the deeper one is the less sure.
            odds.append(confidence.log() - against.clamp_min(depth * torch.finfo(sure.dtype).tiny).log())
        return Paths(torch.stack(labels, 1), torch.stack(odds, 1).cummin(1).values)

    def consistent(self, sure: Tensor) -> Tensor:
        """Whether the surest label of each level (n, N) leads on to that of the next, (n,) bool, down to a leaf."""
        levels = self.tree.levels
        members = [self._on(np.flatnonzero(levels == level)) for level in range(1, levels.max() + 1)]
        best = torch.stack([labels[sure[:, labels].argmax(1)] for labels in members], 1)
        parent, child = map(self._on, self.tree.edges)
        size = len(self.tree) + 1
        linked = torch.isin(best[:, :-1] * size + best[:, 1:], parent * size + child)
        ended = torch.isin(best[:, :-1], self._on(self.tree.leaves)).cummax(1).values
        return (linked | ended).all(1)


def grouped_softmax(logits: Tensor, group: Tensor) -> Tensor:
    """The softmax (n, M) of logits (n, M) within each group; groups (M,) int64 from 0."""
    size, where = (len(logits), int(group.max()) + 1), group.expand(len(logits), -1)
    largest = logits.new_full(size, -torch.inf).scatter_reduce_(1, where, logits, "amax")
    powers = (logits - largest[:, group]).exp()
    return powers / logits.new_zeros(size).scatter_add_(1, where, powers)[:, group]


def embed_tree(
    model: Model, space: Space, tree: LabelTree, templates: Sequence[str], compute: Compute, *, progress: bool = False
) -> LabelPoints:
    """The labels as points: the texts of a label (`LabelTree.texts`) are averaged as `AVERAGING` says for the model.

    Raises:
        InputError: texts that the model cannot embed.
    """
    texts = tree.texts(templates)
    flat = [text for of in texts for text in of]
    distinct = list(dict.fromkeys(flat))
    model.check_texts(distinct)
    rows = model.encode_text(distinct, **compute.keywords, progress=progress)
    at = {text: row for row, text in enumerate(distinct)}
    owner = torch.tensor([label for label, of in enumerate(texts) for _ in of]).to(rows.device)
    parts = rows.float()[torch.tensor([at[text] for text in flat]).to(rows.device)]
    unit = averaging_of(model) == "normalised"
    sums = torch.zeros(len(tree), rows.shape[1], device=rows.device)
    sums.index_add_(0, owner, normalize(parts, dim=1) if unit else parts)
    mean = normalize(sums, dim=1) if unit else sums / torch.bincount(owner)[:, None]
    rooted = space.rooted(model.root(rows.device, rows.dtype))
    return LabelPoints.of(tree, rooted, mean.to(rows.dtype))
