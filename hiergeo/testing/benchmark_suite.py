"""Conformance suite for benchmarks: they say what they are, measure in any space, and give the same numbers again."""

import json
import math
from collections.abc import Iterator
from functools import cache
from typing import ClassVar

from hiergeo.adapters import Model
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks import BENCHMARKS, Benchmark, Published, measure
from hiergeo.testing.assertions import assert_finite, assert_refused, assert_registered, assert_text
from hiergeo.testing.protocol_suites import Hashed

SETTINGS = ("model", "dataset", "geometry", "root", "protocol", "seed", "bootstrap_samples", "device", "dtype")
"""Settings that every result stores."""


class BenchmarkConformance:
    """Inherit from this, define `make`, and pytest checks that your benchmark measures any model in any space.

    Attributes:
        specs: the geometries that are measured in.
        samples: bootstrap resamples.
    """

    specs: ClassVar[tuple[str, ...]] = ("euclidean", "lorentz:-0.7", "sphere:0.2", "product:lorentz:-1x4,euclidean:x4")
    samples: ClassVar[int] = 5

    def make(self) -> Benchmark:
        """The benchmark on data that is always at hand, such as data made in memory."""
        raise NotImplementedError

    def model(self) -> Model:
        """A model that can embed that data."""
        return Hashed()

    def test_it_describes_itself(self) -> None:
        task = self.make()
        assert isinstance(task, Benchmark), f"a {type(task).__name__} is not a Benchmark"
        for name in ("name", "label"):
            assert_text(getattr(task, name), name)
        assert task.primary in task.metrics, f"the primary metric {task.primary} is not among {task.metrics}"
        assert isinstance(task.images, bool), "images is True or False"
        assert isinstance(task.needs, str), "needs says in words which data it reads"
        assert_registered(BENCHMARKS, task.name, task)

    def test_published_figures_are_of_its_metrics_and_name_their_source(self) -> None:
        task = self.make()
        for figure in task.published:
            assert isinstance(figure, Published), f"a {type(figure).__name__} is not a Published"
            assert figure.metric in task.metrics, f"{figure.metric} of {figure.model} is not a metric of {task.name}"
            assert figure.source.strip(), f"{figure.metric} of {figure.model} has no source"
            assert math.isfinite(figure.value), f"{figure.metric} of {figure.model} is {figure.value}"

    def test_its_protocol_is_one_sentence(self) -> None:
        protocol = self.make().protocol
        assert_text(protocol, "protocol")
        assert "\n" not in protocol, "protocol takes more than one line"

    def test_its_data_can_be_read_without_a_model(self) -> None:
        self.make().load()

    def test_it_measures_finite_numbers_in_every_space(self) -> None:
        for spec, result in self._results():
            assert isinstance(result, Result), f"run gives a {type(result).__name__}, not a Result"
            assert self.make().primary in result.metrics, f"the primary metric is not measured in {spec}"
            assert_finite(result.metrics, spec)
            for name, (low, high) in result.intervals.items():
                assert math.isfinite(low), f"the interval of {name} begins at {low} in {spec}"
                assert low <= high, f"the interval of {name} ends before it begins in {spec}"
            missing = [name for name in SETTINGS if name not in result.settings]
            assert not missing, f"the settings lack {missing}"
            assert result.settings["geometry"] == spec, f"the settings say {result.settings['geometry']}, not {spec}"
            json.loads(result.to_json())

    def test_numbers_come_with_what_they_are_compared_with(self) -> None:
        for spec, result in self._results():
            assert result.baselines.get(self.make().primary), f"the primary metric has no baseline in {spec}"
            for name, baselines in result.baselines.items():
                assert name in result.metrics, f"there is a baseline of {name}, which is not measured in {spec}"
                assert_finite(baselines, f"the baselines of {name}, {spec}")

    def test_the_same_data_give_the_same_numbers(self) -> None:
        first, second = _measured(type(self), self.specs[0]), self._measure(self.specs[0])
        assert first.metrics == second.metrics, "two runs on the same data differ"
        assert first.intervals == second.intervals, "the intervals of two runs with one seed differ"

    def test_a_model_without_images_is_refused_where_it_needs_them(self) -> None:
        task = self.make()
        if task.images:
            assert_refused(lambda: measure(Hashed(False), task, samples=self.samples), "image")

    def _results(self) -> Iterator[tuple[str, Result]]:
        for spec in self.specs:
            yield spec, _measured(type(self), spec)

    def _measure(self, spec: str) -> Result:
        return measure(self.model(), self.make(), spec, samples=self.samples)


@cache
def _measured(suite: type[BenchmarkConformance], spec: str) -> Result:
    """What several tests of a suite look at."""
    return suite()._measure(spec)
