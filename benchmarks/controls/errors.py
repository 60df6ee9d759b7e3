"""Negative controls: how often effects are called where there are none, and beside it where there are.

The values of items are made up; results, comparisons, audits and verdicts are the library's own. Shares of repetitions
have a standard error of at most sqrt(0.05 0.95 / repetitions) where the rate is nominal; equal length and coverage need
no repetitions, since their outcomes are hits among n items whose probabilities are known.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binom

from benchmarks.controls.findings import Findings
from hiergeo.datasets import Hierarchy
from hiergeo.datasets.hierarchy import Row, distinct
from hiergeo.evaluation import Comparison, Embedded
from hiergeo.evaluation.auditing import Audit, AuditSettings, audit
from hiergeo.evaluation.auditing.assess import Numbers
from hiergeo.evaluation.auditing.attribution import CONTROLS
from hiergeo.evaluation.auditing.confounds import LengthFacts, length_facts
from hiergeo.evaluation.auditing.judgement import Kind
from hiergeo.evaluation.findings.contrasts import ALPHA
from hiergeo.evaluation.metrics import Ranking, paired_test
from hiergeo.evaluation.result import Outcome, Result, Statistic, auroc_of, average_precision_of, mean_of
from hiergeo.geometry import Space

SPACES = ("euclidean", "lorentz:-1", "sphere:0.1", "lorentz:-2", "lorentz:-4", "lorentz:-0.5")
METRICS = ("auroc", "parent_mrr", "recall", "average_precision", "auroc_margin", "precision", "himo", "any_hit")
AUDITED = ("parent_mrr", "auroc", "average_precision", "precision", "recall")
EFFECTS: tuple[Kind, ...] = ("curvature", "radii", "angles")

COMPARED = ((10, 2, 1), (30, 2, 1), (30, 5, 1), (30, 2, 6), (30, 6, 8), (200, 3, 4), (1000, 2, 3))
"""Items, spaces and metrics of comparisons."""

ITEMS = (10, 30, 200)
"""Of audits."""

ALONE = (10, 30, 100, 257, 500, 1000)
"""Items of single tests."""

PAIRS = (*range(1, 21), 30, 60, 100, 300, 1000)
"""Pairs of captions of equally many words."""

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
    for items in ITEMS:
        found.add("Audits", {"items": items, **audit_rates(items, repeats)})
    for pairs in PAIRS if scale != "quick" else PAIRS[:7]:
        found.add("Equal length", {"pairs": pairs, **length_rates(pairs)})
    for items, chance in RARE if scale != "quick" else RARE[:1]:
        found.add("Rare hits", {"items": items, "chance": chance, **coverage(items, chance)})
    found.write(out)
    return found


def comparison_rates(items: int, spaces: int, metrics: int, repeats: int) -> dict[str, float]:
    """Shares of comparisons with a decided difference and with a star, among equals, and with that of a better one."""
    equal = [compared(items, spaces, metrics, 0.0, seed).findings for seed in range(repeats)]
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
    return Comparison(_embedded([("a", "b")]), tuple(_result(spec, statistics) for spec, statistics in made))


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
            tests = (paired_test([a[metric].contributions], [b[metric].contributions]) for a, b in pairs)
            rates[f"{metric}, {name}"] = float(np.mean([p_value <= ALPHA for p_value in tests]))
    return rates


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


def audit_rates(items: int, repeats: int) -> dict[str, float]:
    """Shares of audits that call effects where controls do as well, and that call all of them where they do worse."""
    equal = [audited(items, 0.0, seed).findings for seed in range(repeats)]
    better = [audited(items, LEAD / items**0.5, seed).findings for seed in range(repeats)]
    called = np.array([[each.effect(kind) != "nothing" for kind in EFFECTS] for each in equal])
    works = [all(each.works(kind) for kind in EFFECTS) for each in better]
    rates = {f"{kind}, none there": float(share) for kind, share in zip(EFFECTS, called.mean(axis=0), strict=True)}
    return rates | {"any, none there": float(called.any(axis=1).mean()), "all work, all do": float(np.mean(works))}


def audited(items: int, lead: float, seed: int) -> Audit:
    """An audit whose controls do as well as the space as it is, or worse by `lead`."""
    generator = np.random.default_rng((seed, items))
    order = [METRICS.index(name) for name in AUDITED]
    shared = generator.normal(size=(len(METRICS), items))
    measured = {}
    for name in ("native", *CONTROLS):
        own = generator.normal(size=(len(METRICS), items, 2)) + lead * (name == "native")
        statistics = list(_values(shared, own))
        measured[name] = dict(zip(AUDITED, (statistics[at] for at in order), strict=True))
    gathered = Numbers(AuditSettings(), progress=False)
    rows, some = gathered.add_table("", measured), _some_audit()
    numbers, intervals = some.numbers | gathered.numbers, some.intervals | gathered.intervals
    return Audit(numbers, intervals, some.settings, rows, some.walks, some.primary, some.u_quantiles)


@cache
def _some_audit() -> Audit:
    """An audit of random points, for the numbers that a verdict needs beside those that are made up."""
    made = _embedded([(f"a{row % 3}", f"b{row} b", f"c{row} c c") for row in range(12)])
    return audit(made, None, "lorentz:-1", AuditSettings(steps=5))


def _embedded(chains: Sequence[tuple[str, ...]]) -> Embedded:
    """Chains at random points."""
    texts = distinct(text for chain in chains for text in chain)
    points = torch.from_numpy(np.random.default_rng(0).normal(size=(len(texts), 4)))
    rows = tuple(Row(row, chain) for row, chain in enumerate(chains))
    hierarchy = Hierarchy("made up", "test", rows)
    return Embedded("made up", hierarchy, texts, points, None, None, torch.zeros_like(points[0]))


def length_rates(pairs: int) -> dict[str, float]:
    """Probability that an order of pairs of equal length is said to survive: of a coin, and of one right in 3 of 4."""
    fewest, most = 0, pairs + 1
    while fewest < most:
        middle = (fewest + most) // 2
        if middle > pairs or survives(middle, pairs):
            most = middle
        else:
            fewest = middle + 1
    return {name: float(binom.sf(fewest - 1, pairs, chance)) for name, chance in (("a coin", 0.5), ("3 of 4", 0.75))}


def survives(right: int, pairs: int) -> bool:
    """Whether the order of chains of two captions of one word each is said to survive, `right` of them being right."""
    radii = np.where(np.arange(pairs)[:, None] < right, (1.0, 2.0), (2.0, 1.0))
    return bool(facts_of([(f"a{row}", f"b{row}") for row in range(pairs)], radii).survives)


def facts_of(chains: Sequence[tuple[str, ...]], radii: np.ndarray) -> LengthFacts:
    """What the controls of length say of chains with made-up radii (n, T)."""
    return length_facts(_embedded(chains), radii, Space("euclidean"), AuditSettings())


def coverage(items: int, chance: float) -> dict[str, float]:
    """How often the 95 % interval of a share of hits holds its probability, and its upper end where nothing is hit."""
    likely = [hits for hits in range(items + 1) if binom.pmf(hits, items, chance) > 1e-5]
    ends = {hits: _interval(hits, items) for hits in (0, *likely)}
    holds = sum(binom.pmf(hits, items, chance) for hits in likely if ends[hits][0] <= chance <= ends[hits][1])
    return {"coverage": float(holds), "upper end of no hits": ends[0][1]}


def _interval(hits: int, items: int) -> tuple[float, float]:
    values = (np.arange(items) < hits).astype(float)
    return _result("euclidean", {"any_hit": mean_of(values)}).intervals["any_hit"]
