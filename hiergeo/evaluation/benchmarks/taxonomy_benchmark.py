"""Classification into a taxonomy: how right paths are, and how deep items come at a promised error."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property, partial
from itertools import pairwise
from typing import final

import numpy as np

from hiergeo.adapters import Model
from hiergeo.datasets.labels import LabelTree, load_tree
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks.benchmark import Benchmark, Run
from hiergeo.evaluation.classifying.item_batches import ItemBatch, ItemSource
from hiergeo.evaluation.classifying.methods import TEMPERATURE, check_method, embed_tree
from hiergeo.evaluation.classifying.placing import Chosen, embed_items, read_labelled, surest_by_level, walk_all
from hiergeo.evaluation.classifying.promise import check_alpha, error_floors, floor_of, stops
from hiergeo.evaluation.metrics import TREE_METRICS
from hiergeo.evaluation.metrics.registry import Metric, declare, share
from hiergeo.evaluation.metrics.taxonomies import LEVELS, PATH_METRICS, SET_METRICS, TaxonomyItems, of_labels
from hiergeo.evaluation.result import Outcome, Statistic, mean_of
from hiergeo.geometry import Space

DRAWS = 20
"""Random draws whose mean is a control."""

GRAM = 3
"""Characters of the pieces in which names and items are compared."""

DEPTHS = declare(
    Metric("depth_at_promise", "level at the promised error", unit="images", bounds=(0.0, np.inf), measures="levels"),
    share("error_at_promise", "errors at the promised error", higher_is_better=None, unit="images", discrete=True),
)


@final
class TaxonomyBenchmark(Benchmark):
    """Labelled items in a tree of labels: scores of whole paths, and the level at which a promised error is kept.

    Scores are those of `hiergeo.evaluation.metrics.taxonomies`, of the leaf at which a path ends; ``inconsistent`` is
    of the surest label of each level on its own. For the promise each half of the items sets the floor of the other.
    Controls: ``exchanged``, the same predictions in the tree with its leaves exchanged at random, in which a leaf is as
    often right, but no mistake is near; ``characters``, for texts, the leaf whose name shares most pieces of three
    letters with the item; ``uniform``, a child drawn at random at every step.

    Options: `data` (``scenes``, or labelled items as `hiergeo.classify` takes them to calibrate), `tree`, `method`,
    `temperature`, `template`, `alpha`, and the columns of a table.
    """

    name = "taxonomy"
    label = "classification into a taxonomy"
    primary = "hf"
    loads = "labelled"
    metrics = (*SET_METRICS, *PATH_METRICS, *TREE_METRICS, *LEVELS[:8], *DEPTHS)
    needs = "labelled items and a tree of their labels; scenes needs none"

    def __init__(
        self,
        data: str = "scenes",
        tree: str = "scenes",
        method: str = "flat",
        temperature: float = TEMPERATURE,
        template: str = "{}",
        alpha: float = 0.1,
        column: str | None = None,
        label_column: str | None = None,
    ) -> None:
        check_method(method, temperature)
        check_alpha(alpha)
        self.how = Chosen(method, temperature)  # type: ignore[arg-type]
        self.data, self.source, self.template, self.alpha = data, tree, template, alpha
        self.columns = column, label_column
        self.images = data == "scenes"

    @cached_property
    def tree(self) -> LabelTree:
        """The labels."""
        return load_tree(self.source)

    @cached_property
    def labelled(self) -> tuple[list[ItemBatch], np.ndarray]:
        """Items, and the numbers of their labels."""
        return read_labelled(self.data, self.tree, *self.columns, self.alpha)

    @property
    def protocol(self) -> str:
        return (
            f"{self.data}, tree {self.source}, method {self.how.method} at temperature {self.how.temperature:g}, "
            f"template '{self.template}', error {self.alpha:g}"
        )

    def check(self, model: Model, space: Space) -> None:
        self.tree.texts([self.template])
        batch = self.labelled[0][0]
        ItemSource(batch.data).check(model)

    def run(self, model: Model, space: Space, how: Run) -> Result:
        batches, truth = self.labelled
        points = embed_tree(model, space, self.tree, [self.template], how.compute, progress=how.progress)
        rows = embed_items(model, batches, how.compute, progress=how.progress)
        paths, odds = (column.cpu().numpy() for column in walk_all(points, rows, self.how))
        scored = of_labels(self.tree, truth, ends(paths))
        scored.values["inconsistent"] = (~is_path(self.tree, surest_by_level(points, rows, self.how))).astype(float)
        names = [name for batch in batches for name in batch.names] if isinstance(batches[0].data[0], str) else None
        controls = controlled(self.tree, truth, ends(paths), names, how.seed)
        outcome = outcome_of(scored, controls)
        random = np.random.default_rng(how.seed)
        errors = error_floors(self.tree, paths, odds, truth)
        floors = crossed_floors(errors, self.alpha, random)
        outcome.add("depth_at_promise", mean_of(stops(odds, floors).astype(np.float64)))
        outcome.add("error_at_promise", mean_of((errors > floors).astype(np.float64)), promised=self.alpha)
        facts = {"items": len(truth), "labels": len(self.tree), "protocol": self.protocol}
        return self.result(outcome, model, points.space, rows, how, **facts)


def ends(paths: np.ndarray) -> np.ndarray:
    """The last label of each path, (n,)."""
    return paths[np.arange(len(paths)), (paths >= 0).sum(1) - 1]


def is_path(tree: LabelTree, labels: np.ndarray) -> np.ndarray:
    """Whether labels (n, levels), one a level, lead from one to the next, (n,) bool, as far as the first leaf."""
    leaves = set(tree.leaves.tolist())

    def leads(row: Sequence[int]) -> bool:
        for above, label in pairwise(row):
            if above in leaves:
                return True
            if above not in tree.parents[label]:
                return False
        return True

    return np.array([leads(row) for row in labels.tolist()])


def crossed_floors(errors: np.ndarray, alpha: float, random: np.random.Generator) -> np.ndarray:
    """The floor of each item, (n,), which the other half of the items sets."""
    halves = np.array_split(random.permutation(len(errors)), 2)
    floors = np.empty(len(errors))
    for own, other in (halves, halves[::-1]):
        floors[own] = floor_of(errors[other], alpha)
    return floors


def outcome_of(scored: TaxonomyItems, controls: dict[str, TaxonomyItems]) -> Outcome:
    """Every score with its statistic, and what controls reach in it."""
    outcome, count = Outcome(), len(scored.common)

    def ratio(counts: np.ndarray, values: np.ndarray) -> float:
        there = np.isfinite(values)
        return float(counts[there] @ values[there] / max(counts[there].sum(), 1))

    for name in SET_METRICS:
        of_sets = Statistic(count, lambda counts, name=name: scored.sets(counts)[name])  # type: ignore[misc]
        outcome.add(name, of_sets, **{control: of.sets()[name] for control, of in controls.items()})
    for name, values in scored.values.items():
        whole = bool(np.isfinite(values).all())
        statistic = mean_of(values) if whole else Statistic(count, partial(ratio, values=values))
        reached = {control: float(np.nanmean(of.values[name])) for control, of in controls.items()}
        outcome.add(name, statistic, **(reached if name != "inconsistent" else {}))
    return outcome


def controlled(
    tree: LabelTree, truth: np.ndarray, predicted: np.ndarray, names: Sequence[str] | None, seed: int
) -> dict[str, TaxonomyItems]:
    """The scores of the controls; of random ones those of `DRAWS` draws behind each other."""
    random, leaves = np.random.default_rng(seed), tree.leaves
    exchanged = []
    for _ in range(DRAWS):
        other = np.arange(len(tree))
        other[leaves] = random.permutation(leaves)
        exchanged.append((other[truth], other[predicted]))
    children: dict[int, np.ndarray] = {}
    parent, child = tree.edges
    for at in np.unique(parent):
        children[int(at)] = child[parent == at]

    def walk() -> int:
        at = tree.start
        while at in children:
            at = int(random.choice(children[at]))
        return at

    guesses = np.array([walk() for _ in range(DRAWS * len(truth))])
    controls = {
        "exchanged": of_labels(tree, *(np.concatenate(part) for part in zip(*exchanged, strict=True))),
        "uniform": of_labels(tree, np.tile(truth, DRAWS), guesses),
    }
    if names is not None:
        shared = letters_in_common([tree.names[leaf] for leaf in leaves], names)
        controls["characters"] = of_labels(tree, truth, leaves[shared.argmax(1)])
    return controls


def letters_in_common(names: Sequence[str], items: Sequence[str]) -> np.ndarray:
    """How many pieces of `GRAM` letters texts have in common with names, as a cosine, (items, names)."""
    from scipy.sparse import csr_matrix

    vocabulary: dict[str, int] = {}
    pieces = [Counter(f" {t.lower()} "[at : at + GRAM] for at in range(len(t))) for t in (*names, *items)]
    rows = [row for row, of in enumerate(pieces) for _ in of]
    columns = [vocabulary.setdefault(piece, len(vocabulary)) for of in pieces for piece in of]
    values = np.array([count for of in pieces for count in of.values()], dtype=np.float64)
    lengths = np.sqrt(np.bincount(rows, values**2, minlength=len(pieces)))
    matrix = csr_matrix((values / lengths[rows], (rows, columns)), shape=(len(pieces), len(vocabulary)))
    return np.asarray((matrix[len(names) :] @ matrix[: len(names)].T).todense())
