"""Negative controls: how often comparisons find differences where there are none, and beside it where there are.

The values of items are made up; results and comparisons are the library's own. Shares of repetitions have a standard
error of at most sqrt(0.05 0.95 / repetitions) where the rate is nominal; coverage needs no repetitions, since its
outcomes are hits among n items whose probability is known. `benchmarks.planted` does the same for answers.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binom

from benchmarks.controls.findings import Findings
from hiergeo.datasets import Hierarchy
from hiergeo.datasets.hierarchy import Row
from hiergeo.evaluation import Comparison, Embedded
from hiergeo.evaluation.experiment import ALPHA
from hiergeo.evaluation.metrics import Ranking
from hiergeo.evaluation.metrics.sharing import p_value_of_draws
from hiergeo.evaluation.result import Outcome, Result, Statistic, auroc_of, average_precision_of, mean_of

SPACES = ("euclidean", "lorentz:-1", "sphere:0.1", "lorentz:-2", "lorentz:-4", "lorentz:-0.5")
METRICS = ("auroc", "parent_mrr", "recall", "average_precision", "auroc_margin", "precision", "himo", "any_hit")

COMPARED = ((10, 2, 1), (30, 2, 1), (30, 5, 1), (30, 2, 6), (30, 6, 8), (200, 3, 4), (1000, 2, 3))
"""Items, spaces and metrics of comparisons."""

ALONE = (10, 30, 100, 257, 500, 1000)
"""Items of single tests."""

RARE = ((30, 0.05), (100, 0.01), (100, 0.05), (1000, 0.01))
"""Items and the probability of a hit."""

LEAD = 4.0
"""Lead of one space times the root of the number of items, in standard deviations of what an item adds in one space."""

REPEATS = {"quick": 4, "full": 80, "long": 260}
SAMPLES = 200


def run(out: Path | None, scale: str) -> Findings:
    """All tables, in about two minutes on one core at the scale ``full``."""
    repeats = REPEATS[scale]
    found = Findings("errors", {"repeats": repeats, "samples": SAMPLES, "lead": LEAD})
    for items, spaces, metrics in COMPARED:
        shape = {"items": items, "spaces": spaces, "metrics": metrics}
        found.add("Comparisons", {**shape, **comparison_rates(items, spaces, metrics, repeats)})
    for items in ALONE:
        found.add("Single tests", {"items": items, **test_rates(items, repeats)})
    for items, chance in RARE if scale != "quick" else RARE[:1]:
        found.add("Rare hits", {"items": items, "chance": chance, **coverage(items, chance)})
    found.write(out)
    return found


def comparison_rates(items: int, spaces: int, metrics: int, repeats: int) -> dict[str, float]:
    """Shares of comparisons with a decided difference and with a star, among equals, and with that of a better one."""
    equal = [compared(items, spaces, metrics, 0.0, seed).board for seed in range(repeats)]
    better = [compared(items, spaces, metrics, LEAD / items**0.5, seed) for seed in range(repeats)]
    first = METRICS[0]
    return {
        "some difference, none there": float(np.mean([bool(each.decided) for each in equal])),
        "some star, none due": float(np.mean([each.has_leaders for each in equal])),
        "star of the better space": float(np.mean([each.winners[first] == SPACES[0] for each in better])),
    }


def compared(items: int, spaces: int, metrics: int, lead: float, seed: int) -> Comparison:
    """A comparison of spaces that do equally well, but for the first, which leads by `lead`."""
    made = zip(SPACES, drawn(items, spaces, metrics, lead, seed), strict=False)
    return Comparison(_embedded(), tuple(_result(spec, statistics) for spec, statistics in made))


def drawn(items: int, spaces: int, metrics: int, lead: float, seed: int) -> Iterator[dict[str, Statistic]]:
    """The statistics of such spaces by metric."""
    generator = np.random.default_rng((seed, items, spaces, metrics))
    shared = generator.normal(size=(metrics, items))
    for place in range(spaces):
        own = generator.normal(size=(metrics, items, 2)) + lead * (place == 0)
        yield dict(zip(METRICS, _values(shared, own), strict=False))


def test_rates(items: int, repeats: int) -> dict[str, float]:
    """Shares of uncorrected p-values of at most 0.05, between two equal spaces and where the first leads."""
    rates = {}
    for name, lead in (("none there", 0.0), ("there", LEAD / items**0.5)):
        metrics = METRICS.index("average_precision") + 1
        pairs = [tuple(drawn(items, 2, metrics, lead, seed)) for seed in range(repeats)]
        for metric in ("auroc", "average_precision"):
            tests = [_p_value(a[metric], b[metric]) for a, b in pairs]
            rates[f"{metric}, {name}"] = float(np.mean([p_value <= ALPHA for p_value in tests]))
    return rates


def _p_value(a: Statistic, b: Statistic) -> float:
    return p_value_of_draws(a.value - b.value, a.draws(SAMPLES, 0) - b.draws(SAMPLES, 0), a.rows)


def _values(shared: np.ndarray, own: np.ndarray) -> Iterator[Statistic]:
    """Statistics in the order of `METRICS`: ranks, means and hits, from what items share and what is their own."""
    for name, common, alone in zip(METRICS, shared, own, strict=False):
        strength = common + alone[:, 0]
        if name.startswith(("auroc", "average")):
            ranking = Ranking(1 + strength, common - alone[:, 1])
            if name.startswith("auroc"):
                yield auroc_of(ranking, len(strength))
            else:
                yield average_precision_of(ranking, len(strength))
        elif name in ("parent_mrr", "himo"):
            yield mean_of(1 / (1 + np.exp(1 - strength)))
        else:
            yield mean_of((strength > 1).astype(float))


def _result(spec: str, statistics: Mapping[str, Statistic], samples: int = SAMPLES) -> Result:
    about: dict[str, str | int | float] = {"model": "made up", "geometry": spec, "root": "model"}
    return Outcome(dict(statistics)).result(about, 0, samples, diagnostics={"bend": 0.5})


def _embedded() -> Embedded:
    """A chain of two captions at random points."""
    points = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 4)))
    hierarchy = Hierarchy("made up", "test", (Row(0, ("a", "b")),))
    return Embedded("made up", hierarchy, ("a", "b"), points, None, None, torch.zeros_like(points[0]))


def coverage(items: int, chance: float) -> dict[str, float]:
    """How often the 95 % interval of a share of hits holds its probability, and its upper end where nothing is hit."""
    likely = [hits for hits in range(items + 1) if binom.pmf(hits, items, chance) > 1e-5]
    ends = {hits: _interval(hits, items) for hits in (0, *likely)}
    holds = sum(binom.pmf(hits, items, chance) for hits in likely if ends[hits][0] <= chance <= ends[hits][1])
    return {"coverage": float(holds), "upper end of no hits": ends[0][1]}


def _interval(hits: int, items: int) -> tuple[float, float]:
    values = (np.arange(items) < hits).astype(float)
    return _result("euclidean", {"any_hit": mean_of(values)}).intervals["any_hit"]
