"""How far apart two classes of a tree are: the metrics of hierarchical classification.

With A(x) the ancestors of a class x, without x and with the root, p the predicted class and t the true one:

    tie          number of edges between p and t
    lca          |A(p)| - |A(p) & A(t)| + 1: how many levels above p their lowest common ancestor is; 1 where p = t
    jaccard      |A(p) & A(t)| / |A(p) | A(t)|
    h_precision  |A(p) & A(t)| / |A(p)|
    h_recall     |A(p) & A(t)| / |A(t)|

The root has no ancestors: a fraction of nothing is 1 where p = t and 0 otherwise.

Source: the evaluation of HyCoCLIP (Pal et al., ICLR 2025), which measures ImageNet predictions so.
"""

import math
from collections.abc import Hashable, Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, final

import numpy as np

from hiergeo._core.errors import InputError, reason
from hiergeo._core.text import few
from hiergeo.evaluation.metrics.registry import Metric, declare, share

TREE_METRICS = declare(
    Metric("tie", "TIE", False, unit="images", bounds=(0.0, math.inf), measures="edges of the tree"),
    Metric("lca", "LCA", False, unit="images", bounds=(1.0, math.inf), measures="edges of the tree"),
    share("jaccard", "Jaccard", unit="images"),
    share("h_precision", "H-P", unit="images"),
    share("h_recall", "H-R", unit="images"),
)
"""The metrics of `tree_scores`. Of `tie` and `lca` less is better."""


@final
class Tree:
    """A rooted tree of named nodes.

    Args:
        edges: pairs (child, parent) of names, which can be anything hashable; an edge may be repeated.

    Attributes:
        nodes: the names, in order of first appearance.
        root: the name of the root.

    Raises:
        InputError: no edges, something that is not a pair, a node with two parents, a cycle, or several
            roots; names them.
    """

    def __init__(self, edges: Iterable[Any]) -> None:
        parent_of = _parents(edges)
        self.nodes: tuple[Hashable, ...] = tuple(dict.fromkeys([*parent_of, *parent_of.values()]))
        self._index = {node: index for index, node in enumerate(self.nodes)}
        roots = [node for node in self.nodes if node not in parent_of]
        if len(roots) > 1:
            raise InputError(f"a tree has one root, and this one has {len(roots)}: {quoted_names(roots)}.")
        try:
            downwards = tuple(TopologicalSorter({node: {above} for node, above in parent_of.items()}).static_order())
        except CycleError as error:
            raise InputError(f"the tree has a cycle: {quoted_names(error.args[1][:1])} is its own ancestor.") from error
        self.root = roots[0]
        self._parent = np.array([self._index[parent_of.get(node, node)] for node in self.nodes])
        self._depth = np.zeros(len(self.nodes), dtype=np.int64)
        for node in map(self._index.__getitem__, downwards[1:]):
            self._depth[node] = self._depth[self._parent[node]] + 1

    def positions(self, classes: Iterable[Hashable]) -> np.ndarray:
        """Positions in `nodes`, (n,) int64. Raises InputError for classes that are not in the tree; names them."""
        try:
            names = [_plain(name) for name in _plain(classes)]
            missing = [name for name in dict.fromkeys(names) if name not in self._index]
        except TypeError as error:
            raise InputError(f"classes must be names, one an item: {reason(error)}.") from error
        if missing:
            raise InputError(f"{len(missing)} classes are not in the tree: {quoted_names(missing)}.")
        return np.array([self._index[name] for name in names], dtype=np.int64)

    def compare(self, predicted: Iterable[Hashable], true: Iterable[Hashable]) -> dict[str, np.ndarray]:
        """The metrics of each item, name -> (n,) float64, names as in `TREE_METRICS`.

        Raises:
            InputError: no items, predicted and true classes of different number, or classes that are not in the tree.
        """
        indices = self.positions(predicted), self.positions(true)
        if len(indices[0]) != len(indices[1]):
            raise InputError(f"there are {len(indices[0])} predicted and {len(indices[1])} true classes.")
        if not len(indices[0]):
            raise InputError("there are no predictions to score: predicted and true are empty.")
        distinct, which = np.unique(np.stack(indices), axis=1, return_inverse=True)
        return {name: values[which.reshape(-1)] for name, values in self.between(*distinct).items()}

    def between(self, p: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
        """The same of positions in `nodes`, both (n,) int64."""
        above, below, met = self._depth[p], self._depth[t], self._depth[self._meeting(p, t)]
        common = np.minimum(met + 1, np.minimum(above, below)).astype(np.float64)
        same = (p == t).astype(np.float64)

        def share(of: np.ndarray) -> np.ndarray:
            return np.divide(common, of, out=same.copy(), where=of > 0)

        return {
            "tie": (above + below - 2 * met).astype(np.float64),
            "lca": above - common + 1,
            "jaccard": share(above + below - common),
            "h_precision": share(above),
            "h_recall": share(below),
        }

    def _meeting(self, p: np.ndarray, t: np.ndarray) -> np.ndarray:
        """The lowest nodes that are above both or equal to one of them: the deeper one climbs until they meet."""
        while (apart := p != t).any():
            ahead = self._depth[p] - self._depth[t]
            p, t = (np.where(apart & (lead >= 0), self._parent[side], side) for side, lead in ((p, ahead), (t, -ahead)))
        return p


def tree_scores(
    predicted: Iterable[Hashable], true: Iterable[Hashable], edges: Tree | Iterable[Any]
) -> dict[str, float]:
    """How far predictions miss in a tree: the means over items of the metrics of this module.

    Args:
        predicted: n classes, nodes of the tree.
        true: n classes.
        edges: pairs (child, parent), or a tree made of them.

    Returns:
        ``tie``, ``lca`` (both smaller is better), ``jaccard``, ``h_precision`` and ``h_recall`` in [0, 1].

    Raises:
        InputError: edges that are not a tree, classes that are not in it, no items, or as many as differ.
    """
    tree = edges if isinstance(edges, Tree) else Tree(edges)
    return {name: float(values.mean()) for name, values in tree.compare(predicted, true).items()}


def _parents(edges: Iterable[Any]) -> dict[Hashable, Hashable]:
    """Child -> parent."""
    try:
        pairs = [(_plain(child), _plain(parent)) for child, parent in map(_pair, _plain(edges))]
        parent_of: dict[Hashable, Hashable] = {}
        for child, parent in pairs:
            if parent_of.setdefault(child, parent) != parent:
                both = quoted_names([parent_of[child], parent])
                raise InputError(f"the node {quoted_names([child])} has two parents in the tree, {both}.")
        hash(tuple(parent_of.values()))
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"the edges of a tree must be pairs (child, parent) of names: {reason(error)}.") from error
    if not parent_of:
        raise InputError("the tree has no edges: give pairs (child, parent).")
    return parent_of


def _pair(edge: Any) -> Any:
    if isinstance(edge, str):
        raise TypeError("a text is not a pair")
    return _plain(edge)


def _plain(value: Any) -> Any:
    """Arrays and tensors as lists, their items as those of Python; everything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def quoted_names(nodes: Sequence[Hashable]) -> str:
    """The first nodes in quotation marks, and how many more there are."""
    return few([f"'{node}'" for node in nodes], 5)
