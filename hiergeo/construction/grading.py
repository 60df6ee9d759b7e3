"""How good chains are: what a person decided, what a judge says, and their lengths, repeats and head nouns."""

from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from hiergeo._core.progress import track
from hiergeo._core.records import Records, json_text
from hiergeo._core.version import __version__
from hiergeo.construction import wording
from hiergeo.construction.judges import CONTRADICTION, ENTAILMENT, JUDGES, NEUTRAL, Judge
from hiergeo.construction.making import made
from hiergeo.construction.wording import TIER, Ratio, by_tier, share
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.metrics import Interval, share_interval

PAIRS_AT_ONCE = 1 << 12
"""Pairs of texts that a judge is asked about at a time."""

CLASSES = {"entailed": ENTAILMENT, "neutral": NEUTRAL, "contradicted": CONTRADICTION}
"""What a judge can say of a pair -> its column."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Quality:
    """How good the chains of a set are.

    Attributes:
        metrics: name -> value; ``_tierK`` are those of one tier, or of the pair of tiers K and K + 1.
        intervals: of the metrics that are shares of independent items, 95 % intervals over images.
        settings: dataset, split, judge and its identity, numbers of rows, images, tiers and chains that a person read
            (None without decisions), version.
        left_out: metric that was not measured -> why.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval]
    settings: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def records(self) -> Records:
        """A row a metric: its value over all tiers, its interval, and its value at each tier."""
        names = dict.fromkeys(name.partition(TIER)[0] for name in self.metrics)
        tiers = range(self.settings["tiers"])
        rows = (
            (
                name,
                self.metrics.get(name),
                *self.intervals.get(name, (None, None)),
                *(self.metrics.get(f"{name}{TIER}{tier}") for tier in tiers),
            )
            for name in names
        )
        keys = ("metric", "value", "low", "high", *(f"tier{tier}" for tier in tiers))
        return Records.of(keys, rows, "95 % intervals over images. Of two adjacent tiers: at the more general one.")

    def to_json(self) -> str:
        """The result as a JSON object whose first key, ``metrics``, is a flat object name -> number."""
        return json_text(
            {
                "metrics": self.metrics,
                "intervals": {name: list(interval) for name, interval in self.intervals.items()},
                "left_out": self.left_out,
                "settings": self.settings,
            }
        )


def quality(
    chains: Hierarchy,
    *,
    judge: Judge | str | None = None,
    decisions: Mapping[int, frozenset[str]] | None = None,
    progress: bool = False,
) -> Quality:
    """Measure chains; intervals are over images.

    Args:
        chains: n rows; negatives are judged where there are any.
        judge: says what entails and contradicts what, or the spec of one, such as ``transformers:PATH``; None leaves
            that out.
        decisions: of a person, from `hiergeo.construction.decisions`; gives ``accepted`` and ``steps_accepted``.
        progress: show a bar for work that outlasts a second.

    Raises:
        InputError: an unknown judge.
        UnavailableError: a judge that cannot be run.
    """
    rates = {} if decisions is None else decided_rates(chains, decisions)
    settings: dict[str, Any] = {
        "dataset": chains.name,
        "split": chains.split,
        "rows": len(chains.rows),
        "images": len({row.image_id for row in chains.rows} - {None}),
        "tiers": chains.tiers,
        "chains_read": None if decisions is None else int(rates["accepted"].denominator.sum()),
        "judge": None,
        "hiergeo": __version__,
    }
    if judge is not None:
        with closing(made(JUDGES, Judge, judge, {})) if isinstance(judge, str) else nullcontext(judge) as opened:
            rates |= judged_rates(chains, opened, progress=progress)
            settings |= {"judge": opened.name, "judge_identity": opened.identity}
    rates |= wording.text_rates(chains) | wording.noun_rates(chains)
    rates = {name: ratio for name, ratio in rates.items() if np.any(ratio.denominator)}
    metrics = {name: float(above.sum() / below.sum()) for name, (above, below) in rates.items()}
    _, group = np.unique([repr(wording.item_of(row)) for row in chains.rows], return_inverse=True)
    intervals = {
        name: share_interval(*(np.bincount(group, weights=part) for part in ratio)) for name, ratio in rates.items()
    }
    metrics |= wording.mean_lengths(chains) | wording.distinct_shares(chains)
    no_judge, no_negatives = "no judge (--judge)", "the chains have no negatives"
    whys = {
        "forward_entailed": no_judge,
        "negative_contradicted": no_judge if "words_negative" in metrics else no_negatives,
        "words_negative": no_negatives,
    }
    return Quality(metrics, intervals, settings, {name: why for name, why in whys.items() if name not in metrics})


def judged_rates(chains: Hierarchy, judge: Judge, *, progress: bool = False) -> dict[str, Ratio]:
    """Shares of pairs by the class that a judge finds most probable; each distinct pair of texts is judged once.

    ``forward_entailed``, ``forward_neutral`` and ``forward_contradicted`` of adjacent tiers, ``chain_entailed`` of rows
    whose adjacent tiers are all entailed; ``negative_contradicted``, ``negative_neutral`` and ``negative_entailed`` of
    negatives, the text of the tier being the premise.
    """
    steps = [list(zip(row.positive[1:], row.positive, strict=False)) for row in chains.rows]
    opposed = [list(zip(row.positive, row.negative or (), strict=False)) for row in chains.rows]
    pairs = list(dict.fromkeys(pair for row in (*steps, *opposed) for pair in row))
    parts = [pairs[start : start + PAIRS_AT_ONCE] for start in range(0, len(pairs), PAIRS_AT_ONCE)]
    answers = [judge.probabilities(part).argmax(axis=1) for part in track(parts, "judging", enabled=progress, size=len)]
    column = dict(zip(pairs, np.concatenate(answers).tolist(), strict=True))
    forward = np.array([[column[pair] for pair in row] for row in steps])
    against = np.array([[column[pair] for pair in row] or [-1] * chains.tiers for row in opposed])
    opposing = (against >= 0).astype(float)
    rates = {"chain_entailed": share((forward == ENTAILMENT).all(axis=1))}
    for name, label in CLASSES.items():
        rates |= by_tier(f"forward_{name}", (forward == label).astype(float))
    for name, label in CLASSES.items():
        rates |= by_tier(f"negative_{name}", (against == label).astype(float), opposing)
    return rates


def decided_rates(chains: Hierarchy, decisions: Mapping[int, frozenset[str]]) -> dict[str, Ratio]:
    """Shares of what a person read, from `row_id` -> the texts that are wrong.

    ``accepted``: of chains none of whose texts is wrong; ``steps_accepted``: of texts that are right, negatives among
    them and the most specific texts, which are the captions themselves, not.
    """
    read = np.array([row.row_id in decisions for row in chains.rows], float)
    wrong = [decisions.get(row.row_id, frozenset()) for row in chains.rows]
    caption = frozenset([f"tier {chains.tiers - 1}"])
    steps = np.array([chains.tiers * (1 if row.negative is None else 2) - 1 for row in chains.rows])
    right = steps - np.array([len(texts - caption) for texts in wrong])
    return {
        "accepted": Ratio(read * [not texts for texts in wrong], read),
        "steps_accepted": Ratio(read * right, read * steps),
    }
