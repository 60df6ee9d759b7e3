"""How well items are classified into a taxonomy: level by level, whole paths, and sets of labels.

Items are paths of names from the top down, or labels of a tree, which may have several parents. With P and T the labels
of a predicted and a true path (of a label: itself and all above it, without the root), and levels counted from 1:

    level_L       share of the items whose true path has a level L for which the prediction has it there
    full_path     share of items predicted without any mistake
    nlca          mean of (levels of the path until it leaves the true one) / (levels of the true path)
    inconsistent  share of predicted paths with a label that is not below the one before it
    hp, hr, hf    sum |P & T| / sum |P|, sum |P & T| / sum |T|, and their harmonic mean

Of labels there are also `tie`, `lca`, `jaccard`, `h_precision` and `h_recall`, which are those of
`hiergeo.evaluation.metrics.trees` where every label has one parent. With several, `tie` is the shortest way over a
label that is above both, or the root.

Source: Kiritchenko et al., Functional annotation of genes using hierarchical text categorization (2005), hp, hr, hf.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics.registry import declare, share
from hiergeo.evaluation.metrics.trees import TREE_METRICS

LEVELS = declare(*(share(f"level_{at}", f"level {at}", unit="images", discrete=True) for at in range(1, 33)))
"""Accuracies by level."""

PATH_METRICS = declare(
    share("full_path", "full path", unit="images", discrete=True),
    share("nlca", "nLCA", unit="images"),
    share("inconsistent", "inconsistent paths", higher_is_better=False, unit="images", discrete=True),
)

SET_METRICS = declare(
    share("hp", "hP", unit="images"), share("hr", "hR", unit="images"), share("hf", "hF", unit="images")
)
"""Hierarchical precision, recall and F1, micro-averaged over items."""


@final
@dataclass(frozen=True)
class TaxonomyItems:
    """The scores of each of n items.

    Attributes:
        values: metric -> (n,) float64, NaN where the true path does not reach a level; means are the metrics.
        common: (n,) sizes of P & T, for `SET_METRICS`.
        predicted: (n,) sizes of P.
        true: (n,) sizes of T.
    """

    values: dict[str, np.ndarray]
    common: np.ndarray
    predicted: np.ndarray
    true: np.ndarray

    def sets(self, counts: np.ndarray | float = 1.0) -> dict[str, float]:
        """hP, hR and hF of items that count so often, (n,)."""
        common, predicted, true = (float((counts * of).sum()) for of in (self.common, self.predicted, self.true))
        precision, recall = common / predicted if predicted else 0.0, common / true if true else 0.0
        both = precision + recall
        return dict(zip(SET_METRICS, (precision, recall, 2 * precision * recall / both if both else 0.0), strict=True))


def taxonomy_scores(true: Iterable[Any], predicted: Iterable[Any], tree: Any = None) -> dict[str, float]:
    """Scores of items classified into a taxonomy: see this module.

    Args:
        true: n paths, sequences of names from the top down; or n labels of the tree.
        predicted: n of the same kind. Paths may be shorter than the true ones, or end in None or "".
        tree: what `hiergeo.datasets.labels.load_tree` takes, such as pairs (child, parent). It is needed for labels; of
            paths it says which steps exist, otherwise those of the true paths do.

    Returns:
        ``level_1``, ``level_2``, ..., ``full_path``, ``nlca``, ``inconsistent``, ``hp``, ``hr``, ``hf``, in [0, 1]; of
        labels ``tie``, ``lca``, ``jaccard``, ``h_precision`` and ``h_recall`` too.

    Raises:
        InputError: no items, counts that differ, labels that are not in the tree, or labels without a tree.
    """
    scored = taxonomy_items(true, predicted, tree)
    means = {name: float(np.nanmean(values)) for name, values in scored.values.items()}
    return {**{n: means[n] for n in means if n not in TREE_METRICS}, **scored.sets(), **means}


def taxonomy_items(true: Iterable[Any], predicted: Iterable[Any], tree: Any = None) -> TaxonomyItems:
    """The scores of each item; arguments and errors as for `taxonomy_scores`."""
    from hiergeo.datasets.labels import load_tree

    truth, guesses = list(true), list(predicted)
    if len(truth) != len(guesses) or not truth:
        raise InputError(f"there are {len(truth)} true and {len(guesses)} predicted items: give one or more of both.")
    labels = None if tree is None else load_tree(tree)
    if all(isinstance(path, Sequence) and not isinstance(path, str) for path in (*truth, *guesses)):
        steps = None
        if labels is not None:
            pairs = ((p, at) for at, parents in enumerate(labels.parents) for p in parents)
            steps = {(labels.names[above], labels.names[below]) for above, below in pairs}
        return _of_paths(list(map(_path, truth)), list(map(_path, guesses)), steps)
    if labels is None:
        raise InputError("items that are no paths are labels of a tree: give the tree.")
    return of_labels(labels, labels.numbers(truth), labels.numbers(guesses, "the predictions"))


def _path(names: Sequence[Hashable]) -> tuple[Hashable, ...]:
    """A path without what follows its last label."""
    own = tuple(names)
    return own[: next((at for at, name in enumerate(own) if name in (None, "")), len(own))]


def _of_paths(
    true: list[tuple[Hashable, ...]], predicted: list[tuple[Hashable, ...]], steps: set[Any] | None
) -> TaxonomyItems:
    if not all(true):
        raise InputError(f"the true path of item {true.index(())} (the first is 0) is empty.")
    edges = {step for path in true for step in pairwise(path)} if steps is None else steps
    values: dict[str, list[float]] = {name: [] for name in (*LEVELS[: max(map(len, true))], *PATH_METRICS)}
    common = []
    for t, p in zip(true, predicted, strict=True):
        same = [at < len(p) and p[at] == name for at, name in enumerate(t)]
        for at, name in enumerate(list(values)[: -len(PATH_METRICS)]):
            values[name].append(float(same[at]) if at < len(t) else np.nan)
        values["full_path"].append(float(t == p))
        values["nlca"].append((*same, False).index(False) / len(t))
        values["inconsistent"].append(float(any(step not in edges for step in pairwise(p))))
        common.append(sum(same))
    arrays = {name: np.array(of) for name, of in values.items()}
    return TaxonomyItems(arrays, np.array(common), np.array(list(map(len, predicted))), np.array(list(map(len, true))))


def of_labels(tree: Any, true: np.ndarray, predicted: np.ndarray) -> TaxonomyItems:
    """Scores of labels of a `LabelTree`, given by number (n,); -1 predicts the root, which is no label."""
    pairs, which = np.unique(np.stack((true, predicted)), axis=1, return_inverse=True)
    rows = [_pair(tree, int(t), int(p)) for t, p in pairs.T]
    table = {name: np.array([row[name] for row in rows], dtype=np.float64)[which.reshape(-1)] for name in rows[0]}
    sizes = [table.pop(name) for name in ("common", "predicted", "true")]
    deepest = int(tree.levels[np.unique(true)].max())
    return TaxonomyItems({n: v for n, v in table.items() if n not in LEVELS[deepest:]}, *sizes)


def _pair(tree: Any, t: int, p: int) -> dict[str, float]:
    p = tree.start if p < 0 else p
    own, other = tree.above[t], tree.above[p] if p < len(tree) else frozenset()
    levels, common = tree.levels, own & other
    shared, reached = {int(levels[at]) for at in common}, {int(levels[at]) for at in own}
    row = {name: float(at in shared) if at in reached else np.nan for at, name in enumerate(LEVELS[: tree.depth], 1)}
    deep = int(levels[t])
    row |= {"full_path": float(t == p), "nlca": max(shared, default=0) / deep if deep else float(t == p)}
    row |= {"inconsistent": 0.0, "common": len(common), "predicted": len(other), "true": len(own)}
    up, down = _steps_up(tree, p), _steps_up(tree, t)
    tie = min(steps + down[at] for at, steps in up.items() if at in down)
    over, under = set(up) - {p, len(tree)}, set(down) - {t, len(tree)}
    both, same = len(over & under), float(t == p)

    def part(of: int) -> float:
        return both / of if of else same

    ties = (tie, len(over) - both + 1, part(len(over | under)), part(len(over)), part(len(under)))
    return row | dict(zip(TREE_METRICS, map(float, ties), strict=True))


def _steps_up(tree: Any, label: int) -> dict[int, int]:
    """Every label above one, itself and the root -> how many edges it is away at least."""
    steps, todo = {label: 0}, [label]
    while todo:
        at = todo.pop(0)
        for above in (tree.parents[at] or (tree.start,)) if at < len(tree) else ():
            if above not in steps:
                steps[above] = steps[at] + 1
                todo.append(above)
    return steps
