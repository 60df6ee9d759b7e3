"""Caption length in an audit: does the order of the tiers survive where length is held fixed, removed or all there is?

Four controls. *Equal length*: only tiers of a chain with as many words are compared, and, as the hardest case, those
whose more specific text is the shorter one. *Content-free*: the same chains with captions "a thing a thing ..." of the
same lengths. *Shuffled* and *exchanged*: the words of each caption in random order, or those of the whole dataset dealt
out anew. *Untrained*: copies of the network with random weights.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from hiergeo import adapters
from hiergeo._core import limits
from hiergeo._core.devices import resolve_device
from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.progress import track
from hiergeo._core.records import Exported, Grid, Record, Records, json_text, percent, plain
from hiergeo._core.text import caption, without_folders
from hiergeo.adapters import Model
from hiergeo.adapters.head import HeadModel
from hiergeo.adapters.npz import ArrayModel
from hiergeo.datasets import Hierarchy
from hiergeo.datasets.controls import content_free, exchanged_words, shuffled_words
from hiergeo.evaluation.answers import Answer, length_answer, order_answer
from hiergeo.evaluation.auditing.population import Measured
from hiergeo.evaluation.embedded import ON_THE_CPU, Compute, Embedded, embed
from hiergeo.evaluation.measuring import as_space, ready
from hiergeo.evaluation.metrics import tau_d_rows
from hiergeo.evaluation.metrics.length import Condition, PartialTau, chain_lengths, partial_spearman, selected_pairs
from hiergeo.evaluation.metrics.order import order_at_equal_length, order_of_tiers
from hiergeo.evaluation.metrics.sharing import Sharing, Tested, deviating_test, mean_test
from hiergeo.evaluation.protocols import View
from hiergeo.geometry import Geometry, Space


@dataclass(frozen=True)
class RadialOrder:
    """How radii order the tiers of chains; the items of a number are pairs of tiers.

    Attributes:
        tau_d: over all pairs of tiers, in [-1, 1]; those of `LengthFacts.order` that `order_of_tiers` tests.
        equal: share of the pairs of equally many words that are in the right order, ties one half; None without any.
        shorter: the same of the pairs whose more specific text is the shorter one.
        radii: mean radius of each tier, general to specific, geodesic units.
    """

    tau_d: Measured
    equal: Measured | None
    shorter: Measured | None
    radii: tuple[float, ...]

    @property
    def spread(self) -> float:
        """Mean radius of the most specific tier minus that of the most general one, geodesic units."""
        return self.radii[-1] - self.radii[0]


@dataclass(frozen=True)
class LengthFacts(Exported):
    """What is left of an order of tiers when the length of captions is controlled.

    Attributes:
        order: the model as it is.
        in_order: whether radii follow the tiers.
        beyond_length: whether they do at equal length.
        words: tau_d of counting words, the baseline.
        characters: tau_d of counting characters.
        balanced: `order.equal` where pairs whose more specific caption has more characters weigh as much as those where
            it has fewer; None without any.
        gain: tau_d of the model minus that of counting words, paired by chain.
        partial_tau: Kendall's partial correlation of radius and tier given words, within chains; None if undefined.
        partial_spearman: Spearman's over all captions; NaN if undefined.
        content_free: the same chains without content, like the following None for stored embeddings.
        shuffled: with the words of each caption shuffled.
        exchanged: with the words of all captions exchanged.
        untrained: one a copy of the network with random weights; empty where there is none.
    """

    model: str
    data: str
    geometry: str
    order: RadialOrder
    in_order: Answer
    beyond_length: Answer
    words: Measured
    characters: Measured
    balanced: Measured | None
    gain: Measured
    partial_tau: Measured | None
    partial_spearman: float
    content_free: RadialOrder | None = None
    shuffled: RadialOrder | None = None
    exchanged: RadialOrder | None = None
    untrained: tuple[RadialOrder, ...] = ()

    keys = ("control", "metric", "value", "low", "high", "items")

    @property
    def content_free_share(self) -> float | None:
        """Spread of the content-free captions by that of the real ones: what length accounts for; None without any."""
        if self.content_free is None or self.order.spread == 0:
            return None
        return self.content_free.spread / self.order.spread

    @property
    def untrained_equal(self) -> tuple[float, float, float] | None:
        """Smallest, mean and largest share of equal-length pairs that untrained copies order rightly."""
        return _range([order.equal.value for order in self.untrained if order.equal is not None])

    @property
    def untrained_tau_d(self) -> tuple[float, float, float] | None:
        """Smallest, mean and largest tau_d of untrained copies."""
        return _range([order.tau_d.value for order in self.untrained])

    @property
    def survives(self) -> bool | None:
        """Whether there is an order beyond length, surely above that of every untrained copy; None where unknown."""
        if self.order.equal is None:
            return None
        best = self.untrained_equal
        return self.beyond_length.word == "yes" and (best is None or self.order.equal.interval.low > best[2])

    @property
    def sentences(self) -> tuple[str, ...]:
        """Whether radii follow the tiers, whether they do at equal length, and what untrained copies reach there."""
        answers = (self.in_order.sentence, self.beyond_length.sentence)
        if self.untrained_equal is None:
            return answers
        low, _, high = (percent(share) for share in self.untrained_equal)
        return (*answers, f"Untrained copies have {low} to {high} of these pairs in the right order.")

    @property
    def verdict(self) -> str:
        """The same as one text."""
        return " ".join(self.sentences)

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """A row a number, with its interval and over how many items it is."""
        return self._table.records()

    def grids(self) -> Iterator[Grid]:
        """The same as one table."""
        return self._table.grids()

    @property
    def _table(self) -> Records:
        orders = {
            "the model": self.order,
            "content-free": self.content_free,
            "words shuffled": self.shuffled,
            "words exchanged": self.exchanged,
            **{f"untrained {copy}": order for copy, order in enumerate(self.untrained)},
        }
        alone = {"words alone": self.words, "characters alone": self.characters, "partial tau": self.partial_tau}
        figures = [(name, "tau_d", one) for name, one in alone.items()]
        for name, order in orders.items():
            if order is not None:
                figures += [(name, metric, getattr(order, metric)) for metric in ("tau_d", "equal", "shorter")]
        figures.append(("the model", "equal, characters balanced", self.balanced))
        about = caption(f"{without_folders(self.model)} · {self.data} · {self.geometry}")
        return Records.of(
            self.keys,
            ((*names, one.value, *one.interval, one.items) for *names, one in figures if one is not None),
            f"{about}. Equal, shorter: share of pairs of tiers in the right order. 95 % intervals.",
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        derived = {
            "survives": self.survives,
            "content_free_share": self.content_free_share,
            "untrained_tau_d": self.untrained_tau_d,
            "untrained_equal": self.untrained_equal,
            "verdict": self.verdict,
        }
        return dict(plain(self)) | derived

    def to_json(self) -> str:
        """The facts as a JSON object."""
        return json_text(self.as_dict())


@torch.no_grad()
def length_controls(
    model: Model | Embedded | str,
    data: Hierarchy | None = None,
    space: Space | Geometry | str | None = None,
    copies: int = 3,
    seed: int = 0,
    *,
    compute: Compute = ON_THE_CPU,
    progress: bool = False,
) -> LengthFacts:
    """Measure the order of tiers under the controls of caption length; other arguments as for `hiergeo.audit`.

    Embeddings, and models of stored ones, have no controls with other texts and no untrained copies.

    Args:
        copies: untrained copies of the network, with the seeds `seed`, `seed` + 1, ...
        seed: of permutations, the shuffling of words and the copies.

    Raises:
        InputError: no data for a model, a number out of range, or captions that the model cannot embed.
    """
    check_whole("copies", copies, 0, 1000)
    check_whole("seed", seed, 0, limits.SEED)
    if isinstance(model, Embedded):
        chosen = as_space("euclidean" if space is None else space)
        return length_facts(model, _radii(model, chosen), chosen, seed)
    if data is None:
        raise InputError("the length controls of a model need data: give a hierarchy.")
    loaded, chosen = ready(model, space, resolve_device(compute.device))
    embedded = embed(loaded, data, images=False, compute=compute)
    facts = length_facts(embedded, _radii(embedded, chosen), chosen, seed)
    if isinstance(loaded.base if isinstance(loaded, HeadModel) else loaded, ArrayModel):
        return facts
    words = _words(data)

    def order(which: Model, hierarchy: Hierarchy) -> RadialOrder:
        altered = embed(which, hierarchy, images=False, compute=compute)
        return order_of(_radii(altered, chosen), words, altered.chains.cpu().numpy())

    texts = [content_free(data), shuffled_words(data, seed), exchanged_words(data, seed)]
    content, shuffled, exchanged = (
        order(loaded, text) for text in track(texts, "controls of length", enabled=progress)
    )
    seeds = track(range(seed, seed + copies), "untrained copies", enabled=progress)
    untrained = tuple(order(adapters.untrained(loaded, number), data) for number in seeds)
    return replace(facts, content_free=content, shuffled=shuffled, exchanged=exchanged, untrained=untrained)


def length_facts(embedded: Embedded, radii: np.ndarray, space: Space, seed: int) -> LengthFacts:
    """The facts that need no other texts than those embedded, whose radii are (n, T)."""
    hierarchy, words = embedded.hierarchy, _words(embedded.hierarchy)
    characters = chain_lengths((row.positive for row in hierarchy.rows), "characters")
    own, counted, sharing, pairs = tau_d_rows(radii), tau_d_rows(words), embedded.sharing, _pairs(radii)
    partial, given = PartialTau(radii, words), None
    if not math.isnan(partial.value()):
        given = _measured(deviating_test(sharing, partial.value(), partial.influence), pairs)
    chains = embedded.chains.cpu().numpy()
    by_caption = np.empty((3, len(embedded.texts)))
    by_caption[:, chains] = radii, words, characters
    tested = order_of_tiers(by_caption[0], chains, seed=seed)
    in_order = order_answer(tested if np.ptp(radii) else None)
    at_equal = order_at_equal_length(by_caption[0], chains, *by_caption[1:].astype(np.int64), seed=seed)
    equal, balanced = (
        None if part is None else _measured(part.as_share, part.items)
        for part in ((None, None) if at_equal is None else at_equal[:2])
    )
    varying = int(np.any(chains != chains[:1], axis=0).sum())
    tested_pairs = _pairs(radii[:, :varying]) if varying > 1 else pairs
    order = replace(order_of(radii, words, chains), tau_d=_measured(tested, tested_pairs), equal=equal)
    return LengthFacts(
        model=embedded.model,
        data=f"{hierarchy.name} {hierarchy.split}",
        geometry=space.geometry.fixed().spec,
        order=order,
        in_order=in_order,
        beyond_length=length_answer(at_equal, in_order),
        words=_measured(mean_test(sharing, counted), pairs),
        characters=_measured(mean_test(sharing, tau_d_rows(characters)), pairs),
        balanced=balanced,
        gain=_measured(mean_test(sharing, own - counted), pairs),
        partial_tau=given,
        partial_spearman=partial_spearman(radii, words),
    )


def order_of(radii: np.ndarray, words: np.ndarray, chains: np.ndarray) -> RadialOrder:
    """The order of tiers by radii (n, T), given numbers of words (n, T) and positions of captions (n, T)."""

    def share_right(condition: Condition) -> Measured | None:
        signs, pairs = selected_pairs(radii, words, condition, chains)
        return _measured(mean_test(Sharing(pairs), signs).as_share, len(pairs)) if len(pairs) else None

    tau_d = _measured(mean_test(Sharing(chains), tau_d_rows(radii)), _pairs(radii))
    return RadialOrder(tau_d, share_right("equal"), share_right("shorter"), tuple(radii.mean(axis=0).tolist()))


def _radii(embedded: Embedded, space: Space) -> np.ndarray:
    return View(embedded, space.rooted(embedded.root)).radii


def _words(hierarchy: Hierarchy) -> np.ndarray:
    return chain_lengths(row.positive for row in hierarchy.rows)


def _measured(tested: Tested, pairs: int) -> Measured:
    return Measured(tested.value, tested.interval, pairs, tested.p_value)


def _pairs(radii: np.ndarray) -> int:
    """How many pairs of tiers chains with radii (n, T) have."""
    return radii.shape[0] * radii.shape[1] * (radii.shape[1] - 1) // 2


def _range(values: Sequence[float]) -> tuple[float, float, float] | None:
    return (min(values), float(np.mean(values)), max(values)) if values else None
