"""Taxonomies against WordNet: do cones, angles or distances find the true ancestors of the names of LVIS?

The first table ranks all other names as parents of each name with ancestors, with and without the rule that a parent
has the smaller radius. The second judges whole taxonomies. Intervals are 95 % bootstraps over names.

    python -m benchmarks.taxonomy

    python -m benchmarks.taxonomy --model sentence-transformers:DIR --chains hierarcaps_train_split_minilm.npz

With `--chains`, heads are trained on those chains of HierarCaps in which no name occurs together with its ancestor.
"""

import argparse
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.report import table
from hiergeo import adapters, datasets, search, training
from hiergeo.adapters.head import HeadModel
from hiergeo.datasets.lvis import PROMPT, load_lvis
from hiergeo.datasets.wordnet import load_wordnet
from hiergeo.evaluation.benchmarks.words import ancestor_ranks
from hiergeo.evaluation.metrics.sharing import Sharing, families
from hiergeo.evaluation.result import mean_of
from hiergeo.geometry import Space, parse
from hiergeo.geometry.space import By
from hiergeo.search.taxonomy import Taxonomy, TreeSettings, grow
from hiergeo.search.taxonomy.linking import link
from hiergeo.training import SHARPEN, Chains, Recipe

GEOMETRIES = ("euclidean", "lorentz:-0.1", "lorentz:-1", "lorentz:-4", "sphere:0.25")
BYS: tuple[By, ...] = ("angle", "margin", "distance")
TREES = (
    (TreeSettings()),
    TreeSettings(k=3),
    TreeSettings("margin"),
    TreeSettings("margin", 3),
    TreeSettings("distance"),
)
HEADS = {
    "RE head": {"mean": 1.0, "hard": 1.0, "prior": 10.0},
    "order-preserving head": SHARPEN,
}
TEN = 10


class Names:
    """The names of LVIS and their ancestors."""

    def __init__(self) -> None:
        self.lvis, self.wordnet = load_lvis(), load_wordnet()
        self.texts = [PROMPT.replace("{}", word) for word in self.lvis.words]
        self.pairs = self.lvis.pairs
        self.children = np.unique(self.pairs[:, 0])
        self.true = set(map(tuple, self.pairs.tolist()))
        self.sharing = Sharing(families(self.children, self.pairs))

    def hits(self, ranked: np.ndarray) -> np.ndarray:
        """Places of the first true ancestor of each child in ranked parents (children, k); k where there is none."""
        right = np.array(
            [[(child, above) in self.true for above in row] for child, row in zip(self.children, ranked, strict=True)]
        )
        return np.where(right.any(axis=1), right.argmax(axis=1), ranked.shape[1])

    def share(self, places: np.ndarray, k: int) -> str:
        """The share of places below k with its interval, which knows which names share ancestors."""
        found = mean_of((places < k).astype(np.float64), self.sharing)
        return f"{found.value:.3f} ({found.interval.low:.3f} to {found.interval.high:.3f})"


def lists(
    names: Names, text: Tensor, root: Tensor, geometries: Sequence[str]
) -> Iterator[tuple[str, By, np.ndarray, np.ndarray]]:
    """For each geometry and order, places of the first true ancestor: among all names, and those of smaller radius."""
    with tempfile.TemporaryDirectory() as folder:
        index = search.build(
            Path(folder) / "names", None, embeddings=text, space=Space("euclidean", root), dtype="float32"
        )
        for spec in geometries:
            space = Space(spec, root)
            for by in BYS:
                links = link(index.store, space, by, TEN)
                ids = links.order.ids.numpy()
                above = links.parent.numpy()
                ranked = np.where(above >= 0, ids[above], -1)[np.argsort(ids)]
                yield spec, by, ancestor_ranks(space, text, names.pairs, by), names.hits(ranked[names.children])


def trees(names: Names, text: Tensor, space: Space) -> Iterator[tuple[TreeSettings, list[str]]]:
    """Whole taxonomies: their edges, and how they agree with WordNet."""
    with tempfile.TemporaryDirectory() as folder:
        index = search.build(
            Path(folder) / "names", None, embeddings=text, captions=names.texts, space=space, dtype="float32"
        )
        for settings in TREES:
            tree = grow(index, settings)
            yield settings, [str(tree.edges), *(f"{score:.3f}" for score in agreement(names, tree))]


def agreement(names: Names, tree: Taxonomy) -> tuple[float, float, float, float]:
    """Precision, recall and F1 of all pairs of a name and an ancestor; and the F1 of as many random parents."""
    smaller = np.searchsorted(tree.radius, tree.radius, side="left")[:, None]
    drawn = (np.random.default_rng(0).random(tree.parent.shape) * smaller).astype(np.int64)
    by_chance = np.where((tree.parent >= 0) & (smaller > 0), drawn, -1)
    named = [synset in names.wordnet.parents for synset in names.lvis.synsets]
    scores = []
    for parent in (tree.parent, by_chance):
        above: list[set[int]] = []
        for row in parent.tolist():
            direct = {other for other in row if other >= 0}
            above.append(direct.union(*(above[other] for other in direct)))
        pairs = {(int(tree.ids[item]), int(tree.ids[other])) for item, others in enumerate(above) for other in others}
        pairs = {pair for pair in pairs if all(named[name] for name in pair)}
        right = len(pairs & names.true)
        scores.append((right / len(pairs), right / len(names.true), 2 * right / (len(pairs) + len(names.true))))
    return (*scores[0], scores[1][2])


def baselines(names: Names, radius: np.ndarray) -> list[list[str]]:
    """Hits without a model of what entails what: random names of smaller radius, and the most frequent ancestors."""
    generator = np.random.default_rng(0)
    smaller = [np.flatnonzero(radius < radius[child]) for child in names.children]
    drawn = [
        np.concatenate([generator.permutation(each)[:TEN], np.full(TEN, -1)])[:TEN]
        for each in smaller
        for _ in range(20)
    ]
    right = np.array(
        [[(c, a) in names.true for a in row] for c, row in zip(np.repeat(names.children, 20), drawn, strict=True)]
    )
    often = np.argsort(-np.bincount(names.pairs[:, 1], minlength=len(names.texts)), kind="stable")[: TEN + 1]
    lists = np.array([[name for name in often if name != child][:TEN] for child in names.children])
    places = names.hits(lists)
    return [
        ["random, smaller radius", f"{right[:, 0].mean():.3f}", f"{right.any(axis=1).mean():.3f}"],
        ["most frequent ancestors", names.share(places, 1), names.share(places, TEN)],
    ]


def unrelated(names: Names, chains: Chains) -> Chains:
    """Chains of HierarCaps without rows of which two texts name a child and its ancestor."""
    hierarchy = datasets.load("hierarcaps", "expanded-train")
    words = [re.escape(word.split(" (")[0]) for word in names.lvis.words]
    pattern = re.compile(rf"\b({'|'.join(sorted(set(words), key=len, reverse=True))})(?:s|es)?\b", re.IGNORECASE)
    named: dict[str, set[int]] = {}
    for place, word in enumerate(names.lvis.words):
        named.setdefault(word.split(" (")[0].casefold(), set()).add(place)
    kept = []
    for at, row in enumerate(hierarchy.rows):
        seen = {place for text in row.positive for word in pattern.findall(text) for place in named[word.casefold()]}
        kept += [] if any((c, a) in names.true for c in seen for a in seen) else [at]
    print(f"chains: {len(hierarchy.rows)}, without a judged pair: {len(kept)}")
    return chains.take(torch.tensor(kept))


def cells(names: Names, every: np.ndarray, nearer: np.ndarray) -> list[str]:
    return [names.share(places, k) for places in (every, nearer) for k in (1, TEN)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.taxonomy", description=__doc__)
    parser.add_argument("--model", default="lvis:clip", metavar="SPEC")
    parser.add_argument("--chains", type=Path, metavar="FILE", help="npz of embedded chains of HierarCaps' train split")
    args = parser.parse_args()
    names, model = Names(), adapters.load(args.model, device="cpu")
    text, root = model.encode_text(names.texts), model.root()
    rows = [
        ["frozen", spec, by, *cells(names, every, nearer)]
        for spec, by, every, nearer in lists(names, text, root, GEOMETRIES)
    ]
    judged = [
        ["frozen", "euclidean", settings.by, str(settings.k), *found]
        for settings, found in trees(names, text, Space("euclidean", root))
    ]
    if args.chains:
        chains = unrelated(names, training.from_file(args.chains, base=model))
        for label, losses in HEADS.items():
            for geometry in ("euclidean", "lorentz:-1"):
                trained = training.train_head(chains, parse(geometry), Recipe(losses=losses), device="cpu")
                head = HeadModel(model, trained.head, trained_in=trained.geometry.spec)
                embedded, origin = head.encode_text(names.texts), head.root()
                rows += [
                    [label, spec, by, *cells(names, every, nearer)]
                    for spec, by, every, nearer in lists(names, embedded, origin, [geometry])
                ]
                judged += [
                    [label, geometry, settings.by, str(settings.k), *found]
                    for settings, found in trees(names, embedded, Space(geometry, origin))
                ]
    heads = ("model", "space", "by", "first, any radius", "within ten", "first, smaller radius", "within ten")
    print(table(heads, rows), "\n")
    print(
        table(("baseline", "first", "within ten"), baselines(names, Space("euclidean", root).radius(text).numpy())),
        "\n",
    )
    print(table(("model", "space", "by", "k", "edges", "precision", "recall", "f1", "random f1"), judged))
    child, above = Space("euclidean", root).radius(text).numpy()[names.pairs.T]
    print(f"\npairs whose ancestor has the smaller radius: {np.mean(above < child):.3f}")


if __name__ == "__main__":
    main()
