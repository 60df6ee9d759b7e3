"""The suite of benchmarks: our own pass on made data, broken ones fail."""

import math
from typing import Any

import pytest
import torch

from hiergeo import datasets
from hiergeo.adapters import Model
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks import Benchmark, Published, Run, benchmark_named
from hiergeo.evaluation.result import Outcome, mean_of
from hiergeo.geometry import Space
from hiergeo.testing import BenchmarkConformance
from tests.testing.conformance_common import failures


class TestHyperLex(BenchmarkConformance):
    def make(self) -> Benchmark:
        return benchmark_named("hyperlex", data="demo")


class TestWordNetIsA(BenchmarkConformance):
    def make(self) -> Benchmark:
        return benchmark_named("wordnet", data="demo", prompt="{}")


class TestTrees(BenchmarkConformance):
    def make(self) -> Benchmark:
        return benchmark_named("trees")


class TestZeroShot(BenchmarkConformance):
    def make(self) -> Benchmark:
        return benchmark_named("zero_shot")


class TestRetrieval(BenchmarkConformance):
    def make(self) -> Benchmark:
        return benchmark_named("retrieval", data="scenes", take=12)


class TestHiMo(BenchmarkConformance):
    def make(self) -> Benchmark:
        return benchmark_named("himo", take=12)


class TestHyper3(BenchmarkConformance):
    def make(self) -> Benchmark:
        made: Any = benchmark_named("hierarcaps", data="scenes", protocol="hyper3")
        made.hierarchy = datasets.load("scenes", count=12)
        return made


class TestBreeds(BenchmarkConformance):
    def make(self) -> Benchmark:
        return benchmark_named("breeds")


class TestHierarCaps(BenchmarkConformance):
    specs = ("lorentz:-0.7",)

    def make(self) -> Benchmark:
        return benchmark_named("hierarcaps", data="scenes", take=20)


class Farther(Benchmark):
    """Are two farther out than one?"""

    name = "farther"
    label = "farther"
    primary = "farther"
    metrics = ("farther",)
    baselines: dict[str, dict[str, float]] = {"farther": {"chance": 0.5}}  # noqa: RUF012 - replaced by broken ones

    @property
    def protocol(self) -> str:
        return "a cat against two cats"

    def check(self, model: Model, space: Space) -> None:
        model.check_texts(["a cat", "two cats"])

    def run(self, model: Model, space: Space, how: Run) -> Result:
        text = model.encode_text(["a cat", "two cats"], **how.place)
        one, two = space.rooted(model.root()).radius(text).tolist()
        outcome = Outcome({"farther": mean_of(torch.tensor([float(two > one)]).numpy())}, baselines=self.baselines)
        return outcome.result(self.settings(model, space, text), how.seed, how.samples)

    def settings(self, model: Model, space: Space, text: torch.Tensor) -> dict[str, Any]:
        return self.about(model, space.rooted(model.root()), text)


class Nan(Farther):
    def run(self, model: Model, space: Space, how: Run) -> Result:
        return Outcome({}, {"farther": math.nan}).result({}, how.seed, how.samples)


class Drawn(Farther):
    def run(self, model: Model, space: Space, how: Run) -> Result:
        text = model.encode_text(["a cat"], **how.place)
        outcome = Outcome({"farther": mean_of(torch.rand(3).numpy())}, baselines=self.baselines)
        return outcome.result(self.settings(model, space, text), how.seed, how.samples)


class WithoutSettings(Farther):
    def settings(self, model: Model, space: Space, text: torch.Tensor) -> dict[str, Any]:
        return {"geometry": space.geometry.spec}


MEASURES, COMPARED = (
    "test_it_measures_finite_numbers_in_every_space",
    "test_numbers_come_with_what_they_are_compared_with",
)
BROKEN: dict[str, tuple[type[Farther], dict[str, Any], set[str]]] = {
    "sound": (Farther, {}, set()),
    "nan": (Nan, {}, {MEASURES, COMPARED}),
    "drawn": (Drawn, {}, {"test_the_same_data_give_the_same_numbers"}),
    "settings": (WithoutSettings, {}, {MEASURES}),
    "baseline": (Farther, {"baselines": {}}, {COMPARED}),
    "baseline of nothing": (Farther, {"baselines": {"nearer": {"chance": 0.5}}}, {COMPARED}),
    "primary": (Farther, {"metrics": ("nearer",)}, {"test_it_describes_itself"}),
    "protocol": (Farther, {"protocol": "two\nlines"}, {"test_its_protocol_is_one_sentence"}),
    "images": (Farther, {"images": 1}, {"test_it_describes_itself"}),
    "published": (
        Farther,
        {"published": (Published("CLIP", "nearer", 0.5, ""),)},
        {"test_published_figures_are_of_its_metrics_and_name_their_source"},
    ),
}


@pytest.mark.parametrize("defect", BROKEN)
def test_the_suite_finds_what_is_broken(defect: str) -> None:
    kind, changes, expected = BROKEN[defect]
    changed = type("Changed", (kind,), changes)

    class Suite(BenchmarkConformance):
        def make(self) -> Benchmark:
            return changed()

    found = failures(Suite())
    assert expected <= found
    assert bool(found) == bool(expected)
