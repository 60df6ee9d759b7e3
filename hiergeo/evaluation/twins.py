"""Untrained twins: copies of a network that differ in the seed of their random weights, and what training adds to them.

A model that was never trained is exchangeable with its twins, so that its statistic is the largest of 20 in one case of
20: an exact Monte Carlo test, whatever captions, words and architecture share.

Source: Barnard, discussion of Bartlett (Journal of the Royal Statistical Society B, 1963).
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, InputError, check_whole
from hiergeo._core.progress import track
from hiergeo._core.storage import archives
from hiergeo._core.storage.archives import Array
from hiergeo.adapters import Model, tiny
from hiergeo.adapters.head import HeadModel, untrained
from hiergeo.adapters.npz import ArrayModel
from hiergeo.datasets import Hierarchy
from hiergeo.datasets.download import data_home
from hiergeo.evaluation.answers import Answer, inapplicable, learned_answer
from hiergeo.evaluation.embedded import Embedded, embed
from hiergeo.evaluation.metrics.length import word_count
from hiergeo.evaluation.metrics.order import tier_pairs
from hiergeo.geometry import Space

TWINS = 19
"""Copies of which the model has to be above all, at a level of 5 %."""

RECORDED = tiny.FOLDER / "twins.npz"
"""Radii of the twins of the bundled model, at the captions of its scenes that its statistic needs."""

PAIRS = 2048
"""Pairs of tiers whose captions twins embed at most; more are sampled."""

ENTRY = {"radii": Array("f", (1,))}
RECORD = {"model": Array("U", (0,)), "captions": Array("iu", (1,)), "radii": Array("f", (2,))}

Integers = NDArray[np.int64]


@final
class Twins:
    """The untrained twins of a model, made when their radii are asked for; radii are kept in the data home.

    Args:
        model: as for `hiergeo.adapters.untrained`.
        count: how many; 0 leaves the question out.
        recorded: take those that come with the bundled model, and make no others.
        progress: show a bar for work that outlasts a second.

    Raises:
        InputError: a count out of range.
    """

    def __init__(self, model: Model, count: int = TWINS, *, recorded: bool = False, progress: bool = False) -> None:
        check_whole("twins", count, 0, limits.TWINS)
        self.model, self.count, self.recorded, self.progress = model, count, recorded, progress
        self._known: dict[str, NDArray[np.float32]] = {}

    def radii(self, captions: Sequence[str], space: Space) -> NDArray[np.float32]:
        """Radii (count, n) of captions in a space, around the root of each twin unless the space has its own.

        Raises:
            InputError: the model has no network, it cannot be built without its weights, or none are recorded.
        """
        plain = "single" in space.geometry.measures
        centre = space.centre if space.root is None else space.root.tolist()
        asked = ["radius" if plain else space.geometry.fixed().spec, centre, *captions]
        key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
        if key not in self._known:
            stored = self._stored(captions) if plain and centre == "model" else None
            self._known[key] = self._made(key, captions, space) if stored is None else stored
        return self._known[key]

    def _made(self, key: str, captions: Sequence[str], space: Space) -> NDArray[np.float32]:
        if self.recorded:
            raise InputError("those of this model are not recorded, and hiergeo audit makes them.")
        seeds = track(range(self.count), "untrained copies", enabled=self.progress)
        folder = data_home() / "twins" / self._architecture
        return np.stack([self._of(seed, folder / f"{key}-{seed}.npz", captions, space) for seed in seeds])

    def _of(self, seed: int, path: Path, captions: Sequence[str], space: Space) -> NDArray[np.float32]:
        with suppress(HiergeoError):
            stored = archives.read(path, ENTRY)["radii"] if path.exists() else ()
            if len(stored) == len(captions):
                return np.asarray(stored, np.float32)
        radii = radii_of(untrained(self.model, seed), captions, space)
        with suppress(HiergeoError):
            archives.write(path, {"radii": radii})
        return radii

    def embedded(self, hierarchy: Hierarchy) -> Embedded | None:
        """The captions of a hierarchy by the first twin; None where none is made."""
        with suppress(HiergeoError):
            if self.count and not self.recorded:
                return embed(untrained(self.model, 0), hierarchy, images=False, progress=self.progress)
        return None

    @cached_property
    def _architecture(self) -> str:
        """What twins of equal seeds are equal by: the fingerprint of the first one, and the generator of weights."""
        return f"{untrained(self.model, 0).fingerprint()}-{torch.__version__}"

    def _stored(self, captions: Sequence[str]) -> NDArray[np.float32] | None:
        """Radii of the twins that come with the bundled model, where all captions are among its own.

        Heads on it that keep norms and dimensions begin as the identity, so that theirs are the same.
        """
        record, model = _record(), self.model
        if isinstance(model, HeadModel) and model.head.shape.unit and model.head.shape.outputs == model.base.dim:
            model = model.base
        if self.count > len(record["radii"]):
            return None
        wanted, known = hashes(captions), record["captions"]
        at = np.searchsorted(known, wanted).clip(max=len(known) - 1)
        if not np.array_equal(known[at], wanted) or model.fingerprint() != str(record["model"]):
            return None
        return np.asarray(record["radii"][: self.count, at], np.float32)


def radii_of(model: Model, captions: Sequence[str], space: Space) -> NDArray[np.float32]:
    """Radii (n,) of captions, embedded shortest first, around the root of the model unless the space has its own."""
    shortest = sorted(range(len(captions)), key=lambda at: len(captions[at]))
    rows = model.encode_text([captions[at] for at in shortest])
    radii = np.empty(len(captions), np.float32)
    radii[shortest] = space.rooted(model.root()).radius(rows).float().numpy()
    return radii


def twins_of(model: Model, count: int, *, progress: bool = False) -> Twins | None:
    """The twins of a model; None for stored embeddings, or a head on them."""
    base = model.base if isinstance(model, HeadModel) else model
    return None if isinstance(base, ArrayModel) else Twins(model, count, progress=progress)


@cache
def _record() -> dict[str, NDArray[np.generic]]:
    return archives.read(RECORDED, RECORD)


def hashes(captions: Sequence[str]) -> NDArray[np.uint64]:
    """64 bits of each caption, (n,)."""
    digests = (hashlib.blake2b(caption.encode(), digest_size=8).digest() for caption in captions)
    return np.frombuffer(b"".join(digests), np.uint64)


def needed(chains: Integers, words: Integers) -> tuple[Integers, bool]:
    """Pairs of tiers (P, 2) that tell what was learnt, and whether they are of equally many words: otherwise any.

    Chains (n, T) are positions of captions with `words` (U,).
    """
    pairs = tier_pairs(chains)[:, :2]
    equal = words[pairs[:, 0]] == words[pairs[:, 1]]
    chosen = pairs[equal] if equal.any() else pairs
    sample = np.random.default_rng(0).permutation(len(chosen))[:PAIRS]
    return chosen[np.sort(sample)], bool(equal.any())


def learned(embedded: Embedded, radii: NDArray[np.float64], space: Space, twins: Twins | None) -> Answer:
    """Whether training adds to the order of tiers of embedded chains, whose captions have `radii` (U,) in a space."""
    if twins is None:
        return inapplicable("No untrained copies of stored embeddings: give the network that made them as the model.")
    if not twins.count:
        return inapplicable("Untrained copies were left out: twins = 0.")
    chains = embedded.chains.cpu().numpy()
    pairs, equal = needed(chains, np.array([word_count(caption) for caption in embedded.texts]))
    if space.root is not None and torch.equal(space.root, embedded.root):
        space = Space(space.geometry, min_radius=space.min_radius)  # each twin has a root of its own
    used, at = np.unique(pairs, return_inverse=True)
    general, specific = at.reshape(pairs.shape).T
    try:
        copies = twins.radii([embedded.texts[caption] for caption in used], space)
    except HiergeoError as error:
        return inapplicable(f"No untrained copies: {error}")
    order = [np.sign(each[specific] - each[general]).mean() for each in (radii[used], *copies.astype(np.float64))]
    value, *others = ((1 + one) / 2 for one in order) if equal else order
    return learned_answer(float(value), list(map(float, others)), len(pairs), equal=equal)
