"""Caption length in an audit: does the order of the tiers survive where length is held fixed, removed or all there is?

Four controls. *Equal length*: only tiers of a chain with as many words are compared, and, as the hardest case, those
whose more specific text is the shorter one. *Content-free*: the same chains with captions "a thing a thing ..." of the
same lengths. *Shuffled* and *exchanged*: the words of each caption in random order, or those of the whole dataset dealt
out anew. *Untrained*: copies of the network with random weights.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from hiergeo import adapters
from hiergeo._progress import track
from hiergeo.adapters import Model
from hiergeo.adapters.head import HeadModel
from hiergeo.adapters.npz import NpzModel
from hiergeo.auditing.subject import Subject
from hiergeo.datasets import Hierarchy
from hiergeo.datasets.controls import content_free, exchanged_words, shuffled_words
from hiergeo.errors import InputError, check_whole
from hiergeo.evaluation.embedded import ON_THE_CPU, Compute, Embedded, embed
from hiergeo.evaluation.measuring import as_space, native_space
from hiergeo.evaluation.protocols import View
from hiergeo.evaluation.result import Statistic, mean_of
from hiergeo.findings.exports import json_text
from hiergeo.geometry import Geometry, Space
from hiergeo.metrics import Interval, percentile_interval, tau_d, tau_d_rows
from hiergeo.metrics.length import Condition, PartialTau, TierPairs, chain_lengths, partial_spearman, tier_pairs

CHANCE = 0.5
"""Share of pairs that an order without knowledge gets right."""


class Estimate(NamedTuple):
    """A number with its 95 % bootstrap interval, clustered by chain.

    Attributes:
        value: the number.
        interval: its interval.
        pairs: how many pairs of tiers it is computed from.
    """

    value: float
    interval: Interval
    pairs: int


class Order(NamedTuple):
    """How radii order the tiers of chains.

    Attributes:
        tau_d: over all pairs of tiers, in [-1, 1].
        equal: share of the pairs of equally many words that are in the right order, ties one half; None without any.
        shorter: the same of the pairs whose more specific text is the shorter one.
        radii: mean radius of each tier, general to specific, geodesic units.
    """

    tau_d: Estimate
    equal: Estimate | None
    shorter: Estimate | None
    radii: tuple[float, ...]

    @property
    def spread(self) -> float:
        """Mean radius of the most specific tier minus that of the most general one, geodesic units."""
        return self.radii[-1] - self.radii[0]


@dataclass(frozen=True)
class LengthFacts:
    """What is left of an order of tiers when the length of captions is controlled.

    Attributes:
        model: what was measured.
        data: dataset and split.
        geometry: spec of the space.
        order: the model as it is.
        words: tau_d of counting words, the baseline.
        characters: tau_d of counting characters.
        gain: tau_d of the model minus that of counting words, paired by chain.
        partial_tau: Kendall's partial correlation of radius and tier given words, within chains; None if undefined.
        partial_spearman: Spearman's over all captions; NaN if undefined.
        content_free: the same chains without content, or None for stored embeddings.
        shuffled: with the words of each caption shuffled.
        exchanged: with the words of all captions exchanged.
        untrained: one a copy of the network with random weights; empty where there is none.
    """

    model: str
    data: str
    geometry: str
    order: Order
    words: Estimate
    characters: float
    gain: Estimate
    partial_tau: Estimate | None
    partial_spearman: float
    content_free: Order | None = None
    shuffled: Order | None = None
    exchanged: Order | None = None
    untrained: tuple[Order, ...] = ()

    @property
    def content_free_share(self) -> float | None:
        """Spread of the content-free captions divided by that of the real ones: what length alone accounts for.

        Of little meaning where the real captions hardly spread.
        """
        return None if self.content_free is None else self.content_free.spread / self.order.spread

    @property
    def untrained_equal(self) -> tuple[float, float, float] | None:
        """Smallest, mean and largest share of equal-length pairs that untrained copies order rightly."""
        return _range([each.equal.value for each in self.untrained if each.equal is not None])

    @property
    def untrained_tau_d(self) -> tuple[float, float, float] | None:
        """Smallest, mean and largest tau_d of untrained copies."""
        return _range([each.tau_d.value for each in self.untrained])

    @property
    def survives(self) -> bool | None:
        """Whether the order of the tiers is more than one of length; None where no tiers have equal lengths.

        The interval of the share of equal-length pairs in the right order must lie above one half, and above the share
        of every untrained copy.
        """
        if self.order.equal is None:
            return None
        best = self.untrained_equal
        return self.order.equal.interval.low > max(CHANCE, -np.inf if best is None else best[2])

    @property
    def sentences(self) -> tuple[str, ...]:
        """The verdict, and one sentence for each control."""
        return tuple(_sentences(self))

    @property
    def verdict(self) -> str:
        """The same as one text."""
        return " ".join(self.sentences)

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        derived = {
            "survives": self.survives,
            "content_free_share": self.content_free_share,
            "untrained_tau_d": self.untrained_tau_d,
            "untrained_equal": self.untrained_equal,
            "verdict": self.verdict,
        }
        return _plain(asdict(self)) | derived

    def to_json(self) -> str:
        """The facts as a JSON object."""
        return json_text(self.as_dict())


@torch.no_grad()
def length_controls(
    model: Model | Embedded | str,
    data: Hierarchy | None = None,
    space: Space | Geometry | str | None = None,
    *,
    copies: int = 3,
    controls: bool = True,
    filler: Sequence[str] | None = None,
    seed: int = 0,
    samples: int = 1000,
    compute: Compute = ON_THE_CPU,
    progress: bool = False,
) -> LengthFacts:
    """Measure the order of tiers under the controls of caption length.

    Args:
        model: an adapter, the spec that loads one, or embeddings of a hierarchy. Embeddings, and models of stored ones,
            have no controls with other texts and no untrained copies.
        data: a hierarchy; None for embeddings, which bring theirs.
        space: a space, a geometry, or its spec; None is the model's own, else Euclidean space around its root.
        copies: untrained copies to measure, with the seeds `seed`, `seed` + 1, ...; 0 for none.
        controls: whether to measure captions without content and with words shuffled or exchanged.
        filler: words of content-free captions, as for `content_free`.
        seed: of the bootstrap, the shuffling and the copies.
        samples: bootstrap resamples.
        compute: where embeddings are made.
        progress: draw a bar.

    Raises:
        InputError: no data for a model, a negative number of copies, or captions that the model cannot embed.
    """
    check_whole("copies", copies, 0, 1000)
    check_whole("samples", samples, 1, 1_000_000)
    if isinstance(model, Embedded):
        chosen = Space("euclidean") if space is None else as_space(space)
        return _facts(model, chosen, seed, samples)
    if data is None:
        raise InputError("the length controls of a model need data: give a hierarchy.")
    loaded = adapters.load(model) if isinstance(model, str) else model
    chosen = native_space(loaded) if space is None else as_space(space)
    if _is_stored(loaded):
        copies, controls = 0, False

    def embedded(which: Model, hierarchy: Hierarchy) -> Embedded:
        return embed(which, hierarchy, images=False, compute=compute)

    facts = _facts(embedded(loaded, data), chosen, seed, samples)
    words = _words(data)
    altered = {}
    if controls:
        altered = {
            "content_free": content_free(data, filler),
            "shuffled": shuffled_words(data, seed),
            "exchanged": exchanged_words(data, seed),
        }
    found: dict[str, Any] = {}
    for name, hierarchy in track(list(altered.items()), "controls of length", enabled=progress):
        found[name] = order_of(_radii(embedded(loaded, hierarchy), chosen), words, seed, samples)
    untrained = []
    for copy_seed in track(range(seed, seed + copies), "untrained copies", enabled=progress):
        fresh = adapters.untrained(loaded, copy_seed)
        untrained.append(order_of(_radii(embedded(fresh, data), chosen), words, seed, samples))
    return LengthFacts(**{**vars(facts), **found, "untrained": tuple(untrained)})


def order_of(radii: np.ndarray, words: np.ndarray, seed: int, samples: int) -> Order:
    """The order of tiers by radii (n, T) at all lengths, at equal ones and against reversed ones."""
    chains = mean_of(tau_d_rows(radii))
    pairs = radii.shape[0] * radii.shape[1] * (radii.shape[1] - 1) // 2
    return Order(
        _estimate(chains, pairs, seed, samples),
        _share(radii, words, "equal", seed, samples),
        _share(radii, words, "shorter", seed, samples),
        tuple(radii.mean(axis=0).tolist()),
    )


def _facts(embedded: Embedded, space: Space, seed: int, samples: int) -> LengthFacts:
    """The facts that need no other texts than those embedded."""
    hierarchy, radii = embedded.hierarchy, _radii(embedded, space)
    words = _words(hierarchy)
    characters = chain_lengths((row.positive for row in hierarchy.rows), "characters")
    own, counted = tau_d_rows(radii), tau_d_rows(words)
    order = order_of(radii, words, seed, samples)
    partial = PartialTau(radii, words)
    defined = not np.isnan(partial.value())
    return LengthFacts(
        model=embedded.model,
        data=f"{hierarchy.name} {hierarchy.split}",
        geometry=space.geometry.spec,
        order=order,
        words=_estimate(mean_of(counted), order.tau_d.pairs, seed, samples),
        characters=float(tau_d_rows(characters).mean()),
        gain=_estimate(mean_of(own - counted), order.tau_d.pairs, seed, samples),
        partial_tau=_estimate(Statistic(len(radii), partial.value), order.tau_d.pairs, seed, samples)
        if defined
        else None,
        partial_spearman=partial_spearman(radii, words),
    )


def _is_stored(model: Model) -> bool:
    """Whether the embeddings come from a file, so that no other texts can be embedded."""
    return isinstance(model.base if isinstance(model, HeadModel) else model, NpzModel)


def _radii(embedded: Embedded, space: Space) -> np.ndarray:
    return View(embedded, space.rooted(embedded.root)).radii


def _words(hierarchy: Hierarchy) -> np.ndarray:
    return chain_lengths(row.positive for row in hierarchy.rows)


def _share(radii: np.ndarray, words: np.ndarray, condition: Condition, seed: int, samples: int) -> Estimate | None:
    chosen: TierPairs = tier_pairs(radii, words, condition).measurable
    if not len(chosen.pairs):
        return None
    return _estimate(Statistic(len(chosen.pairs), chosen.share_right), int(chosen.pairs.sum()), seed, samples)


def _estimate(statistic: Statistic, pairs: int, seed: int, samples: int) -> Estimate:
    return Estimate(statistic.value, percentile_interval(statistic.draws(samples, seed)), pairs)


def _range(values: Sequence[float]) -> tuple[float, float, float] | None:
    return (min(values), float(np.mean(values)), max(values)) if values else None


def _plain(value: Any) -> Any:
    """Named tuples as objects, however deep."""
    if isinstance(value, Interval):
        return list(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _sentences(facts: LengthFacts) -> Iterator[str]:
    tau_d, equal, shorter = facts.order.tau_d.value, facts.order.equal, facts.order.shorter
    if facts.survives is None:
        yield "Length was not controlled: no two tiers of a chain have equally many words."
    else:
        yield f"The order of the tiers {'survives' if facts.survives else 'does not survive'} the controls of length."
    low, high = facts.gain.interval
    compared = "better than" if low > 0 else "worse than" if high < 0 else "no better than"
    yield (
        f"By tau_d, radii ({tau_d:.3f}) order the tiers {compared} a count of words ({facts.words.value:.3f}): "
        f"difference {facts.gain.value:+.3f} ({low:+.3f} to {high:+.3f})."
    )
    if equal is not None:
        copies = facts.untrained_equal
        of_copies = "" if copies is None else f"; in untrained copies {_percent(copies[0])} to {_percent(copies[2])}"
        yield f"Of {equal.pairs} pairs of tiers with equally many words {_told(equal)} are in order{of_copies}."
    if shorter is not None:
        yield f"Of {shorter.pairs} pairs whose more specific text is the shorter one {_told(shorter)} are."
    if facts.content_free is not None:
        empty, full = (f"{min(each):.2f} to {max(each):.2f}" for each in (facts.content_free.radii, facts.order.radii))
        yield (
            f"Captions without content, of the same lengths, have a tau_d of {facts.content_free.tau_d.value:.3f} and "
            f"mean radii of {empty} over the tiers, the real ones {full}."
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _told(estimate: Estimate) -> str:
    low, high = (f"{100 * bound:.1f}" for bound in estimate.interval)
    return f"{_percent(estimate.value)} ({low} to {high} %)"


def length_facts(subject: Subject) -> tuple[dict[str, float], dict[str, Statistic]]:
    """Plain numbers, and statistics over the chains that can tell; those that nothing can tell are left out.

    Numbers: `length_tau_d` and `length_tau_d_characters`, tau_d of the numbers of words and of characters. Statistics:
    `right_equal_length`, the share of the pairs of tiers with equally many words that radii order rightly (ties one
    half); `right_shorter`, the same where the more specific caption is the shorter one; `partial_tau`, the correlation
    of radius and tier given the number of words. See `hiergeo.metrics.length`.
    """
    chains = [row.positive for row in subject.embedded.hierarchy.rows]
    words, radii = chain_lengths(chains), subject.radii
    numbers = {
        "length_tau_d": tau_d(words),
        "length_tau_d_characters": tau_d(chain_lengths(chains, "characters")),
    }
    return numbers, dict(_statistics(radii, words))


def _statistics(radii: np.ndarray, words: np.ndarray) -> Iterator[tuple[str, Statistic]]:
    conditions: tuple[tuple[str, Condition], ...] = (("right_equal_length", "equal"), ("right_shorter", "shorter"))
    for name, condition in conditions:
        pairs = tier_pairs(radii, words, condition).measurable
        if len(pairs.pairs):
            yield name, Statistic(len(pairs.pairs), pairs.share_right)
    partial = PartialTau(radii, words)
    if not math.isnan(partial.value()):
        yield "partial_tau", Statistic(len(radii), partial.value)
