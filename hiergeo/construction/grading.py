"""How good chains are: what a person decided, what a judge says, and their lengths, repeats and head nouns."""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias, final

import numpy as np

from hiergeo._core.progress import track
from hiergeo._core.records import Records, json_text
from hiergeo._core.version import __version__
from hiergeo.construction import language
from hiergeo.construction.build_plan import made
from hiergeo.construction.drafts import normalised
from hiergeo.construction.judges import CONTRADICTION, ENTAILMENT, JUDGES, NEUTRAL, Judge
from hiergeo.datasets import Hierarchy, Row
from hiergeo.evaluation.metrics import Interval, share_interval
from hiergeo.evaluation.metrics.length import chain_lengths

PAIRS_AT_ONCE = 1 << 12  # pairs of texts that a judge is asked about at a time

CLASSES = {"entailed": ENTAILMENT, "neutral": NEUTRAL, "contradicted": CONTRADICTION}
"""What a judge can say of a pair -> its column."""

TIER = "_tier"  # what stands between the name of a rate and the number of a tier, from 0 for the most general one

Rates: TypeAlias = dict[str, tuple[np.ndarray, np.ndarray]]
"""Name -> what each row adds to a rate above and below, (n, tiers), or (n, 1) for one of whole chains."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Quality:
    """How good the chains of a set are.

    Attributes:
        metrics: name -> value; ``_tierK`` are those of one tier, or of the pair of tiers K and K + 1.
        intervals: of the metrics that are shares of independent items, 95 % intervals over images.
        settings: dataset, split, judge, numbers of rows, images, tiers and chains that a person read, version.
        left_out: metric that was not measured -> why.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval]
    settings: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def records(self) -> Records:
        """A row a metric: its value over all tiers, its interval, and its value at each tier."""
        tiers = range(self.settings["tiers"])
        rows = (
            (
                name,
                self.metrics.get(name),
                *self.intervals.get(name, (None, None)),
                *(self.metrics.get(f"{name}{TIER}{tier}") for tier in tiers),
            )
            for name in dict.fromkeys(name.partition(TIER)[0] for name in self.metrics)
        )
        keys = ("metric", "value", "low", "high", *(f"tier{tier}" for tier in tiers))
        return Records.of(keys, rows, "95 % intervals over images. Of two adjacent tiers: at the more general one.")

    def to_json(self) -> str:
        """The result as a JSON object whose first key, ``metrics``, is a flat object name -> number."""
        intervals = {name: list(interval) for name, interval in self.intervals.items()}
        parts = {"metrics": self.metrics, "intervals": intervals, "left_out": self.left_out, "settings": self.settings}
        return json_text(parts)


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
    settings: dict[str, Any] = {
        "dataset": chains.name,
        "split": chains.split,
        "rows": len(chains.rows),
        "images": len({row.image_id for row in chains.rows} - {None}),
        "tiers": chains.tiers,
        "chains_read": None if decisions is None else sum(row.row_id in decisions for row in chains.rows),
        "judge": None,
        "hiergeo": __version__,
    }
    rates: Rates = {} if decisions is None else decided_rates(chains, decisions)
    if judge is not None:
        with closing(made(JUDGES, Judge, judge, {})) if isinstance(judge, str) else nullcontext(judge) as opened:
            rates |= judged_rates(chains, opened, progress=progress)
            settings |= {"judge": opened.name, "judge_identity": opened.identity}
    rates |= text_rates(chains) | noun_rates(chains)
    rates = {name: rate for name, rate in by_tier(rates).items() if np.any(rate[1])}
    metrics = {name: float(above.sum() / below.sum()) for name, (above, below) in rates.items()}
    _, group = np.unique([repr(_item(row)) for row in chains.rows], return_inverse=True)
    intervals = {
        name: share_interval(*(np.bincount(group, weights=part.sum(axis=1)) for part in rate))
        for name, rate in rates.items()
    }
    metrics |= _means(chains)
    left_out = (
        {} if judge else {"forward_entailed": "no judge (--judge)", "negative_contradicted": "no judge (--judge)"}
    )
    if "words_negative" not in metrics:
        left_out |= dict.fromkeys(("negative_contradicted", "words_negative"), "the chains have no negatives")
    return Quality(metrics, intervals, settings, left_out)


def by_tier(rates: Rates) -> Rates:
    """The rates, each of several tiers followed by that of each tier."""
    parts: Rates = {}
    for name, (above, below) in rates.items():
        parts[name] = (above, below)
        for tier in range(above.shape[1] if above.shape[1] > 1 else 0):
            parts[f"{name}{TIER}{tier}"] = (above[:, [tier]], below[:, [tier]])
    return parts


def _share(hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of hits, (n,) or (n, tiers)."""
    above = hits.reshape(len(hits), -1).astype(float)
    return above, np.ones(above.shape)


def _item(row: Row) -> object:
    """What is independent of others: the image of a row, or its most specific caption where it has none."""
    return row.positive[-1] if row.image_id is None else row.image_id


def _means(chains: Hierarchy) -> dict[str, float]:
    """Mean numbers of words, ``words`` and ``words_negative``, and distinct texts of each tier over rows."""
    means: dict[str, float] = {}
    negatives = [row.negative for row in chains.rows if row.negative is not None]
    for name, texts in (("words", [row.positive for row in chains.rows]), ("words_negative", negatives)):
        if texts:
            lengths = chain_lengths(texts)
            means[name] = float(lengths.mean())
            means |= {f"{name}{TIER}{tier}": float(mean) for tier, mean in enumerate(lengths.mean(axis=0))}
    for tier in range(chains.tiers):
        distinct = {normalised(row.positive[tier]) for row in chains.rows}
        means[f"texts_distinct{TIER}{tier}"] = len(distinct) / len(chains.rows)
    return means


def text_rates(chains: Hierarchy) -> Rates:
    """Growth and repeats, texts compared as `normalised`; a text is shared with rows of other images."""
    texts = [[normalised(text) for text in row.positive] for row in chains.rows]
    used = {
        (_item(row), tier, text) for row, own in zip(chains.rows, texts, strict=True) for tier, text in enumerate(own)
    }
    owners = Counter((tier, text) for _, tier, text in used)
    shared = np.array([[owners[tier, text] > 1 for tier, text in enumerate(own)] for own in texts])
    equal, judged = np.zeros(shared.shape), np.zeros(shared.shape)
    for index, (own, row) in enumerate(zip(texts, chains.rows, strict=True)):
        if row.negative is not None:
            judged[index] = 1
            equal[index] = [text == normalised(other) for text, other in zip(own, row.negative, strict=True)]
    words = chain_lengths(row.positive for row in chains.rows)
    return {
        "words_grow": _share(np.all(np.diff(words) > 0, axis=1)),
        "texts_repeated": _share(np.array([len(set(own)) < len(own) for own in texts])),
        "texts_shared": _share(shared),
        "negative_equal": (equal, judged),
    }


def noun_rates(chains: Hierarchy) -> Rates:
    """Pairs of adjacent tiers that both have a head noun, and of these those of equal nouns or a noun and its kind."""
    lexicon, head = language.lexicon(), cache(language.head_noun)
    is_a = cache(lambda specific, general: general == specific or lexicon.is_a(specific, general))
    both, right = (np.zeros((len(chains.rows), chains.tiers - 1)) for _ in range(2))
    for index, row in enumerate(chains.rows):
        for tier, texts in enumerate(zip(row.positive, row.positive[1:], strict=False)):
            general, specific = map(head, texts)
            if general is not None and specific is not None:
                both[index, tier] = 1
                right[index, tier] = is_a(specific, general)
    return {"head_noun": (right, both), "head_noun_found": _share(both)}


def judged_rates(chains: Hierarchy, judge: Judge, *, progress: bool = False) -> Rates:
    """Pairs by the class that a judge finds most probable, each distinct pair of texts judged once: adjacent tiers,
    and negatives whose premise is the text of their tier."""
    steps = [list(zip(row.positive[1:], row.positive, strict=False)) for row in chains.rows]
    opposed = [list(zip(row.positive, row.negative or (), strict=False)) for row in chains.rows]
    pairs = list(dict.fromkeys(pair for row in (*steps, *opposed) for pair in row))
    parts = [pairs[start : start + PAIRS_AT_ONCE] for start in range(0, len(pairs), PAIRS_AT_ONCE)]
    judged = track(parts, "judging pairs", enabled=progress, size=len, total=len(pairs))
    answers = [judge.probabilities(part).argmax(axis=1) for part in judged]
    column = dict(zip(pairs, np.concatenate(answers).tolist(), strict=True))
    forward = np.array([[column[pair] for pair in row] for row in steps])
    against = np.array([[column[pair] for pair in row] or [-1] * chains.tiers for row in opposed])
    rates = {"chain_entailed": _share((forward == ENTAILMENT).all(axis=1))}
    rates |= {f"forward_{name}": _share(forward == label) for name, label in CLASSES.items()}
    opposing = (against >= 0).astype(float)
    return rates | {f"negative_{name}": ((against == label).astype(float), opposing) for name, label in CLASSES.items()}


def decided_rates(chains: Hierarchy, decisions: Mapping[int, frozenset[str]]) -> Rates:
    """Chains that a person read without a wrong text, and their texts that are right, captions left out."""
    read = np.array([[row.row_id in decisions] for row in chains.rows], float)
    wrong = [decisions.get(row.row_id, frozenset()) for row in chains.rows]
    caption = frozenset([f"tier {chains.tiers - 1}"])
    steps = np.array([[chains.tiers * (1 if row.negative is None else 2) - 1] for row in chains.rows])
    right = steps - np.array([[len(texts - caption)] for texts in wrong])
    return {
        "accepted": (read * [[not texts] for texts in wrong], read),
        "steps_accepted": (read * right, read * steps),
    }
