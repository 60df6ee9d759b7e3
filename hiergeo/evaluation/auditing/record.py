"""The record of an audit: its settings, numbers, intervals and verdict."""

from dataclasses import dataclass, field

from hiergeo._core import limits, notebook
from hiergeo._core.errors import check_whole
from hiergeo._core.records import json_text, number, plain
from hiergeo.evaluation.answers import ALPHA, Answer, headline, setting_of
from hiergeo.evaluation.metrics import Interval, find_metric
from hiergeo.evaluation.metrics.registry import omissions

MOST_COPIES = 1000
"""Untrained copies at most."""


@dataclass(frozen=True)
class AuditSettings:
    """How to audit, and how to control the length of captions.

    Attributes:
        steps: points of a walk and thresholds of a ladder.
        seed: of permutations, samples of pairs, the random targets of walks, the shuffling of words and the copies.
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
class Audit:
    """Whether the geometry of a space does the work that a claim of hierarchy says it does.

    Attributes:
        numbers: flat object name -> number; `docs/audit.md` defines every one.
        intervals: name -> 95 % interval, for numbers that have one. Those of ``A_minus_B`` are paired.
        answers: question -> answer: order, beyond_length, radii, curvature and cones.
        settings: model, data, space, seed and versions.
        attribution: hierarchy metrics as measured and from angles alone, radii alone and without curvature.
        walks: scores of the walk to the root and of the control walks.
        primary: the metric that `native`, `angle_only`, `radius_only` and `flat` are values of.
        u_quantiles: the 0, 1, ..., 100 % quantiles of u over the distinct captions.
        left_out: number that was not measured -> why.
    """

    numbers: dict[str, float]
    intervals: dict[str, Interval]
    answers: dict[str, Answer]
    settings: dict[str, str | int | float]
    attribution: tuple[Controlled, ...]
    walks: tuple[Controlled, ...]
    primary: str
    u_quantiles: tuple[float, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        about = " ".join(str(self.settings.get(name, "?")) for name in ("model", "dataset", "split", "geometry"))
        return f"<Audit {about}: {self.headline}>"

    def _repr_html_(self) -> str:
        """The verdict, and metrics as measured and under controls."""
        controls = list(dict.fromkeys(name for each in self.attribution for name in each.controls))
        rows = (
            (
                find_metric(each.metric).label,
                [
                    notebook.HtmlCell("" if value is None else number(value))
                    for value in (each.native, *map(each.controls.get, controls))
                ],
            )
            for each in self.attribution
        )
        heads = ("metric", "native", *(name.replace("_", " ") for name in controls))
        return notebook.sentences(*self.sentences, self.omissions) + notebook.table(heads, rows)

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
            "attribution": [_row(each) for each in self.attribution],
            "walks": [_row(each) for each in self.walks],
            "u_quantiles": list(self.u_quantiles),
            "left_out": self.left_out,
            "settings": self.settings,
        }

    def to_json(self) -> str:
        """The audit as a JSON object whose first key, ``numbers``, is a flat object name -> number."""
        return json_text(self.as_dict())


def _row(each: Controlled) -> dict[str, object]:
    return {"metric": each.metric, "native": each.native, **each.controls}
