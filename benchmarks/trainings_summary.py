"""Tables of the runs of `benchmarks.trainings`: ``python -m benchmarks.trainings_summary DIR``.

Runs of one seed share data, order and first weights, so differences between spaces are paired by seed. Seeds are few:
the spread of a difference is pooled over the spaces of a block of runs (a randomised block design), and intervals hold
simultaneously over all comparisons of a block (Bonferroni). They cover other trainings, measured on the same test rows.
A difference counts where its simultaneous interval excludes 0 and it is at least `LEAST`.
"""

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import t as student

from benchmarks.trainings import BEFORE, SPACES, WEIGHTS, known
from hiergeo._core.records import markdown_table, number, signed
from hiergeo._core.storage.files import atomic_write_text
from hiergeo.evaluation.metrics import Interval

LEAST = 0.01  # size from which a difference counts, as in audits
ALPHA = 0.05

COMPARED = {
    "retrieval": "R@1, mean of both directions",
    "right_equal_length": "order at equal length",
    "cone_gain": "cones of captions",
    "image_cone_gain": "cones and pictures",
}
"""Metrics in which spaces are compared, and what a table calls them."""

SHOWN = {
    "tau_d": "tau_d",
    "length_tau_d": "tau_d of counting words",
    "u_median": "u, captions",
    "u_median_image": "u, pictures",
    "bend_high": "bend",
    "cone_true": "children in cones",
    "cone_random": "matched in cones",
    "parent_mrr_minus_flat": "parent MRR, less that at K = 0",
}
"""Numbers of the audit that tables show besides."""


class Arm(NamedTuple):
    """A space, and the weight of the entailment loss."""

    space: str
    entailment: float = 0.0

    def __str__(self) -> str:
        return f"{self.space}, entailment {self.entailment:g}" if self.entailment else self.space


class Block(NamedTuple):
    """Runs that are compared with each other: what training started from, and its captions."""

    start: str
    captions: str

    def __str__(self) -> str:
        return f"{'from scratch' if self.start == 'scratch' else 'the bundled model'}, {self.captions} captions"


Runs = Mapping[Arm, Mapping[int, Mapping[str, Any]]]  # arm -> seed -> its record


def blocks(records: Sequence[Mapping[str, Any]]) -> dict[Block, dict[Arm, dict[int, Mapping[str, Any]]]]:
    """Records by block, arm and seed; of a block only the seeds that all of its arms have."""
    found: dict[Block, dict[Arm, dict[int, Mapping[str, Any]]]] = {}
    for record in records:
        case = record["case"]
        arms = found.setdefault(Block(case["start"], case["captions"]), {})
        arms.setdefault(Arm(case["space"], case["entailment"]), {})[case["seed"]] = record
    for block, arms in found.items():
        common = sorted(set.intersection(*(set(runs) for runs in arms.values())))
        ordered = sorted(arms, key=lambda arm: ([*BEFORE, *SPACES].index(arm.space), arm.entailment))
        found[block] = {arm: {seed: arms[arm][seed] for seed in common} for arm in ordered}
    return {block: arms for block, arms in found.items() if len(next(iter(arms.values()))) > 1}


def values(runs: Runs, arms: Sequence[Arm], metric: str) -> np.ndarray:
    """(arms, seeds); NaN where it was not measured."""
    return np.array([[record["numbers"].get(metric, math.nan) for record in runs[arm].values()] for arm in arms])


@dataclass(frozen=True)
class Difference:
    """How an arm differs from another one in a metric.

    Attributes:
        metric: one of `COMPARED`.
        arm: the one.
        base: the other.
        mean: over seeds of arm - base.
        interval: 95 % over seeds alone, Student's t of this difference.
        simultaneous: that holds with all others of the block.
    """

    metric: str
    arm: Arm
    base: Arm
    mean: float
    interval: Interval
    simultaneous: Interval

    @property
    def standing(self) -> str:
        """``higher``, ``lower`` or ``level``."""
        low, high = self.simultaneous
        if abs(self.mean) < LEAST or low <= 0 <= high:
            return "level"
        return "higher" if low > 0 else "lower"


class Question(NamedTuple):
    """Arms that are compared, each with a base."""

    name: str
    pairs: tuple[tuple[Arm, Arm], ...]


def questions(runs: Runs) -> tuple[Question, ...]:
    """What is asked of a block: distances for cosines, other spaces than Euclidean ones, and entailment."""

    def against(base: Arm, weight: float) -> tuple[tuple[Arm, Arm], ...]:
        arms = (Arm(space, weight) for space in SPACES if space not in ("cosine", base.space))
        return tuple((arm, base) for arm in arms if arm in runs)

    weight = WEIGHTS[1]
    units = (Arm("K = -0.1", weight), Arm("Euclidean, wide", weight))
    added = tuple((arm, Arm(arm.space)) for arm in runs if arm.entailment and Arm(arm.space) in runs)
    asked = (
        Question("distances against cosines", against(Arm("cosine"), 0.0)),
        Question("spaces against Euclidean", against(Arm("Euclidean"), 0.0)),
        Question(f"spaces against Euclidean, entailment {weight:g}", against(Arm("Euclidean", weight), weight)),
        Question("K = -0.1 against the same cones in flat space", (units,) if {*units} <= runs.keys() else ()),
        Question(f"entailment {weight:g} against none", added),
    )
    return tuple(question for question in asked if question.pairs)


def spread(arms: np.ndarray) -> tuple[float, int]:
    """Standard deviation of the difference of two arms of one seed, and its degrees of freedom.

    Args:
        arms: (arms, seeds); what is left of them behind the means of arms and seeds has one spread.
    """
    residual = arms - arms.mean(axis=1, keepdims=True) - arms.mean(axis=0) + arms.mean()
    freedom = (arms.shape[0] - 1) * (arms.shape[1] - 1)
    return math.sqrt(2 * float((residual**2).sum()) / freedom), freedom


def compared(runs: Runs) -> dict[str, list[Difference]]:
    """Question -> its differences in every metric, with intervals that hold over all questions of the block."""
    asked = questions(runs)
    family = len(COMPARED) * sum(len(question.pairs) for question in asked)
    found: dict[str, list[Difference]] = {question.name: [] for question in asked}
    trained = [arm for arm in runs if arm.space in SPACES]
    for metric in COMPARED:
        sd, freedom = spread(values(runs, trained, metric))
        for question in asked:
            for arm, base in question.pairs:
                (ours,), (theirs,) = values(runs, [arm], metric), values(runs, [base], metric)
                mean, own = seed_mean(ours - theirs)
                half = float(student.ppf(1 - ALPHA / 2 / family, freedom)) * sd / math.sqrt(len(ours))
                found[question.name].append(
                    Difference(metric, arm, base, mean, own, Interval(mean - half, mean + half))
                )
    return found


def seed_mean(seeds: np.ndarray) -> tuple[float, Interval]:
    """The mean of seeds (n,) and its 95 % interval, Student's t."""
    mean = float(seeds.mean())
    half = float(student.ppf(1 - ALPHA / 2, len(seeds) - 1) * seeds.std(ddof=1)) / math.sqrt(len(seeds))
    return mean, Interval(mean - half, mean + half)


def tables(runs: Runs) -> Iterator[str]:
    """Means over seeds with their standard deviations, curvatures at the end, and all differences."""
    columns = {**COMPARED, **SHOWN}

    def cell(arm: Arm, metric: str) -> str:
        seeds = values(runs, [arm], metric)[0]
        return f"{number(float(seeds.mean()))} ± {number(float(seeds.std(ddof=1)))}"

    rows = [
        [str(arm), *(cell(arm, metric) for metric in columns), _curvature(runs[arm]), _orders(runs[arm])]
        for arm in runs
    ]
    yield markdown_table(["", *columns.values(), "K", "order"], rows)
    differences = [
        [
            question,
            f"{each.arm} − {each.base}",
            COMPARED[each.metric],
            signed(each.mean),
            " to ".join(map(signed, each.interval)),
            " to ".join(map(signed, each.simultaneous)),
            each.standing,
        ]
        for question, found in compared(runs).items()
        for each in found
    ]
    heads = ["question", "arms", "metric", "difference", "95 % of its own", "95 % simultaneous", ""]
    yield markdown_table(heads, differences)


def _curvature(seeds: Mapping[int, Mapping[str, Any]]) -> str:
    last = [record["looks"][-1]["curvature"] for record in seeds.values() if record.get("looks")]
    factors = [sorted(factor) for factor in zip(*last, strict=True)]
    ranges = (" to ".join(dict.fromkeys(number(each) for each in (low, high))) for low, *_, high in factors)
    return ", ".join(ranges)


def _orders(seeds: Mapping[int, Mapping[str, Any]]) -> str:
    return ", ".join(dict.fromkeys(record["answers"]["order"] for record in seeds.values()))


def budget(records: Sequence[Mapping[str, Any]]) -> str:
    """Processor and wall time of all runs, in words."""
    spent = sum(record["processor_s"]["all"] for record in records)
    wall = sum(record["wall_s"] for record in records)
    return f"{len(records)} runs, {spent / 60:.0f} minutes of processor time, {wall / 60:.0f} minutes on the clock."


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trainings_summary", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="that of benchmarks.trainings")
    folder = parser.parse_args(words).folder
    records = known(folder / "runs.jsonl")
    found = blocks(records)
    text = [budget(records)]
    for block, runs in found.items():
        seeds = len(next(iter(runs.values())))
        text += [
            f"## {str(block).capitalize()}, {seeds} seeds",
            *tables(runs),
        ]
    atomic_write_text(folder / "trainings.md", "\n\n".join(text) + "\n")


if __name__ == "__main__":
    main()
