"""Conformance suite for protocols, on a model without weights."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo import datasets
from hiergeo._core.errors import InputError
from hiergeo.adapters import ImageLike, Model
from hiergeo.datasets import Hierarchy, ImageRef
from hiergeo.evaluation import PROTOCOLS, Embedded, Protocol, View, embed
from hiergeo.evaluation.protocols import protocol_named
from hiergeo.evaluation.result import Outcome
from hiergeo.geometry import Space, parse
from hiergeo.testing.assertions import assert_text

DIM = 8


class Hashed(Model):
    """A model without weights: every text and every image of a dataset has a direction of its own, by its hash.

    Longer texts lie further from the root, so that their order is not mere chance.
    """

    name, has_images, preprocessing = "hashed", True, "a hash"

    def __init__(self, has_images: bool = True) -> None:
        self.has_images = has_images

    def fingerprint(self) -> str:
        """The same for all."""
        return "hashed"

    def check_texts(self, texts: Sequence[str]) -> None:
        """Every text has a hash."""

    def check_images(self, images: Sequence[ImageLike]) -> None:
        """Images of datasets have an id to hash."""

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        """(B, 8)."""
        return torch.stack([_ahead(text, 0.1 * len(text.split())) for text in texts])

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        """(B, 8)."""
        return torch.stack([_ahead(f"image {cast(ImageRef, image).image_id}", 1.0) for image in images])


def _ahead(key: str, turn: float) -> Tensor:
    """The unit vector of the root, turned towards a direction that the key determines."""
    seed = int.from_bytes(sha256(key.encode()).digest()[:7], "big")
    side = torch.randn(DIM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    side[0] = 0
    root = torch.zeros(DIM, dtype=torch.float64)
    root[0] = 1
    return math.cos(turn) * root + math.sin(turn) * normalize(side, dim=0)


def _view(protocol: Protocol, hierarchy: Hierarchy, spec: str, has_images: bool = True) -> View:
    embedded = embed(Hashed(has_images), hierarchy, images=protocol.images, negatives=protocol.negatives)
    return View(embedded, Space(parse(spec)).rooted(embedded.root))


class ProtocolConformance:
    """Inherit from this, define `make`, and pytest checks that your protocol measures, and measures the same again.

    Attributes:
        specs: the geometries that are measured in.
        steps: the thresholds, or points along a way, that the protocol is given.
    """

    specs: ClassVar[tuple[str, ...]] = ("euclidean", "lorentz:-0.7", "sphere:0.2", "product:lorentz:-1x4,euclidean:x4")
    steps: ClassVar[int] = 6

    def make(self) -> Protocol:
        """The protocol."""
        raise NotImplementedError

    def data(self) -> Hierarchy:
        """Data that the protocol can measure: rows with images and contradicting chains."""
        return datasets.load("scenes", "test", count=12)

    def test_it_describes_itself(self) -> None:
        protocol = self.make()
        assert isinstance(protocol, Protocol), f"a {type(protocol).__name__} is not a Protocol"
        assert_text(protocol.name, "name")
        for claim in ("images", "negatives"):
            assert isinstance(getattr(protocol, claim), bool), f"{claim} is True or False"
        if protocol.name in PROTOCOLS:
            registered = type(protocol_named(protocol.name))
            assert isinstance(protocol, registered), f"the name {protocol.name} is registered for {registered.__name__}"

    def test_it_measures_finite_numbers(self) -> None:
        for spec, outcome in self._outcomes():
            assert isinstance(outcome, Outcome), f"run gives a {type(outcome).__name__}, not an Outcome"
            assert {**outcome.statistics, **outcome.numbers}, f"nothing is measured in {spec}"
            twice = outcome.statistics.keys() & outcome.numbers.keys()
            assert not twice, f"{sorted(twice)} are statistics and numbers at once"
            for name, value in self._numbers(outcome).items():
                assert math.isfinite(value), f"{name} is {value} in {spec}"
            json.dumps(outcome.numbers)

    def test_statistics_can_be_resampled(self) -> None:
        generator = np.random.default_rng(0)
        for spec, outcome in self._outcomes():
            for name, statistic in outcome.statistics.items():
                assert statistic.rows > 0, f"{name} is of no rows in {spec}"
                drawn = np.bincount(generator.integers(statistic.rows, size=statistic.rows), minlength=statistic.rows)
                once, again = (statistic.of(drawn.astype(float)) for _ in range(2))
                assert math.isfinite(once), f"{name} is {once} for a resample in {spec}"
                assert once == again, f"{name} of one resample has two values in {spec}"
                if statistic.values is not None:
                    mean = float(drawn @ statistic.values) / statistic.rows
                    assert math.isclose(once, mean, abs_tol=1e-9), f"{name} is not the mean of its values in {spec}"

    def test_the_same_data_give_the_same_numbers(self) -> None:
        first, second = ([self._numbers(outcome) for _, outcome in self._outcomes()] for _ in range(2))
        assert first == second, "two runs on the same data differ"

    def test_the_order_of_rows_does_not_matter(self) -> None:
        hierarchy = self.data()
        turned = replace(hierarchy, rows=hierarchy.rows[::-1], images=hierarchy.images[::-1])
        protocol = self.make()
        for spec in self.specs:
            first, second = (
                self._numbers(protocol.run(_view(protocol, rows, spec), self.steps, False))
                for rows in (hierarchy, turned)
            )
            assert first.keys() == second.keys(), f"other metrics for rows in another order in {spec}"
            for name, value in first.items():
                assert math.isclose(value, second[name], rel_tol=1e-6, abs_tol=1e-6), (
                    f"{name} is {value} or {second[name]} in {spec}, by the order of the rows"
                )

    def test_it_leaves_embeddings_as_they_were(self) -> None:
        protocol = self.make()
        view = _view(protocol, self.data(), self.specs[0])
        embedded = view.embedded
        copies = [part.clone() for part in self._tensors(embedded)]
        with torch.no_grad():
            protocol.run(view, self.steps, False)
        for part, before in zip(self._tensors(embedded), copies, strict=True):
            assert torch.equal(part, before), "the protocol changed the embeddings that it was given"

    def test_what_it_cannot_measure_is_refused_before_any_work(self) -> None:
        """Without images, or without contradicting chains, a protocol either refuses or measures without them."""
        protocol, whole = self.make(), self.data()
        bare = replace(whole, images=())
        positive = replace(whole, rows=tuple(replace(row, negative=None) for row in whole.rows))
        for model, hierarchy in ((Hashed(False), whole), (Hashed(), bare), (Hashed(), positive)):
            try:
                protocol.check(model, hierarchy, Space(parse(self.specs[0])))
            except InputError:
                continue
            outcome = protocol.run(_view(protocol, hierarchy, self.specs[0], model.has_images), self.steps, False)
            assert all(map(math.isfinite, self._numbers(outcome).values())), f"{hierarchy!r} is not refused"

    def _outcomes(self) -> Iterator[tuple[str, Outcome]]:
        protocol, hierarchy = self.make(), self.data()
        for spec in self.specs:
            space = Space(parse(spec))
            protocol.check(Hashed(), hierarchy, space)
            with torch.no_grad():
                yield spec, protocol.run(_view(protocol, hierarchy, spec), self.steps, False)

    def _numbers(self, outcome: Outcome) -> dict[str, float]:
        return {name: statistic.value for name, statistic in outcome.statistics.items()} | outcome.numbers

    def _tensors(self, embedded: Embedded) -> list[Tensor]:
        return [part for part in (embedded.captions, embedded.image, embedded.root) if part is not None]
