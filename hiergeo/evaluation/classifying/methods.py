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
the labels that speak against: confidences that float32 rounds to 1 still differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias, final, get_args

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.errors import InputError, check_positive, unknown_name
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

NEAR = 1e-3
"""Confidences nearer to 1 have their doubt summed on its own."""

Kind: TypeAlias = Literal["distance", "cone", "ladder"]
"""Which pairs a method measures."""


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
    """The labels of a tree as points of a space.

    Attributes:
        tree: the labels.
        space: a space around its root.
        points: a point for each label, (N,).
    """

    tree: LabelTree
    space: Space
    points: Points

    @property
    def device(self) -> torch.device:
        """Where the points are."""
        return self.points.factors[0].direction.device

    @cached_property
    def _edges(self) -> tuple[Tensor, Tensor]:
        parent, child = self.tree.edges
        return torch.from_numpy(parent).to(self.device), torch.from_numpy(child).to(self.device)

    @cached_property
    def _leaves(self) -> Tensor:
        return torch.from_numpy(self.tree.leaves).to(self.device)

    @cached_property
    def _levels(self) -> Tensor:
        return torch.from_numpy(self.tree.levels).to(self.device)

    @cached_property
    def _closure(self) -> Tensor:
        """(N, N) sparse: 1 where the column is the label of the row or below it."""
        above = [sorted({*of, at}) for at, of in enumerate(self.tree.above)]
        rows = torch.tensor([label for of in above for label in of])
        columns = torch.tensor([at for at, of in enumerate(above) for _ in of])
        size = len(self.tree)
        whole = torch.sparse_coo_tensor(
            torch.stack((rows, columns)), torch.ones(len(rows)), (size, size), check_invariants=True
        )
        return whole.coalesce().to(self.device)

    def measure(self, items: Tensor, kind: Kind) -> Tensor:
        """Scores of each label at each item, (n, N); radians for cones, shares of radii for the ladder."""
        space = self.space
        if kind == "distance":
            return -0.5 * space.pairwise_distance(space.points(items), self.points).square()
        if kind == "cone":
            return space.pairwise_margin(self.points, space.points(items)).T
        steps = space.ladder(space.points(items), self.points, STEPS)
        share = torch.zeros(len(items), len(self.tree) + 1, dtype=items.dtype, device=items.device)
        return share.scatter_add_(1, steps + 1, torch.full_like(steps, 1, dtype=items.dtype) / STEPS)[:, 1:]

    def confidences(self, scores: Tensor, method: Method, temperature: float = TEMPERATURE) -> tuple[Tensor, Tensor]:
        """How sure each label is of each item, (n, N) in [0, 1], from `measure` of the kind that the method needs.

        Beside it is the log of what each label has on its own, (n, N): its softmax or its share of the ladder.
        """
        logits = scores / temperature
        if method == "ladder":
            own = scores.log()
        elif method in ("distance", "cone"):
            own = logits.log_softmax(1)
        elif method == "level":
            own = grouped_log_softmax(logits, self._levels)
            return own.exp(), own
        else:
            own = torch.full_like(logits, -torch.inf)
            if method == "flat":
                own[:, self._leaves] = logits[:, self._leaves].log_softmax(1)
            else:
                sure = self._top_down(logits)
                own[:, self._leaves] = sure[:, self._leaves]
                return sure.exp(), own
        return self.summed(own.exp()), own

    def _top_down(self, logits: Tensor) -> Tensor:
        parent, child = self._edges
        share = grouped_log_softmax(logits[:, child], parent)
        sure = logits.new_full((len(logits), len(self.tree) + 1), -torch.inf)
        sure[:, self.tree.start] = 0.0
        depth = torch.from_numpy(self.tree.longest).to(self.device)[child]
        for level in range(1, self.tree.depth + 1):
            at = (depth == level).nonzero()[:, 0]
            largest, sums = _grouped(sure[:, parent[at]] + share[:, at], child[at], len(self.tree) + 1)
            sure = torch.maximum(sure, largest + sums)
        return sure[:, : len(self.tree)]

    def summed(self, mass: Tensor) -> Tensor:
        """What lies at a label or below it, (n, N), of what lies at each, (n, N); once where two ways lead there."""
        return torch.sparse.mm(self._closure.to(mass.dtype), mass.T).T

    def walk(self, scores: Tensor, method: Method, temperature: float = TEMPERATURE) -> Paths:
        """The path of each item: from the root always to the child of the largest confidence; ties go first."""
        sure, own = self.confidences(scores, method, temperature)
        parent, child = self._edges
        ended = len(self.tree) + 1
        begin = torch.searchsorted(parent, torch.arange(ended + 2, device=parent.device))
        at = torch.full((len(sure),), self.tree.start, device=sure.device)
        labels, odds = [], []
        for _ in range(self.tree.depth):
            first, count = begin[at], begin[at + 1] - begin[at]
            behind = torch.arange(max(1, int(count.max())), device=sure.device)
            label = child[(first[:, None] + behind).clamp_max(len(child) - 1)]
            values = sure.gather(1, label).masked_fill_(behind >= count[:, None], -1.0)
            confidence, best = values.max(1)
            at = torch.where(count > 0, label.gather(1, best[:, None])[:, 0], ended)
            labels.append(torch.where(count > 0, at, -1))
            doubt = (1 - confidence).log()
            near = (confidence > 1 - NEAR).nonzero()[:, 0]
            if len(near):
                rounding = 16 * torch.finfo(sure.dtype).eps
                most = (1 - rounding - confidence[near]).clamp_min(0).log()  # where two ways lead down, own says less
                doubt[near] = torch.maximum(self._against(own[near], at[near], method), most)
            odds.append(confidence.clamp(0, 1).log() - doubt)
        return Paths(torch.stack(labels, 1), torch.stack(odds, 1).cummin(1).values)

    def _against(self, own: Tensor, label: Tensor, method: Method) -> Tensor:
        """The log of what lies at labels that are neither one label an item (n,) nor below it, (n,)."""
        out = self._closure.index_select(0, label).to_dense() > 0
        if method == "level":
            out |= self._levels != self._levels[label][:, None]
        return own.masked_fill(out, -torch.inf).logsumexp(1)

    def best_by_level(self, sure: Tensor) -> Tensor:
        """The surest label of each level, (n, levels) int64, whether or not they are one path."""
        best = []
        for level in range(1, int(self.tree.levels.max()) + 1):
            labels = (self._levels == level).nonzero()[:, 0]
            best.append(labels[sure[:, labels].argmax(1)])
        return torch.stack(best, 1)


def kind_of(method: Method) -> Kind:
    """What a method measures."""
    return method if method in ("cone", "ladder") else "distance"


def grouped_log_softmax(logits: Tensor, group: Tensor) -> Tensor:
    """Log of the softmax (n, M) of logits (n, M) within each group; groups (M,) int64 from 0."""
    largest, sums = _grouped(logits, group, int(group.max()) + 1)
    return logits - largest[:, group] - sums[:, group]


def _grouped(logits: Tensor, group: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest of each group and the log of the sum of powers over it, (n, count) each; -inf without members."""
    size, where = (len(logits), count), group.expand(len(logits), -1)
    largest = logits.new_full(size, -torch.inf).scatter_reduce_(1, where, logits, "amax")
    powers = (logits - largest.clamp_min(torch.finfo(logits.dtype).min)[:, group]).exp()
    return largest, torch.zeros_like(largest).scatter_add_(1, where, powers).log()


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
    owner = torch.tensor([label for label, of in enumerate(texts) for _ in of], device=rows.device)
    parts = rows.float()[[at[text] for text in flat]]
    unit = averaging_of(model) == "normalised"
    sums = torch.zeros(len(tree), rows.shape[1], device=rows.device)
    sums.index_add_(0, owner, normalize(parts, dim=1) if unit else parts)
    mean = normalize(sums, dim=1) if unit else sums / torch.bincount(owner)[:, None]
    rooted = space.rooted(model.root(rows.device, rows.dtype))
    return LabelPoints(tree, rooted, rooted.points(mean.to(rows.dtype)))


def points_of(tree: LabelTree, space: Space, rows: Tensor) -> LabelPoints:
    """Labels whose embeddings (N, D) are at hand, in a space around its root."""
    if len(rows) != len(tree):
        raise InputError(f"there are {len(rows)} embeddings and {len(tree)} labels: give one for each label.")
    return LabelPoints(tree, space, space.points(rows))
