"""Conformance suites for protocols and the metrics that they measure, on a model without weights."""

import json
import math
import unittest
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import ClassVar, cast, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo import datasets
from hiergeo._core.errors import InputError
from hiergeo.adapters import ImageLike, Model
from hiergeo.datasets import Hierarchy, ImageRef
from hiergeo.evaluation import PROTOCOLS, Embedded, Protocol, View, embed
from hiergeo.evaluation.metrics import Metric, find_metric
from hiergeo.evaluation.metrics.registry import Unit
from hiergeo.evaluation.result import Outcome, Statistic
from hiergeo.geometry import Space, parse
from hiergeo.testing.assertions import assert_finite, assert_registered, assert_text

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
        assert_registered(PROTOCOLS, protocol.name, protocol)

    def test_it_measures_finite_numbers(self) -> None:
        for spec, outcome in self._outcomes():
            assert isinstance(outcome, Outcome), f"run gives a {type(outcome).__name__}, not an Outcome"
            assert {**outcome.statistics, **outcome.numbers}, f"nothing is measured in {spec}"
            twice = outcome.statistics.keys() & outcome.numbers.keys()
            assert not twice, f"{sorted(twice)} are statistics and numbers at once"
            assert_finite(self._numbers(outcome), spec)
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
                self._numbers(protocol.run(_view(protocol, each, spec), self.steps, False))
                for each in (hierarchy, turned)
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
        kept = [part.clone() for part in self._tensors(embedded)]
        with torch.no_grad():
            protocol.run(view, self.steps, False)
        for part, before in zip(self._tensors(embedded), kept, strict=True):
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
        return {name: each.value for name, each in outcome.statistics.items()} | outcome.numbers

    def _tensors(self, embedded: Embedded) -> list[Tensor]:
        return [part for part in (embedded.captions, embedded.image, embedded.root) if part is not None]


class MetricConformance:
    """Inherit from this, define `make`, and pytest checks that the record of your metric is well formed and true.

    Attributes:
        few: how many different values of a row, image or caption count as few, for a `discrete` metric.

    Override `protocol` with one that measures the metric, and what the record claims is held against what it gives.
    """

    few: ClassVar[int] = 12

    def make(self) -> Metric:
        """The record."""
        raise NotImplementedError

    def protocol(self) -> Protocol:
        """A protocol that measures it."""
        raise unittest.SkipTest("no protocol is given that measures this metric")

    def data(self) -> Hierarchy:
        """Data that the protocol can measure."""
        return datasets.load("scenes", "test", count=12)

    def test_the_record_is_well_formed(self) -> None:
        metric = self.make()
        assert isinstance(metric, Metric), f"a {type(metric).__name__} is not a Metric"
        assert metric.name.isidentifier(), f"the name '{metric.name}' is not an identifier"
        assert metric.name == metric.name.lower(), f"the name '{metric.name}' has capitals"
        assert_text(metric.label, "the label")
        assert "\n" not in metric.label, "the label takes more than one line"
        assert metric.higher_is_better in (True, False, None), "higher_is_better is True, False or None"
        assert metric.unit in get_args(Unit), f"the unit '{metric.unit}' is none of {get_args(Unit)}"
        assert metric.unit != "none" or not metric.discrete, "without a unit there are no values to be discrete"

    def test_its_name_finds_it(self) -> None:
        metric = self.make()
        wanted = f"make {metric.name} an entry point of the group hiergeo.metrics and install the package"
        assert find_metric(metric.name) == metric, f"the name is not registered for this record: {wanted}"

    def test_it_is_measured_and_resampled_as_it_says(self) -> None:
        metric, hierarchy = self.make(), self.data()
        statistic, number = self._found("euclidean")
        assert (statistic is None) == (metric.unit == "none"), f"the unit is {metric.unit}"
        if statistic is None:
            assert number is not None, f"the protocol does not measure {metric.name}"
            return
        units = {"rows": len(hierarchy.rows), "images": len(hierarchy.images)}
        assert statistic.rows == units.get(metric.unit, statistic.rows), f"there are not {statistic.rows} {metric.unit}"
        if metric.discrete:
            assert statistic.values is not None, "a discrete metric is the mean of one value a row, image or caption"
            assert len(np.unique(statistic.values)) <= self.few, "a discrete metric takes few values"

    def test_it_depends_on_the_curvature_as_it_says(self) -> None:
        flat, bent = (self._value(f"lorentz:-{k}") for k in ("0.1", "4"))
        differ = not math.isclose(flat, bent, rel_tol=1e-6, abs_tol=1e-9)
        depends = self.make().depends_on_curvature
        assert differ == depends, f"depends_on_curvature is {depends}, and two curvatures give {flat:.6g}, {bent:.6g}"

    def test_it_keeps_to_its_bounds(self) -> None:
        (low, high), value = self.make().bounds, self._value("euclidean")
        assert low <= value <= high, f"the bounds are {low} and {high}, and the value is {value:.6g}"

    def _outcome(self, spec: str) -> Outcome:
        protocol = self.protocol()
        with torch.no_grad():
            return protocol.run(_view(protocol, self.data(), spec), 6, False)

    def _found(self, spec: str) -> tuple[Statistic | None, float | None]:
        outcome, name = self._outcome(spec), self.make().name
        return outcome.statistics.get(name), outcome.numbers.get(name)

    def _value(self, spec: str) -> float:
        statistic, number = self._found(spec)
        value = number if statistic is None else statistic.value
        assert value is not None, f"the protocol does not measure {self.make().name}"
        return value
