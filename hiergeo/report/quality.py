"""The quality of chains for people: tables for the terminal and a self-contained page."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from hiergeo._core.records import Figure, Records, number
from hiergeo._core.tables import MARK, drawn, light, stacked
from hiergeo._core.text import caption, without_folders
from hiergeo.construction.appraisal import Appraisal
from hiergeo.construction.grading import Quality
from hiergeo.construction.judges import CONTRADICTION, ENTAILMENT, NEUTRAL
from hiergeo.construction.pooling import TIER
from hiergeo.evaluation.metrics import find_metric
from hiergeo.report.page import spaced, write_html
from hiergeo.report.summary import PLOTS, Dot, DotPlot, DotPlots
from hiergeo.report.terminal import NONE, bounds

OWN = "this set"
"""What the columns call the set that is appraised."""

PICTURED = ("accepted", "forward_entailed", "negative_contradicted", "tau_d", "head_noun", "words_grow")
"""Metrics of the picture, in the order of choice."""

BY_TIER = (
    "forward_entailed",
    "negative_contradicted",
    "words",
    "words_negative",
    "texts_distinct",
    "texts_shared",
    "head_noun",
    "word_coverage",
)
"""Metrics that are shown tier by tier."""

SHOWN = 10
"""Chains that a page shows of the best and of the worst ones."""

CLASSES = {
    ENTAILMENT: ("entails", "entailed"),
    NEUTRAL: ("says nothing of", "neutral"),
    CONTRADICTION: ("contradicts", "contradicts"),
}
"""What a judge found: of a tier and the next one, and of a negative."""


@dataclass(frozen=True)
class Step:
    """A tier of an example: its texts, what the judge said of each, and whether that is as it should be."""

    positive: str
    negative: str | None
    follows: str
    follows_well: bool
    against: str
    against_well: bool


@dataclass(frozen=True)
class Example:
    """A chain on a page: its row, its image if any, what the judge gives it in [0, 1], and its tiers."""

    row: int
    image: int | None
    score: float
    steps: tuple[Step, ...]


def write_appraisal(appraisal: Appraisal, path: Path) -> Path:
    """Write the page of an appraisal: one HTML file that needs nothing else.

    Raises:
        UnavailableError: the file cannot be written.
    """
    own = appraisal.quality
    sets = {OWN: own, **appraisal.baselines}
    order = own.ordered()
    best = order[:SHOWN]
    worst = tuple(at for at in reversed(order[-SHOWN:]) if at not in best)
    judge = [(f"judge: {name}", value) for name, value in own.settings["judge_identity"].items()]
    given = {name: value for name, value in own.settings.items() if value is not None}
    return write_html(
        path,
        "quality.html",
        picture=_summary(sets),
        appraisal=appraisal,
        conclusion=appraisal,
        title=f"Quality of {caption(_name(own))}",
        kicker=("quality", _name(own), f"judge {own.settings['judge']}", *_model(own)),
        sets=sets,
        metrics=overall(own),
        tiers=range(own.chains.tiers),
        by_tier=[name for name in BY_TIER if f"{name}{TIER}0" in own.metrics],
        tier=TIER,
        examples=[("Best, says the judge", _examples(own, best)), ("Worst, says the judge", _examples(own, worst))],
        settings=[*spaced(given, "judge_identity"), *judge],
    )


def appraisal_tables(appraisal: Appraisal, *, full: bool = True) -> Iterator[Table]:
    """Every metric of all sets with intervals and differences; with `full` metrics by tier, and what was dropped."""
    yield _overall_table(appraisal)
    if not full:
        return
    yield _tier_table(appraisal)
    if appraisal.drops:
        yield _drops_table(appraisal)


def appraisal_records(appraisal: Appraisal) -> Records:
    """Every metric of every set, and this set less each other one, with 95 % intervals; and the captions dropped."""
    keys = ("metric", "set", "less", "value", "low", "high", "stage", "reason")
    rows: list[tuple[object, ...]] = []
    for name, each in {OWN: appraisal.quality, **appraisal.baselines}.items():
        for metric, value in each.metrics.items():
            ends = each.intervals.get(metric, (None, None))
            rows.append((metric, name, None, value, *ends, None, None))
    for name, changes in appraisal.differences.items():
        for metric, change in changes.items():
            rows.append((metric, OWN, name, change.value, *change.interval, None, None))
    for reason, count in appraisal.drops.items():
        rows.append(("dropped", OWN, None, count, None, None, *reason))
    return Records.of(keys, rows, f"{_about(appraisal.quality)}. 95 % intervals.")


def _about(quality: Quality) -> str:
    return f"{caption(_name(quality))} · judge {quality.settings['judge']}"


def overall(quality: Quality) -> list[str]:
    """The metrics that are not of a single tier."""
    return [name for name in quality.metrics if TIER not in name]


def _name(quality: Quality) -> str:
    return f"{without_folders(str(quality.settings['dataset']))} {quality.settings['split']}"


def _model(quality: Quality) -> tuple[str, ...]:
    model = quality.settings["model"]
    return () if model is None else (without_folders(model),)


def _summary(sets: dict[str, Quality]) -> DotPlots:
    own = sets[OWN]
    plots = []
    for metric in [name for name in PICTURED if name in own.metrics][:PLOTS]:
        dots = [
            Dot(name, each.metrics[metric], each.intervals.get(metric))
            for name, each in sets.items()
            if metric in each.metrics
        ]
        plots.append(DotPlot(metric, tuple(dots)))
    return DotPlots(tuple(plots), "Value and 95 % interval over images, each metric on a scale of its own.")


def _examples(quality: Quality, places: tuple[int, ...]) -> list[Example]:
    return [_example(quality, at) for at in places]


def _example(quality: Quality, at: int) -> Example:
    row, verdicts = quality.chains.rows[at], quality.verdicts
    steps = []
    for tier, text in enumerate(row.positive):
        follows = int(verdicts.forward[at, tier - 1].argmax()) if tier else None
        verdict = verdicts.against[at, tier]
        against = None if np.isnan(verdict).any() else int(verdict.argmax())
        steps.append(
            Step(
                text,
                None if row.negative is None else row.negative[tier],
                "" if follows is None else CLASSES[follows][0],
                follows in (None, ENTAILMENT),
                "" if against is None else CLASSES[against][1],
                against in (None, CONTRADICTION),
            )
        )
    return Example(row.row_id, row.image_id, float(verdicts.scores[at]), tuple(steps))


def _overall_table(appraisal: Appraisal) -> Table:
    sets = {OWN: appraisal.quality, **appraisal.baselines}
    notes = "Below each value its 95 % interval over images"
    if any(appraisal.differences.values()):
        notes += f"; {MARK} the paired difference of this set excludes 0, over the images of both"
    table = light("metric", *sets, notes=f"{_about(appraisal.quality)}\n{notes}.")
    for metric in overall(appraisal.quality):
        cells = []
        for name, each in sets.items():
            value = NONE if metric not in each.metrics else number(each.metrics[metric])
            change = appraisal.differences.get(name, {}).get(metric)
            decided = change is not None and (change.interval.low > 0 or change.interval.high < 0)
            below = bounds(each.intervals[metric]) if metric in each.intervals else ""
            cells.append(stacked(Figure(value, below, best=decided)))
        table.add_row(find_metric(metric).label, *cells)
    return table


def _tier_table(appraisal: Appraisal) -> Table:
    own = appraisal.quality
    names = " · ".join(appraisal.baselines)
    notes = "Tier 0 is the most general; a value for two adjacent tiers stands under the more general one."
    below = f"\nBelow each value: {names}." if names else ""
    table = light("metric", *(f"tier {tier}" for tier in range(own.chains.tiers)), notes=f"{notes}{below}")
    for metric in BY_TIER:
        cells = []
        for tier in range(own.chains.tiers):
            key = f"{metric}{TIER}{tier}"
            others = [each.metrics.get(key) for each in appraisal.baselines.values()] if key in own.metrics else []
            below = " · ".join(NONE if value is None else number(value) for value in others)
            cells.append(stacked(Figure(number(own.metrics[key]) if key in own.metrics else "", below)))
        if any(cell.plain for cell in cells):
            table.add_row(find_metric(metric).label, *cells)
    return table


def _drops_table(appraisal: Appraisal) -> Table:
    drops = ((*reason, count) for reason, count in appraisal.drops.items())
    notes = "Captions that left the data while it was made."
    return drawn(Records.of(("stage", "reason", "captions"), drops, notes).grid)
