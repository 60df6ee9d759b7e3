"""How well a taxonomy agrees with a known one: pairs of an item and an ancestor that are true.

Only items that the known taxonomy names are judged. Others may stand on the way from one judged item to another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo.datasets.wordnet import WordNet
from hiergeo.evaluation.metrics import RankCorrelation
from hiergeo.evaluation.metrics.resampling import Interval, share_interval
from hiergeo.evaluation.metrics.sharing import Sharing, families
from hiergeo.evaluation.result import Statistic
from hiergeo.search.taxonomy.growing import Taxonomy
from hiergeo.search.taxonomy.reduction import depths, pairs_among

DRAWS = 10
"""Random taxonomies that a judgement is compared with."""

ARTICLES = ("a ", "an ", "the ")


class Truth(NamedTuple):
    """What is known of some items (q,) of a taxonomy in order: all pairs (m, 2) of item and ancestor, and depths."""

    items: np.ndarray
    pairs: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True)
class Judgement:
    """Agreement of a taxonomy with a known one: scores of `judge`, their 95 % intervals, and those of random parents.

    `counts` are of judged ``items``, ``children`` (those with true ancestors) and true ``pairs``.
    """

    scores: dict[str, float]
    intervals: dict[str, Interval]
    random: dict[str, float]
    counts: dict[str, int]


def judge(taxonomy: Taxonomy, truth: Truth, *, seed: int = 0) -> Judgement:
    """Compare a taxonomy with what is known of its items.

    Scores, where "children" are the judged items with true ancestors:
        ``first``: share of children whose best candidate parent is a true ancestor, before any candidate is cut.
        ``within_K``: share of children that have one among their K candidates, K being at least 2.
        ``parent``: share of children that have one among their parents in the taxonomy.
        ``edge_precision``: share of the edges between judged items that are true pairs.
        ``precision``, ``recall``, ``f1``: of all pairs of a judged item and a judged ancestor in the taxonomy.
        ``depth``: Spearman's correlation of the depth by best parents with the known one.
        ``depth_radius``: the same of the radius.

    Intervals are over judged items, which are not independent where they share true ancestors: of shares those of
    Clopper and Pearson for as many items as have the variance of the share, of depths Student's t. A share of nothing
    is 0.

    Raises:
        InputError: no true pair, or fewer than two judged items.
    """
    if len(truth.items) < 2 or not len(truth.pairs):
        raise InputError(
            f"{len(truth.items)} items are known, with {len(truth.pairs)} true pairs among them: nothing to judge."
        )
    generator = np.random.default_rng(seed)
    radius, candidates = taxonomy.radius, taxonomy.links.parent.numpy()
    sharing = Sharing(families(truth.items, truth.pairs))
    scores = statistics(candidates, taxonomy.parent, radius, truth, sharing)
    drawn = []
    for _ in range(DRAWS):
        listed, chosen = (random_parents(table, radius, generator) for table in (candidates, taxonomy.parent))
        drawn.append(statistics(listed, chosen, radius, truth, sharing))
    return Judgement(
        {name: score.value for name, score in scores.items()},
        {name: score.interval for name, score in scores.items()},
        {name: float(np.mean([scores[name].value for scores in drawn])) for name in scores},
        {"items": len(truth.items), "children": len(np.unique(truth.pairs[:, 0])), "pairs": len(truth.pairs)},
    )


def statistics(
    candidates: np.ndarray, parent: np.ndarray, radius: np.ndarray, truth: Truth, sharing: Sharing
) -> "dict[str, _Share | Statistic]":
    """The scores of `judge`; `candidates` (n, K) and `parent` (n, k) are places, -1 where there are fewer."""
    items, n = truth.items, len(parent)
    true = _keys(truth.pairs, n)
    above = _per_item(truth.pairs[:, 0], items)
    has = (above > 0).astype(np.float64)
    listed, chosen = (_true_places(table, items, true) for table in (candidates, parent))
    judged = np.isin(parent[items], items)
    reached = pairs_among(parent, items)
    ancestors = _per_item(reached[:, 0], items)
    right = _per_item(reached[np.isin(_keys(reached, n), true), 0], items)
    depth = depths(parent[:, 0])[items]
    return {
        "first": _Share(listed[:, :1].max(axis=1), has, sharing),
        **({f"within_{listed.shape[1]}": _Share(listed.max(axis=1), has, sharing)} if listed.shape[1] > 1 else {}),
        "parent": _Share(chosen.max(axis=1), has, sharing),
        "edge_precision": _Share(chosen.sum(axis=1), judged.sum(axis=1), sharing),
        "precision": _Share(right, ancestors, sharing),
        "recall": _Share(right, above, sharing),
        "f1": _Share(2 * right, ancestors + above, sharing),
        "depth": _correlation(depth, truth.depth, sharing),
        "depth_radius": _correlation(radius[items], truth.depth, sharing),
    }


def random_parents(parent: np.ndarray, radius: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """As many parents of each item as in `parent` (n, k), drawn from the items of smaller radius, with replacement."""
    smaller = np.searchsorted(radius, radius, side="left")[:, None]
    drawn = (generator.random(parent.shape) * smaller).astype(np.int64)
    return np.where((parent >= 0) & (smaller > 0), drawn, -1)


def wordnet_truth(taxonomy: Taxonomy, wordnet: WordNet) -> Truth:
    """What WordNet knows of the items whose caption is a noun, an article before it aside, in its first sense.

    Of items of one synset the one of the smallest radius is judged.
    """
    places: dict[str, int] = {}
    for item, caption in enumerate(taxonomy.labels.captions):
        synset = f"{_noun(caption or '')}.n.01"
        if synset in wordnet.parents:
            places.setdefault(synset, item)
    return truth_of_synsets(list(places.values()), list(places), wordnet)


def truth_of_synsets(places: Sequence[int], synsets: Sequence[str], wordnet: WordNet) -> Truth:
    """What WordNet knows of items at some places, whose synsets are given; those that it does not have are left out."""
    named = sorted((item, name) for item, name in zip(places, synsets, strict=True) if name in wordnet.parents)
    items, names = np.array([item for item, _ in named], dtype=np.int64), [name for _, name in named]
    pairs = np.array(wordnet.is_a(names), dtype=np.int64).reshape(-1, 2)
    return Truth(items, items[pairs], np.array([_height(name, wordnet) for name in names], dtype=np.int64))


def _height(synset: str, wordnet: WordNet) -> int:
    """Edges up to the root of WordNet by the first hypernym of each synset."""
    edges = 0
    while wordnet.parents[synset]:
        synset, edges = wordnet.parents[synset][0], edges + 1
    return edges


def _noun(caption: str) -> str:
    text = caption.strip().rstrip(".").casefold()
    for article in ARTICLES:
        text = text.removeprefix(article)
    return "_".join(text.split())


@dataclass(frozen=True, eq=False)
class _Share:
    """A share over judged items: sums of what they add above and below, both (q,)."""

    part: np.ndarray
    whole: np.ndarray
    sharing: Sharing

    @property
    def value(self) -> float:
        return float(self.part.sum() / max(self.whole.sum(), 1.0))

    @property
    def interval(self) -> Interval:
        deviations = len(self.part) * (self.part - self.value * self.whole) / max(self.whole.sum(), 1.0)
        fewer = self.sharing.widening(deviations) ** 2
        if not deviations.any():
            fewer = np.count_nonzero(self.whole) / self.sharing.effective
        return share_interval(self.part, self.whole, fewer=fewer)


def _correlation(first: np.ndarray, second: np.ndarray, sharing: Sharing) -> Statistic:
    ranked = RankCorrelation(first, second)
    return Statistic(ranked.rows, ranked.rho, sharing=sharing, influence=ranked.influence)


def _keys(pairs: np.ndarray, n: int) -> np.ndarray:
    return pairs[:, 0] * n + pairs[:, 1]


def _per_item(children: np.ndarray, items: np.ndarray) -> np.ndarray:
    """How many pairs each judged item has, (q,)."""
    return np.bincount(np.searchsorted(items, children), minlength=len(items))


def _true_places(table: np.ndarray, items: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Which entries of the rows of judged items are true ancestors, (q, k) bool."""
    rows = table[items]
    return (rows >= 0) & np.isin(items[:, None] * len(table) + rows, true)
