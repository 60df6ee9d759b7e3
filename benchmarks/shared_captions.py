"""Levels of tests, coverage of intervals and power where chains share captions: ``python -m benchmarks.planted nulls``.

Chains that exist get radii at random: that of a caption is a times its tier plus a normal error, independently of all
others. With a = 0 the null hypotheses of depth and of depth at equal length hold, whether all errors have the standard
deviation 1 or those of the most general tier 3. Elsewhere tau_d is near 1, or a is 0 in half of the families. The share
of nulls that are rejected at 5 % is the level; the share of 95 % intervals that hold the mean over all draws is the
coverage; both are to be read with their simulation errors. The test beside them is Student's t-test over the connected
components of chains, in which nothing is shared.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import rankdata, ttest_1samp

from benchmarks.report import NONE, table
from hiergeo import datasets
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.progress import track
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.metrics.order import order_at_equal_length, order_of_tiers
from hiergeo.evaluation.metrics.sharing import Sharing, mean_test
from hiergeo.testing.planted import world

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Estimate(NamedTuple):
    """What a method makes of one draw; NaN where it has no such number."""

    value: float
    low: float
    high: float
    p_value: float


@final
@dataclass(frozen=True)
class Structure:
    """Chains without embeddings.

    Attributes:
        chains: (n, T) positions of captions, from general to specific.
        wrong: (n, T) those of contradicting chains, or None.
        tiers: (V,) the tier of each caption; of one that stands in several tiers the last.
        words: (V,) number of words.
        characters: (V,) number of characters.
    """

    chains: Integers
    wrong: Integers | None
    tiers: Integers
    words: Integers
    characters: Integers

    @classmethod
    def of(cls, hierarchy: Hierarchy) -> "Structure":
        """The chains of a hierarchy."""
        sides = ("positive", "negative") if hierarchy.has_negatives else ("positive",)
        rows = np.array([[getattr(row, side) for side in sides] for row in hierarchy.rows])
        texts, index = np.unique(rows, return_inverse=True)
        index = index.reshape(rows.shape)
        tiers = np.zeros(len(texts), dtype=np.int64)
        for tier in range(rows.shape[-1]):
            tiers[index[..., tier]] = tier
        words = np.array([len(text.split()) for text in texts])
        wrong = index[:, 1] if len(sides) > 1 else None
        return cls(index[:, 0], wrong, tiers, words, np.array([len(text) for text in texts]))

    @cached_property
    def components(self) -> Integers:
        """(n,) the connected component of each chain."""
        n, tiers = self.chains.shape
        rows, columns = np.repeat(np.arange(n), tiers), n + self.chains.ravel()
        edges = coo_array((np.ones(n * tiers), (rows, columns)), shape=(n + len(self.tiers),) * 2)
        return np.unique(connected_components(edges, directed=False)[1][:n], return_inverse=True)[1]


class Condition(NamedTuple):
    """How radii are drawn: a, the standard deviation of errors in the most general tier, and where a is not 0."""

    slope: float
    spread: float = 1.0
    families: float = 1.0  # the share of the top captions below which radii follow the tiers

    def radii(self, structure: Structure, random: np.random.Generator) -> Floats:
        """(V,) radii of all captions; those of contradicting captions alone have half the slope."""
        slope, errors = np.full(len(structure.tiers), self.slope / 2), random.standard_normal(len(structure.tiers))
        follows = random.random(len(slope)) < self.families
        slope[structure.chains] = self.slope * follows[structure.chains[:, :1]]
        spread = np.where(structure.tiers == 0, self.spread, 1.0)
        return slope * structure.tiers + spread * errors


CONDITIONS = (
    Condition(0.0),
    Condition(0.0, 3.0),
    Condition(0.5),
    Condition(1.0),
    Condition(1.0, families=0.5),
    Condition(3.0),
)

Method = Callable[[Structure, Floats], Estimate]


def depth(structure: Structure, radii: Floats) -> Estimate:
    """tau_d and its test."""
    tested = order_of_tiers(radii, structure.chains)
    return Estimate(tested.value, *tested.interval, tested.p_value)


def equal_length(structure: Structure, radii: Floats) -> Estimate:
    """The order of tiers of equally many words and its test."""
    tested = order_at_equal_length(radii, structure.chains, structure.words, structure.characters)
    return NOTHING if tested is None else Estimate(tested.words.value, *tested.words.interval, tested.words.p_value)


def recall(structure: Structure, radii: Floats) -> Estimate:
    """Recall where the captions of radii above 0.5 are hit."""
    tested = mean_test(Sharing(structure.chains), (radii > 0.5)[structure.chains].mean(axis=1))
    return Estimate(tested.value, *tested.interval, np.nan)


def auroc(structure: Structure, radii: Floats) -> Estimate:
    """AUROC of children against contradicting captions by the radius less that of the parent, by influence values."""
    if structure.wrong is None:
        return NOTHING
    parent = radii[structure.chains[:, :-1]]
    true, false = radii[structure.chains[:, 1:]] - parent, radii[structure.wrong[:, :-1]] - parent
    count = true.size
    pooled = rankdata(np.concatenate([true.ravel(), false.ravel()]))
    beaten = (pooled[:count] - rankdata(true)) / count
    lost = (rankdata(false) + count - pooled[count:]) / count
    value = float(beaten.mean())
    influence = (beaten + lost).reshape(len(parent), -1).mean(axis=1) - 2 * value
    half = Sharing(np.concatenate([structure.chains, structure.wrong], axis=1)).half_width(influence)
    return Estimate(value, value - half, value + half, np.nan)


def over_components(structure: Structure, radii: Floats) -> Estimate:
    """tau_d by Student's t-test over the means of connected components."""
    general, specific = np.array(list(combinations(range(structure.chains.shape[1]), 2))).T
    drawn = radii[structure.chains]
    rows = np.sign(drawn[:, specific] - drawn[:, general]).mean(axis=1)
    means = np.bincount(structure.components, rows) / np.bincount(structure.components)
    if len(means) < 2:
        return NOTHING
    result = ttest_1samp(means, 0)
    low, high = result.confidence_interval()
    return Estimate(float(means.mean()), float(low), float(high), float(result.pvalue))


NOTHING = Estimate(np.nan, np.nan, np.nan, np.nan)
METHODS: dict[str, Method] = {
    "tau_d": depth,
    "equal length": equal_length,
    "recall": recall,
    "AUROC": auroc,
    "tau_d, components": over_components,
}


def draw(structure: Structure, condition: Condition, seeds: Sequence[int], methods: Sequence[Method]) -> Floats:
    """What methods make of radii drawn with each seed, (seeds, methods, 4) of `Estimate`."""
    torch.set_num_threads(1)
    drawn = (condition.radii(structure, np.random.default_rng(seed)) for seed in seeds)
    return np.array([[method(structure, radii) for method in methods] for radii in drawn])


def structures() -> tuple[dict[str, Structure], str]:
    """Chains by name, and a sentence on those that are not at hand."""
    some: dict[str, Structure] = {}
    missing = ""
    try:
        some |= {
            f"HierarCaps, {rows:,} rows": Structure.of(datasets.load("hierarcaps").take(rows))
            for rows in (100, 300, 1000)
        }
        some["HierarCaps with negatives, 1,000 rows"] = Structure.of(
            datasets.load("hierarcaps", "expanded-test").take(1000)
        )
    except (InputError, UnavailableError) as error:
        missing = f"HierarCaps is left out: {error}"
    some["scenes, 1,000 rows"] = Structure.of(datasets.load("scenes").take(1000))
    some |= {
        f"tree, {leaves:,} leaves": Structure.of(world("noise", leaves).embedded.hierarchy)
        for leaves in (100, 300, 1000)
    }
    tree, random = some["tree, 300 leaves"], np.random.default_rng(0)
    sizes = random.dirichlet(np.ones(len(tree.tiers)))[tree.chains[:, 0]]
    drawn = random.choice(len(sizes), len(sizes), p=sizes / sizes.sum())
    some["tree, 300 leaves, uneven families"] = replace(tree, chains=tree.chains[drawn])
    return some, missing


def report(draws: int, processes: int) -> str:
    """The table, as Markdown."""
    some, missing = structures()
    batches = [range(start, min(start + 20, draws)) for start in range(0, draws, 20)]
    parts: dict[tuple[str, Condition], list[Floats]] = {}
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as workers:
        futures = {
            workers.submit(draw, structure, condition, batch, tuple(METHODS.values())): (name, condition)
            for name, structure in some.items()
            for condition in CONDITIONS
            for batch in batches
        }
        for future in track(as_completed(futures), "draws of radii", enabled=True, total=len(futures)):
            parts.setdefault(futures[future], []).append(future.result())
    rows = [
        [
            name,
            f"{g:,.0f}",
            f"{condition.slope:g}",
            f"{condition.spread:g}",
            f"{condition.families:g}",
            *cells(np.concatenate(parts[name, condition])),
        ]
        for name, structure in some.items()
        for g in [Sharing(structure.chains).effective]
        for condition in CONDITIONS
    ]
    error = 100 * np.sqrt(0.05 * 0.95 / draws)
    heads = ["chains", "g", "a", "spread of the top tier", "families", *METHODS]
    text = (
        f"# Inference where chains share captions\n\n{draws:,} draws of radii each: the share of tests that reject at "
        "5 % (the level where a is 0, else the power), the coverage of 95 % intervals, and their median half width. "
        f"The simulation error of 5 % is {error:.1f} %. g is how many independent chains would be as precise.\n\n"
    )
    return f"{text}{table(heads, rows)}\n" + (f"\n{missing}\n" if missing else "")


def cells(drawn: Floats) -> list[str]:
    """One cell a method, from its estimates (draws, methods, 4)."""
    return [_cell(*estimates.T) for estimates in drawn.swapaxes(0, 1)]


def _cell(value: Floats, low: Floats, high: Floats, p_value: Floats) -> str:
    if np.isnan(value).all():
        return NONE
    mean = np.nanmean(value)
    covered = f"covers {100 * np.mean((low <= mean) & (mean <= high)):.1f} %, ± {np.median(high - low) / 2:.3f}"
    return covered if np.isnan(p_value).all() else f"rejects {100 * np.mean(p_value <= 0.05):.1f} %, {covered}"
