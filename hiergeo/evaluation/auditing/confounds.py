"""Caption length in an audit: does the order of the tiers survive where length is held fixed, removed or all there is?

Four controls. *Equal length*: only tiers of a chain with as many words are compared, and, as the hardest case, those
whose more specific text is the shorter one. *Content-free*: the same chains with captions "a thing a thing ..." of the
same lengths. *Shuffled* and *exchanged*: the words of each caption in random order, or those of the whole dataset dealt
out anew. *Untrained*: copies of the network with random weights.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from hiergeo import adapters
from hiergeo._core import limits
from hiergeo._core.devices import resolve_device
from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.progress import track
from hiergeo.adapters import Model
from hiergeo.adapters.head import HeadModel
from hiergeo.adapters.npz import NpzModel
from hiergeo.datasets import Hierarchy
from hiergeo.datasets.controls import content_free, exchanged_words, shuffled_words
from hiergeo.evaluation.auditing.held_length import EQUAL, SHORTER, partial_of, shares_right
from hiergeo.evaluation.embedded import ON_THE_CPU, Compute, Embedded, embed
from hiergeo.evaluation.findings.exports import json_text
from hiergeo.evaluation.measuring import as_space, ready
from hiergeo.evaluation.metrics import CHANCE, Interval, percentile_interval, tau_d_rows
from hiergeo.evaluation.metrics.length import chain_lengths, partial_spearman
from hiergeo.evaluation.protocols import View
from hiergeo.evaluation.result import Statistic, mean_of
from hiergeo.geometry import Geometry, Space

MOST_COPIES = 1000
"""Untrained copies at most."""

UNKNOWN = Interval(math.nan, math.nan)


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

        Of little meaning where the real captions hardly spread; None where they do not spread at all, or without
        the control.
        """
        if self.content_free is None or self.order.spread == 0:
            return None
        return self.content_free.spread / self.order.spread

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


@dataclass(frozen=True)
class LengthSettings:
    """How to control length.

    Attributes:
        copies: untrained copies to measure, with the seeds `seed`, `seed` + 1, ...; 0 for none.
        controls: whether to measure captions without content and with words shuffled or exchanged.
        filler: words of content-free captions, as for `hiergeo.datasets.content_free`.
        seed: of the bootstrap, the shuffling and the copies.
        samples: bootstrap resamples.

    Raises:
        InputError: a number out of range.
    """

    copies: int = 3
    controls: bool = True
    filler: tuple[str, ...] | None = None
    seed: int = 0
    samples: int = 1000

    def __post_init__(self) -> None:
        check_whole("copies", self.copies, 0, MOST_COPIES)
        check_whole("seed", self.seed, 0, limits.SEED)
        check_whole("samples", self.samples, 1, limits.COUNT)


@torch.no_grad()
def length_controls(
    model: Model | Embedded | str,
    data: Hierarchy | None = None,
    space: Space | Geometry | str | None = None,
    settings: LengthSettings | None = None,
    *,
    compute: Compute = ON_THE_CPU,
    progress: bool = False,
) -> LengthFacts:
    """Measure the order of tiers under the controls of caption length.

    Args:
        model: an adapter, the spec that loads one, or embeddings of a hierarchy. Embeddings, and models of stored ones,
            have no controls with other texts and no untrained copies.
        data: a hierarchy; None for embeddings, which bring theirs.
        space: a space, a geometry, or its spec; None is the model's own, else Euclidean space around its root.
        settings: copies, controls, filler, seed and samples; None for the defaults of `LengthSettings`.
        compute: where embeddings are made.
        progress: draw a bar.

    Raises:
        InputError: no data for a model, or captions that the model cannot embed.
    """
    how = LengthSettings() if settings is None else settings
    if isinstance(model, Embedded):
        chosen = as_space("euclidean" if space is None else space)
        return _facts(model, chosen, how)
    if data is None:
        raise InputError("the length controls of a model need data: give a hierarchy.")
    loaded, chosen = ready(model, space, resolve_device(compute.device))
    if _is_stored(loaded):
        how = replace(how, copies=0, controls=False)

    def embedded(which: Model, hierarchy: Hierarchy) -> Embedded:
        return embed(which, hierarchy, images=False, compute=compute)

    facts = _facts(embedded(loaded, data), chosen, how)
    words = _words(data)
    altered = {}
    if how.controls:
        altered = {
            "content_free": content_free(data, how.filler),
            "shuffled": shuffled_words(data, how.seed),
            "exchanged": exchanged_words(data, how.seed),
        }
    found: dict[str, Any] = {}
    for name, hierarchy in track(list(altered.items()), "controls of length", enabled=progress):
        found[name] = order_of(_radii(embedded(loaded, hierarchy), chosen), words, how)
    untrained = []
    for copy_seed in track(range(how.seed, how.seed + how.copies), "untrained copies", enabled=progress):
        fresh = adapters.untrained(loaded, copy_seed)
        untrained.append(order_of(_radii(embedded(fresh, data), chosen), words, how))
    return LengthFacts(**{**vars(facts), **found, "untrained": tuple(untrained)})


def order_of(radii: np.ndarray, words: np.ndarray, how: LengthSettings) -> Order:
    """The order of tiers by radii (n, T) at all lengths, at equal ones and against reversed ones."""
    known = {name: _estimate(*each, how) for name, each in shares_right(radii, words)}
    tau = _estimate(mean_of(tau_d_rows(radii)), _pairs(radii), how)
    return Order(tau, known.get(EQUAL), known.get(SHORTER), tuple(radii.mean(axis=0).tolist()))


def _facts(embedded: Embedded, space: Space, how: LengthSettings) -> LengthFacts:
    """The facts that need no other texts than those embedded."""
    hierarchy, radii = embedded.hierarchy, _radii(embedded, space)
    words = _words(hierarchy)
    characters = chain_lengths((row.positive for row in hierarchy.rows), "characters")
    own, counted = tau_d_rows(radii), tau_d_rows(words)
    partial = partial_of(radii, words)
    drawn = None if partial is None else _estimate(partial, _pairs(radii), how)
    return LengthFacts(
        model=embedded.model,
        data=f"{hierarchy.name} {hierarchy.split}",
        geometry=space.geometry.spec,
        order=order_of(radii, words, how),
        words=_estimate(mean_of(counted), _pairs(radii), how),
        characters=float(tau_d_rows(characters).mean()),
        gain=_estimate(mean_of(own - counted), _pairs(radii), how),
        partial_tau=None if drawn is None or math.isnan(drawn.interval.low) else drawn,
        partial_spearman=partial_spearman(radii, words),
    )


def _is_stored(model: Model) -> bool:
    """Whether the embeddings come from a file, so that no other texts can be embedded."""
    return isinstance(model.base if isinstance(model, HeadModel) else model, NpzModel)


def _radii(embedded: Embedded, space: Space) -> np.ndarray:
    return View(embedded, space.rooted(embedded.root)).radii


def _words(hierarchy: Hierarchy) -> np.ndarray:
    return chain_lengths(row.positive for row in hierarchy.rows)


def undefined_left_out(statistic: Statistic, samples: int, seed: int) -> np.ndarray:
    """Bootstrap values without the resamples in which the statistic is undefined (NaN); there may be none left."""
    draws = statistic.draws(samples, seed)
    return draws[~np.isnan(draws)]


def _estimate(statistic: Statistic, pairs: int, how: LengthSettings) -> Estimate:
    draws = undefined_left_out(statistic, how.samples, how.seed)
    return Estimate(statistic.value, percentile_interval(draws) if len(draws) else UNKNOWN, pairs)


def _pairs(radii: np.ndarray) -> int:
    """How many pairs of tiers chains with radii (n, T) have."""
    return radii.shape[0] * radii.shape[1] * (radii.shape[1] - 1) // 2


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
