"""Tables of `benchmarks.law_heads`: how laws differ over items and seeds, and how often a law differs from itself."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from benchmarks.report import table
from hiergeo.evaluation import Result
from hiergeo.evaluation.answers import QUESTIONS
from hiergeo.evaluation.metrics import Interval, crossed_draws, percentile_interval, simultaneous_intervals
from hiergeo.evaluation.result import strongest

BASE, OTHER = (
    "Euclidean cones",
    "Lorentz cones, K = -0.1",
)  # what laws are compared with; the first one in the main table
SAME = 0.02  # equivalence bound of every metric
SIGNS = {"better": ">", "worse": "<", "no difference": "=", "cannot tell": "?"}
SHOWN = {
    "tau_d": "order of tiers",
    "tau_d_equal_length": "order at equal length",
    "auroc_margin": "pairs, AUROC",
    "recall": "ladders, recall",
    "spearman_margin": "HyperLex, Spearman",
    "subsumption_f1_margin": "mammals, F1",
}
METRICS = SHOWN | {
    "auroc_margin_equal_length": "pairs at equal length, AUROC",
    "auroc_margin_sibling": "sibling pairs, AUROC",
    "precision": "ladders, precision",
    "spearman_radius": "HyperLex by radius",
    "direction_margin": "HyperLex, direction",
    "subsumption_f1_radius": "mammals by radius, F1",
}
"""Metrics by what tables call them; scores of pairs are margins where nothing else is said."""


class Difference(NamedTuple):
    """The mean difference of two laws in a metric over seeds, its draws over items and seeds, and 95 % intervals."""

    value: float
    draws: np.ndarray
    interval: Interval
    simultaneous: Interval

    @property
    def word(self) -> str:
        """``better`` or ``worse`` where the interval excludes 0; ``no difference`` inside the equivalence bound."""
        if self.interval.low > 0 or self.interval.high < 0:
            return "better" if self.value > 0 else "worse"
        low, high = np.quantile(self.draws, [0.05, 0.95])
        return "no difference" if low > -SAME and high < SAME else "cannot tell"

    @property
    def sign(self) -> str:
        """The word as a sign, twice where the simultaneous interval excludes 0 too."""
        return SIGNS[self.word] * (1 + (self.simultaneous.low > 0 or self.simultaneous.high < 0))


def over_seeds(draws: Sequence[np.ndarray], stream: int) -> np.ndarray:
    """Draws of the mean over seeds, of which there may be one; each of several numbers needs a stream of its own."""
    return crossed_draws(draws, seed=(0, stream)) if len(draws) > 1 else draws[0]


def difference(metric: str, ours: Sequence[Result], theirs: Sequence[Result], stream: int) -> Difference:
    """Of results of the same items, seed by seed."""
    pairs = list(zip(ours, theirs, strict=True))
    draws = over_seeds([a.draws[metric] - b.draws[metric] for a, b in pairs], stream)
    value = float(np.mean([a.metrics[metric] - b.metrics[metric] for a, b in pairs]))
    ends = percentile_interval(draws)
    return Difference(value, draws, ends, ends)


def null_rates(results: Mapping[str, Sequence[Result]]) -> Iterator[list[str]]:
    """How often one half of the seeds of a law differs from the other half: shares of words, by metric."""
    for metric in METRICS:
        words = []
        for stream, of in enumerate(results.values()):
            for number, some in enumerate(combinations(range(1, len(of)), len(of) // 2 - 1)):
                ours = [of[0], *(of[at] for at in some)]
                theirs = [of[at] for at in range(1, len(of)) if at not in some]
                words.append(difference(metric, ours, theirs, 100 * stream + number).word)
        decided = sum(word in ("better", "worse") for word in words) / len(words)
        yield [METRICS[metric], str(len(words)), f"{decided:.3f}", f"{words.count('no difference') / len(words):.3f}"]


def cell(metric: str, of: Sequence[Result], sign: str = "") -> str:
    """A mean over seeds, half of its 95 % interval over items and seeds, and how it compares."""
    mean = float(np.mean([result.metrics[metric] for result in of]))
    low, high = percentile_interval(over_seeds([result.draws[metric] for result in of], 0))
    return f"{mean:.3f} ± {(high - low) / 2:.3f} {sign}".strip()


def compared(results: Mapping[str, Sequence[Result]], base: str) -> dict[tuple[str, str], Difference]:
    """The differences of the other laws to one of them by law and metric, with intervals that hold for all at once."""
    keys = [(law, metric) for law in results if law != base for metric in METRICS]
    plain = [difference(metric, results[law], results[base], at) for at, (law, metric) in enumerate(keys)]
    wide = simultaneous_intervals(np.stack([of.draws for of in plain]))
    return {key: of._replace(simultaneous=ends) for key, of, ends in zip(keys, plain, wide, strict=True)}


def differences(of: Mapping[tuple[str, str], Difference]) -> str:
    """A table of differences."""
    rows = []
    for (law, name), one in of.items():
        ends = (f"{low:+.3f} to {high:+.3f}" for low, high in (one.interval, one.simultaneous))
        rows.append([law, METRICS[name], f"{one.value:+.3f}", *ends, one.word])
    return table(["law", "metric", "difference", "95 %", "95 %, simultaneous", f"verdict at {SAME}"], rows)


def report(
    results: Mapping[str, Sequence[Result]],
    frozen: Result,
    answers: Mapping[str, Sequence[Mapping[str, str]]],
    null: Mapping[str, Sequence[Result]],
    trials: Sequence[Sequence[str]],
) -> list[str]:
    """Tables of laws, of differences, of the null and of the tuning, whose `trials` are rows; `null` has all seeds."""
    against = {base: compared(results, base) for base in (BASE, OTHER)}

    def laws(metrics: Sequence[str], questions: Sequence[str]) -> str:
        def sign(law: str, metric: str) -> str:
            return against[BASE][law, metric].sign if law != BASE else ""

        rows = [
            [law, *(cell(name, of, sign(law, name)) for name in metrics), *(said(q, answers[law]) for q in questions)]
            for law, of in results.items()
        ]
        rest = [""] * len(questions)
        rows.append(["no head, Euclidean", *(cell(name, [frozen]) for name in metrics), *rest])
        controls = [strongest(name, frozen.baselines[name] or {}) for name in metrics]
        rows.append(["strongest control", *(f"{of[1]:.3f} ({of[0]})" if of else "–" for of in controls), *rest])
        rows.append(["items", *(f"{frozen.items[name]:,}" for name in metrics), *rest])
        return table(["law", *(METRICS[name] for name in metrics), *questions], rows)

    facts = sorted({name for of in results.values() for name in of[0].diagnostics})
    means = [
        [law, *(f"{np.mean([result.diagnostics.get(name, math.nan) for result in of]):.3f}" for name in facts)]
        for law, of in results.items()
    ]
    return [
        laws([*SHOWN], QUESTIONS),
        laws([name for name in METRICS if name not in SHOWN], ()),
        *(f"## Differences to {base}\n\n{differences(of)}" for base, of in against.items()),
        f"## Three seeds of a law against its other three: {', '.join(null)}\n\n"
        + table(["metric", "splits", "called different", "called no difference"], list(null_rates(null))),
        f"## Diagnostics\n\n{table(['law', *facts], means)}",
        f"## AUROC of validation pairs by margin\n\n{table(['law', 'losses', 'learning rate', 'AUROC'], trials)}",
    ]


def said(question: str, answers: Sequence[Mapping[str, str]]) -> str:
    """The answers of the seeds, each with its number where they differ."""
    counts = Counter(of[question] for of in answers).most_common()
    return counts[0][0] if len(counts) == 1 else ", ".join(f"{word} {count}" for word, count in counts)
