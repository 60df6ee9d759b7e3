"""The record of an audit: its settings, numbers, intervals and verdict."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from hiergeo._core import limits
from hiergeo._core.errors import check_whole
from hiergeo._core.records import Exported, Figure, Grid, Record, json_text, number, paragraphs, plain, signed
from hiergeo._core.text import caption, without_folders
from hiergeo.evaluation.answers import ALPHA, Answer, headline, setting_of
from hiergeo.evaluation.auditing.population import Measured
from hiergeo.evaluation.metrics import Interval, find_metric
from hiergeo.evaluation.metrics.registry import omissions
from hiergeo.evaluation.metrics.sharing import Tested
from hiergeo.evaluation.result import Statistic

PRIMARY = "parent_mrr"
"""Metric whose values are `native`, `angle_only`, `radius_only` and `flat`; every hierarchy has it."""

ATTRIBUTION: Mapping[str, str] = MappingProxyType(
    {
        "": "as it is",
        "angle_only": "angles alone",
        "radius_only": "radii alone",
        "flat": "K = 0",
        "flat_best": "K = 0, best radii",
    }
)
"""Controls and what columns call them; the first column is what they are compared with."""


@dataclass(frozen=True)
class AuditSettings:
    """How to audit; raises InputError for a number out of range.

    Attributes:
        steps: thresholds of a ladder.
        seed: of permutations and samples of pairs.
    """

    steps: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("steps", self.steps, 1, limits.PROTOCOL_STEPS)
        check_whole("seed", self.seed, 0, limits.SEED)


class Numbers:
    """Numbers, and the intervals of those that have one, as they are gathered."""

    def __init__(self, numbers: Mapping[str, float] = MappingProxyType({})) -> None:
        self.numbers = dict(numbers)
        self.intervals: dict[str, Interval] = {}

    def add(self, name: str, measured: Statistic | Tested | Measured) -> None:
        """Add a number with its interval."""
        self.numbers[name], self.intervals[name] = measured.value, measured.interval


@dataclass(frozen=True, repr=False)
class Audit(Exported):
    """Whether the geometry of a space does the work that a claim of hierarchy says it does.

    Attributes:
        numbers: flat object name -> number; `docs/audit.md` defines every one.
        intervals: name -> 95 % interval, for numbers that have one. Those of ``A_minus_B`` are paired.
        answers: question -> answer: order, beyond_length, learned, radii, curvature and cones.
        settings: model, data, space, seed and versions.
        attribution: hierarchy metric -> the controls under which it was measured too, from angles alone, radii alone
            and without curvature, but for what a control settles by construction.
        u_quantiles: the 0, 1, ..., 100 % quantiles of u over the distinct captions.
        left_out: number that was not measured -> why.
    """

    numbers: dict[str, float]
    intervals: dict[str, Interval]
    answers: dict[str, Answer]
    settings: dict[str, str | int | float]
    attribution: dict[str, tuple[str, ...]]
    u_quantiles: tuple[float, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    primary = PRIMARY
    keys = ("metric", "control", "value", "low", "high", "gain", "gain_low", "gain_high")

    def __repr__(self) -> str:
        about = " ".join(str(self.settings.get(name, "?")) for name in ("model", "dataset", "split", "geometry"))
        return f"<Audit {about}: {self.headline}>"

    def _repr_html_(self) -> str:
        """The verdict, and metrics as measured and under controls."""
        return paragraphs(*self.sentences, self.omissions) + super()._repr_html_()

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """Every metric, and its value under every control with what the metric gains over it, and 95 % intervals."""
        for metric, controls in self.attribution.items():
            low, high = self.intervals[metric]
            yield dict.fromkeys(self.keys) | {"metric": metric, "value": self.numbers[metric], "low": low, "high": high}
            for control in controls:
                row = {"metric": metric, "control": control, "value": self.numbers[f"{metric}_{control}"]}
                low, high = self.intervals[gain := f"{metric}_minus_{control}"]
                gained = {"gain": self.numbers[gain], "gain_low": low, "gain_high": high}
                yield dict.fromkeys(self.keys) | row | gained

    def grids(self, *, full: bool = True) -> Iterator[Grid]:
        """What carries the hierarchy; with `full` each value with what the first column gains over it.

        Marked are values from which the first column differs: the 95 % interval of the gain excludes 0.
        """
        data = f"{self.settings['dataset']} {self.settings['split']}"
        about = caption(f"{without_folders(str(self.settings['model']))} · {data} · {self.settings['geometry']}")
        legend = "Marked: differs from the first column, since the 95 % interval of the difference excludes 0."
        titles = self.controls
        rows = []
        for metric, controls in self.attribution.items():
            figures = [Figure(number(self.numbers[metric]), _ends(self.intervals[metric]) if full else "")]
            for control in list(titles)[1:]:
                if control not in controls:
                    figures.append(Figure())
                    continue
                low, high = self.intervals[gain := f"{metric}_minus_{control}"]
                note = f"gain {signed(self.numbers[gain])},\n{_ends(self.intervals[gain])}" if full else ""
                value = number(self.numbers[f"{metric}_{control}"])
                figures.append(Figure(value, note=note, best=not low <= 0 <= high))
            rows.append((find_metric(metric).label, tuple(figures)))
        yield Grid("metric", tuple(titles.values()), tuple(rows), f"{about}\n{legend}")

    @property
    def controls(self) -> dict[str, str]:
        """Controls under which something was measured, name -> title, with the first column."""
        measured = {"", *(control for controls in self.attribution.values() for control in controls)}
        return {name: title for name, title in ATTRIBUTION.items() if name in measured}

    @property
    def headline(self) -> str:
        """The answers about order, length and training in one sentence."""
        return headline(self.answers, setting_of(str(self.settings.get("model")), str(self.settings.get("dataset"))))

    @property
    def tier_captions(self) -> tuple[int, ...]:
        """How many distinct captions each tier has, from general to specific."""
        counts = [value for name, value in self.numbers.items() if name.startswith("captions_tier")]
        return tuple(map(int, counts))

    @property
    def sentences(self) -> tuple[str, ...]:
        """The headline, and one sentence an answer."""
        return (self.headline, *(answer.sentence for answer in self.answers.values()))

    @property
    def verdict(self) -> str:
        """The same, a line each."""
        return "\n".join(self.sentences)

    def sure(self, difference: str) -> bool:
        """Whether a difference holds: its interval excludes 0, and so says its test, corrected over its table."""
        low, high = self.intervals[difference]
        return not low <= 0 <= high and self.numbers[f"{difference}_p"] <= ALPHA

    @property
    def omissions(self) -> str:
        """What was left out and why, in words; empty where nothing was."""
        return omissions(self.left_out)

    def as_dict(self) -> dict[str, object]:
        """What `to_json` writes."""
        return {
            "numbers": self.numbers,
            "intervals": {name: list(interval) for name, interval in self.intervals.items()},
            "answers": plain(self.answers),
            "headline": self.headline,
            "verdict": self.verdict,
            "primary": self.primary,
            "attribution": [
                {"metric": metric, "native": self.numbers[metric]}
                | {control: self.numbers[f"{metric}_{control}"] for control in controls}
                for metric, controls in self.attribution.items()
            ],
            "u_quantiles": list(self.u_quantiles),
            "left_out": self.left_out,
            "settings": self.settings,
        }

    def to_json(self) -> str:
        """The audit as a JSON object whose first key, ``numbers``, is a flat object name -> number."""
        return json_text(self.as_dict())


def _ends(interval: Interval) -> str:
    return " to ".join(map(number, interval))
