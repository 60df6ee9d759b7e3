"""The record of an audit: its settings, numbers, intervals and verdict."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from hiergeo._core import limits, notebook
from hiergeo._core.errors import check_whole
from hiergeo._core.records import Exported, Figure, Grid, Record, json_text, number, plain, signed
from hiergeo._core.text import caption, without_folders
from hiergeo.evaluation.answers import ALPHA, Answer, headline, setting_of
from hiergeo.evaluation.metrics import Interval, find_metric
from hiergeo.evaluation.metrics.registry import omissions

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

MOST_COPIES = 1000
"""Untrained copies at most."""


@dataclass(frozen=True)
class AuditSettings:
    """How to audit, and how to control the length of captions.

    Attributes:
        steps: thresholds of a ladder.
        seed: of permutations, samples of pairs, the shuffling of words and the copies.
        copies: untrained copies of the network, with the seeds `seed`, `seed` + 1, ...; an audit with copies measures
            captions without content and of shuffled words too. Both need the model, not its embeddings alone.
        filler: words of content-free captions, as for `hiergeo.datasets.content_free`.

    Raises:
        InputError: a number out of range.
    """

    steps: int = 50
    seed: int = 0
    copies: int = 0
    filler: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_whole("steps", self.steps, 1, limits.PROTOCOL_STEPS)
        check_whole("seed", self.seed, 0, limits.SEED)
        check_whole("copies", self.copies, 0, MOST_COPIES)


@dataclass(frozen=True)
class Controlled:
    """One metric as measured and under controls.

    Attributes:
        metric: its name.
        native: its value.
        controls: control -> value under it, without what the control settles by construction.
    """

    metric: str
    native: float
    controls: dict[str, float]


@dataclass(frozen=True, repr=False)
class Audit(Exported):
    """Whether the geometry of a space does the work that a claim of hierarchy says it does.

    Attributes:
        numbers: flat object name -> number; `docs/audit.md` defines every one.
        intervals: name -> 95 % interval, for numbers that have one. Those of ``A_minus_B`` are paired.
        answers: question -> answer: order, beyond_length, radii, curvature and cones.
        settings: model, data, space, seed and versions.
        attribution: hierarchy metrics as measured and from angles alone, radii alone and without curvature.
        primary: the metric that `native`, `angle_only`, `radius_only` and `flat` are values of.
        u_quantiles: the 0, 1, ..., 100 % quantiles of u over the distinct captions.
        left_out: number that was not measured -> why.
    """

    numbers: dict[str, float]
    intervals: dict[str, Interval]
    answers: dict[str, Answer]
    settings: dict[str, str | int | float]
    attribution: tuple[Controlled, ...]
    primary: str
    u_quantiles: tuple[float, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    keys = ("metric", "control", "value", "low", "high", "gain", "gain_low", "gain_high")

    def __repr__(self) -> str:
        about = " ".join(str(self.settings.get(name, "?")) for name in ("model", "dataset", "split", "geometry"))
        return f"<Audit {about}: {self.headline}>"

    def _repr_html_(self) -> str:
        """The verdict, and metrics as measured and under controls."""
        return notebook.sentences(*self.sentences, self.omissions) + super()._repr_html_()

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """Every metric, and its value under every control with what the metric gains over it, and 95 % intervals."""
        for row in self.attribution:
            low, high = self.intervals[row.metric]
            yield dict.fromkeys(self.keys) | {"metric": row.metric, "value": row.native, "low": low, "high": high}
            for control, value in row.controls.items():
                gain = f"{row.metric}_minus_{control}"
                low, high = self.intervals[gain]
                gained = {"gain": self.numbers[gain], "gain_low": low, "gain_high": high}
                yield dict.fromkeys(self.keys) | {"metric": row.metric, "control": control, "value": value, **gained}

    def grids(self, *, full: bool = True) -> Iterator[Grid]:
        """What carries the hierarchy; with `full` each value with what the first column gains over it.

        Marked are values from which the first column differs: the 95 % interval of the gain excludes 0.
        """
        data = f"{self.settings['dataset']} {self.settings['split']}"
        about = caption(f"{without_folders(str(self.settings['model']))} · {data} · {self.settings['geometry']}")
        legend = "Marked: differs from the first column, since the 95 % interval of the difference excludes 0."
        controls = self.controls
        rows = []
        for row in self.attribution:
            figures = [Figure(number(row.native), _ends(self.intervals[row.metric]) if full else "")]
            for control in list(controls)[1:]:
                if control not in row.controls:
                    figures.append(Figure())
                    continue
                gain = f"{row.metric}_minus_{control}"
                low, high = self.intervals[gain]
                note = f"gain {signed(self.numbers[gain])},\n{_ends(self.intervals[gain])}" if full else ""
                figures.append(Figure(number(row.controls[control]), note=note, best=not low <= 0 <= high))
            rows.append((find_metric(row.metric).label, tuple(figures)))
        yield Grid("metric", tuple(controls.values()), tuple(rows), f"{about}\n{legend}")

    @property
    def controls(self) -> dict[str, str]:
        """Controls under which something was measured, name -> title, with the first column."""
        measured = {"", *(name for row in self.attribution for name in row.controls)}
        return {name: title for name, title in ATTRIBUTION.items() if name in measured}

    @property
    def headline(self) -> str:
        """The answers about order, length and curvature in one sentence."""
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
            "attribution": [_row(row) for row in self.attribution],
            "u_quantiles": list(self.u_quantiles),
            "left_out": self.left_out,
            "settings": self.settings,
        }

    def to_json(self) -> str:
        """The audit as a JSON object whose first key, ``numbers``, is a flat object name -> number."""
        return json_text(self.as_dict())


def _ends(interval: Interval) -> str:
    return " to ".join(map(number, interval))


def _row(row: Controlled) -> dict[str, object]:
    return {"metric": row.metric, "native": row.native, **row.controls}
