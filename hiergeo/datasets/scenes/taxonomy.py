"""The shapes of scenes as a small taxonomy: a tree, and word pairs with graded answers to "is X a type of Y?"."""

from hiergeo.datasets.hyperlex import WordPair
from hiergeo.datasets.scenes.world import FAMILIES, FAMILY_OF, KINDS
from hiergeo.datasets.scenes.world import with_article as named

ROOT = "shape"


def family(kind: str) -> str:
    """The noun phrase of a kind's family, such as ``curved shape``."""
    return f"{FAMILY_OF[kind]} shape"


def edges() -> tuple[tuple[str, str], ...]:
    """The tree of shapes, pairs (child, parent): kinds below families below ``shape``."""
    return (*((kind, family(kind)) for kind in KINDS), *((f"{name} shape", ROOT) for name in FAMILIES))


def word_pairs() -> tuple[WordPair, ...]:
    """Every ordered pair of different nodes of the tree, scored by their relation rather than by people.

    10 for a kind and its family or a family and its root, 9 for a kind and the root, 3 for the reverse of these, 1 for
    siblings and 0 for whatever is unrelated.
    """
    parent = dict(edges())
    return tuple(_pair(x, y, parent) for x in (*parent, ROOT) for y in (*parent, ROOT) if x != y)


def _pair(x: str, y: str, parent: dict[str, str]) -> WordPair:
    def steps(low: str, high: str) -> int:
        """Edges from a node up to another; 0 where it is not above it."""
        if parent.get(low) == high:
            return 1
        return 2 if parent.get(parent.get(low, "")) == high else 0

    if up := steps(x, y):
        relation, score = f"hyp-{up}", 11.0 - up
    elif down := steps(y, x):
        relation, score = f"r-hyp-{down}", 3.0
    else:
        relation, score = ("cohyp", 1.0) if parent[x] == parent[y] else ("no-rel", 0.0)
    return WordPair(named(x), named(y), "N", relation, score)
