"""How good chains are: what a judge says of them, their lengths and repeats, and where a model puts them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np
import torch

from hiergeo import adapters
from hiergeo._core import limits
from hiergeo._core.errors import check_whole
from hiergeo._core.progress import track
from hiergeo._core.records import json_text
from hiergeo._core.version import __version__
from hiergeo.adapters import Model
from hiergeo.construction import agreement
from hiergeo.construction.judges import CONTRADICTION, ENTAILMENT, NEUTRAL, Judge
from hiergeo.construction.making import judge_named
from hiergeo.construction.pooling import TIER, Difference, Pooled, Ratio, by_tier, declare_rates, rate
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation import Compute, View, embed
from hiergeo.evaluation.embedded import ON_THE_CPU
from hiergeo.evaluation.length import LENGTH, NO_EQUAL_TIERS, PairLengths, order_and_length
from hiergeo.evaluation.measuring import native_space
from hiergeo.evaluation.metrics import Interval, tau_d_rows
from hiergeo.evaluation.metrics.length import chain_lengths, tier_pairs
from hiergeo.evaluation.protocols import score_pairs

PAIRS_AT_ONCE = 1 << 12
"""Pairs of texts that a judge is asked about at a time."""

ACCEPTED = "accepted"
"""The share of chains that a person accepted."""

OWN_RULES = "rules"
"""The judge that shares its rules with a backend."""

declare_rates(
    rate(ACCEPTED, "accepted by a person"),
    rate("forward_entailed", "entailed"),
    rate("forward_neutral", "neutral", False),
    rate("forward_contradicted", "contradicting", False),
    rate("chain_entailed", "whole chain entailed"),
    rate("negative_contradicted", "negatives that contradict"),
    rate("negative_neutral", "neutral negatives", False),
    rate("negative_entailed", "entailed negatives", False),
    rate("radii_grow", "radii grow"),
)


class Verdicts(NamedTuple):
    """What a judge says of chains.

    Attributes:
        forward: (n, T - 1, 3) probabilities that tier i + 1 entails, says nothing of and contradicts tier i.
        against: (n, T, 3) the same of each positive as premise and the negative of its tier; NaN without negatives.
    """

    forward: np.ndarray
    against: np.ndarray

    @property
    def scores(self) -> np.ndarray:
        """(n,) mean over a row of the probabilities that were hoped for, in [0, 1]."""
        hoped = np.concatenate([self.forward[:, :, ENTAILMENT], self.against[:, :, CONTRADICTION]], axis=1)
        return np.asarray(np.nanmean(hoped, axis=1))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Quality:
    """How good the chains of a set are.

    Attributes:
        chains: what was measured.
        pooled: every rate and statistic, by image.
        counts: metric -> plain number without an interval.
        baselines: metric -> baseline by name -> its value where the model plays no part.
        verdicts: what the judge answered for each row.
        settings: dataset, split, judge, model, geometry, numbers of rows, images and chains that a person read (None
            without decisions), seed, samples, version.
        left_out: metric that was not measured -> why.
    """

    chains: Hierarchy
    pooled: Pooled
    counts: dict[str, float]
    baselines: dict[str, dict[str, float]]
    verdicts: Verdicts
    settings: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Name -> value; ``_tierK`` are those of one tier, or of the pair of tiers K and K + 1."""
        return self.pooled.values | self.counts

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """95 % intervals over images of the metrics that have one: `Pooled.intervals`."""
        return self.pooled.intervals(self.settings["bootstrap_samples"], self.settings["seed"])

    def less(self, other: "Quality") -> dict[str, Difference]:
        """The metrics of this set less those of another, over the images that both have; empty without any."""
        return self.pooled.less(other.pooled, self.settings["bootstrap_samples"], self.settings["seed"])

    def ordered(self) -> tuple[int, ...]:
        """Positions of the rows, those that the judge likes best first; equal ones in random order by the seed."""
        chance = np.random.default_rng(self.settings["seed"]).permutation(len(self.chains.rows))
        return tuple(np.lexsort((chance, -self.verdicts.scores)).tolist())

    def for_card(self) -> dict[str, float]:
        """The metrics over all tiers for the card of the data, each with the judge or the model that it rests on."""
        by = dict.fromkeys(judged_rates(self.verdicts), f" (judge {self.settings['judge']})")
        by |= dict.fromkeys(self.baselines, f" (model {self.settings['model']})")
        by[ACCEPTED] = f" (of {self.settings['chains_read']} read by hand)"
        return {f"{name}{by.get(name, '')}": value for name, value in self.metrics.items() if TIER not in name}

    def as_dict(self) -> dict[str, Any]:
        """What `to_json` writes, `metrics` first."""
        return {
            "metrics": self.metrics,
            "intervals": {name: list(each) for name, each in self.intervals.items()},
            "baselines": self.baselines,
            "left_out": self.left_out,
            "settings": self.settings,
        }

    def to_json(self) -> str:
        """The result as a JSON object whose first key, ``metrics``, is a flat object name -> number."""
        return json_text(self.as_dict())


def quality(
    chains: Hierarchy,
    *,
    judge: Judge | str = OWN_RULES,
    model: Model | str | None = None,
    decisions: Mapping[int, bool] | None = None,
    seed: int = 0,
    samples: int = 1000,
    compute: Compute = ON_THE_CPU,
    progress: bool = False,
) -> Quality:
    """Measure chains; intervals are over images.

    Args:
        chains: n rows; negatives are judged where there are any.
        judge: says what entails and contradicts what, or the spec of one, such as ``transformers:PATH``. ``rules``
            reasons as the backend ``wordnet`` writes and so favours its chains.
        model: embeds texts: gives the order of radii and the AUROC of negatives; None
            leaves them out. Radii and angles are those of the space that it brings, otherwise Euclidean.
        decisions: `row_id` -> whether a person accepted the chain, from `hiergeo.construction.decisions`; gives
            ``accepted``.
        seed: of the bootstrap.
        samples: bootstrap resamples.
        compute: where and in which batches texts are embedded.
        progress: show bars for work that outlasts a second.

    Raises:
        InputError: settings out of range, or an unknown judge or model.
        UnavailableError: a judge or model that cannot be run.
    """
    check_whole("samples", samples, 1, limits.COUNT)
    check_whole("seed", seed, 0, limits.SEED)
    with opened(judge, model, compute) as (asked, loaded):
        ratios = agreement.length_rates(chains) | agreement.distinctness_rates(chains) | agreement.word_rates(chains)
        verdicts = judged(chains, asked, progress=progress)
        identity = asked.identity
    by_hand = {} if decisions is None else accepted_rate(chains, decisions)
    measured = ModelRates() if loaded is None else modelled(loaded, chains, compute, progress=progress)
    rates = by_hand | judged_rates(verdicts) | ratios | measured.ratios
    pooled = Pooled.of(chains, rates, measured.statistics)
    return Quality(
        chains,
        pooled,
        agreement.distinct_shares(chains),
        measured.baselines,
        verdicts,
        {
            "dataset": chains.name,
            "split": chains.split,
            "rows": len(chains.rows),
            "images": len({row.image_id for row in chains.rows} - {None}),
            "tiers": chains.tiers,
            "chains_read": None if decisions is None else int(by_hand[ACCEPTED].denominator.sum()),
            "judge": asked.name,
            "judge_identity": identity,
            "model": None if loaded is None else loaded.name,
            "geometry": None if loaded is None else native_space(loaded).geometry.spec,
            "seed": seed,
            "bootstrap_samples": samples,
            "hiergeo": __version__,
        },
        {name: why for name, why in _whys(chains, loaded).items() if name not in pooled.values},
    )


def _whys(chains: Hierarchy, model: Model | None) -> dict[str, str]:
    """Metrics that may not be measured, and why."""
    has = [row.negative is not None for row in chains.rows]
    some = "not every chain has negatives" if any(has) else "the chains have no negatives"
    no_model = "no model embeds the texts (--model)"
    by_model = ("tau_d", "tau_d_equal_length", "radii_grow", "auroc")
    whys = dict.fromkeys(by_model, no_model) if model is None else {"tau_d_equal_length": NO_EQUAL_TIERS}
    return {"negative_contradicted": some, "words_negative": some, "auroc": some, **whys}


@contextmanager
def opened(judge: Judge | str, model: Model | str | None, compute: Compute) -> Iterator[tuple[Judge, Model | None]]:
    """A judge and a model by their specs, or as they are; a judge by its spec is closed with the block."""
    loaded = adapters.load(model, device=str(compute.device)) if isinstance(model, str) else model
    with closing(judge_named(judge)) if isinstance(judge, str) else nullcontext(judge) as asked:
        yield asked, loaded


def judged(chains: Hierarchy, judge: Judge, *, progress: bool = False) -> Verdicts:
    """Ask a judge about every adjacent pair of tiers and about every negative; each distinct pair of texts once."""
    forward = [(row.positive[tier + 1], row.positive[tier]) for row in chains.rows for tier in range(chains.tiers - 1)]
    against = [pair for row in chains.rows if row.negative for pair in zip(row.positive, row.negative, strict=True)]
    pairs = list(dict.fromkeys((*forward, *against)))
    places = {pair: place for place, pair in enumerate(pairs)}
    parts = [pairs[start : start + PAIRS_AT_ONCE] for start in range(0, len(pairs), PAIRS_AT_ONCE)]
    answers = np.concatenate(
        [judge.probabilities(part) for part in track(parts, "judging", enabled=progress, size=len)]
    )
    rows = len(chains.rows)
    contradicting = np.full((rows, chains.tiers, 3), np.nan)
    has = np.array([row.negative is not None for row in chains.rows])
    if against:
        contradicting[has] = answers[[places[pair] for pair in against]].reshape(-1, chains.tiers, 3)
    return Verdicts(answers[[places[pair] for pair in forward]].reshape(rows, -1, 3), contradicting)


def judged_rates(verdicts: Verdicts) -> dict[str, Ratio]:
    """Shares of pairs by the class that the judge finds most probable.

    ``forward_entailed``, ``forward_neutral`` and ``forward_contradicted`` of adjacent tiers, ``chain_entailed`` of rows
    whose adjacent tiers are all entailed; ``negative_contradicted``, ``negative_neutral`` and ``negative_entailed`` of
    negatives.
    """
    forward = verdicts.forward.argmax(axis=2)
    known = np.isfinite(verdicts.against).all(axis=2)
    against = np.where(known, np.nan_to_num(verdicts.against).argmax(axis=2), -1)
    rates: dict[str, Ratio] = {}
    for name, label in (("entailed", ENTAILMENT), ("neutral", NEUTRAL), ("contradicted", CONTRADICTION)):
        rates |= by_tier(f"forward_{name}", (forward == label).astype(float))
    whole = (forward == ENTAILMENT).all(axis=1).astype(float)
    rates["chain_entailed"] = Ratio(whole, np.ones(len(whole)))
    for name, label in (("contradicted", CONTRADICTION), ("neutral", NEUTRAL), ("entailed", ENTAILMENT)):
        rates |= by_tier(f"negative_{name}", (against == label).astype(float), known.astype(float))
    return rates


def accepted_rate(chains: Hierarchy, decisions: Mapping[int, bool]) -> dict[str, Ratio]:
    """``accepted``: share of the chains read by a person that were accepted, from `row_id` -> decision."""
    hits = [decisions.get(row.row_id, False) for row in chains.rows]
    read = [row.row_id in decisions for row in chains.rows]
    return {ACCEPTED: Ratio(np.array(hits, float), np.array(read, float))}


@dataclass(frozen=True)
class ModelRates:
    """What a model says of chains: rates, functions of counts of rows, and baselines by metric."""

    ratios: dict[str, Ratio] = field(default_factory=dict)
    statistics: dict[str, Callable[[np.ndarray], float]] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)


@torch.no_grad()
def modelled(model: Model, chains: Hierarchy, compute: Compute = ON_THE_CPU, *, progress: bool = False) -> ModelRates:
    """Order of radii (`radial_rates`), and the AUROC of negatives, which are ranked where every row has them.

    The AUROC is that of the protocol ``pairs``, by -Xi, in a product by the cone margin.
    """
    embedded = embed(model, chains, images=False, negatives=True, compute=compute, progress=progress)
    view = View(embedded, native_space(model).rooted(embedded.root))
    measured = radial_rates(view.radii, chains)
    if embedded.contradicting is None:
        return measured
    outcome = score_pairs(view.captions, embedded.chains, embedded.contradicting, view.space, PairLengths.of(chains))
    by_angle = "auroc" in outcome.statistics
    shown = [name for name in outcome.statistics if name.startswith("auroc") and by_angle != ("_margin" in name)]
    return ModelRates(
        measured.ratios,
        {name: outcome.statistics[name].of for name in shown},
        measured.baselines | {name: outcome.baselines[name] for name in shown},
    )


def radial_rates(radii: np.ndarray, chains: Hierarchy) -> ModelRates:
    """``tau_d``, ``tau_d_equal_length`` and ``radii_grow`` (share of rows whose radii grow strictly), and baselines.

    Args:
        radii: (n, T) of the positive chains, geodesic units.
        chains: whose they are.
    """
    words = chain_lengths(row.positive for row in chains.rows)
    ones = np.ones(len(words))
    equal = tier_pairs(radii, words, "equal")
    rates = {
        "tau_d": Ratio(tau_d_rows(radii), ones),
        "tau_d_equal_length": Ratio(equal.concordance, equal.pairs.astype(float)),
        "radii_grow": Ratio((np.diff(radii) > 0).all(axis=1).astype(float), ones),
    }
    grown = {LENGTH: float((np.diff(words) > 0).all(axis=1).mean())}
    baselines = order_and_length(radii, chains).baselines | {"radii_grow": grown}
    return ModelRates(rates, {}, baselines)
