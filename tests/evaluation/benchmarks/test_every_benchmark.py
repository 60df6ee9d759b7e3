"""Every benchmark of hiergeo on made data: finite numbers in every space, beside baselines, and the same again."""

import json
import math
from functools import cache
from typing import Any

import pytest

from hiergeo import datasets
from hiergeo._core.errors import InputError
from hiergeo.evaluation import Result, evaluate
from hiergeo.evaluation.benchmarks import BENCHMARKS, Benchmark, benchmark_named, measure
from hiergeo.testing.protocol_suite import Hashed

SPECS = ("euclidean", "lorentz:-0.7", "sphere:0.2", "product:lorentz:-1x4,euclidean:x4")
SETTINGS = {"model", "dataset", "geometry", "root", "protocol", "seed", "bootstrap_samples", "device", "dtype"}
OPTIONS: dict[str, dict[str, Any]] = {
    "hyperlex": {"data": "demo"},
    "wordnet": {"data": "demo", "prompt": "{}"},
    "subsumption": {"data": "canine.n.02", "per_pair": 2},
    "trees": {},
    "taxonomy": {},
    "zero_shot": {},
    "retrieval": {"data": "scenes", "take": 12},
    "himo": {"take": 12},
    "sugarcrepe": {"data": "scenes", "take": 12},
    "hierarcaps": {"data": "scenes", "take": 20},
    "hyper3": {"data": "scenes", "protocol": "hyper3"},
    "breeds": {},
}
CASES = [(task, spec) for task in OPTIONS for spec in SPECS if task != "hierarcaps" or spec == SPECS[1]]


def made(task: str) -> Benchmark:
    benchmark: Any = benchmark_named("hierarcaps" if task == "hyper3" else task, **OPTIONS[task])
    if task == "hyper3":
        benchmark.hierarchy = datasets.load("scenes", count=12)
    return benchmark


def result_of(task: str, spec: str) -> Result:
    return measure(Hashed(), made(task), spec, samples=5)


measured = cache(result_of)


@pytest.mark.parametrize(("task", "spec"), CASES)
def test_numbers_are_finite_and_stand_beside_baselines(task: str, spec: str) -> None:
    result, primary = measured(task, spec), made(task).primary
    assert primary in result.metrics
    assert result.baselines[primary]
    assert result.baselines.keys() <= result.metrics.keys()
    assert all(map(math.isfinite, result.metrics.values()))
    assert all(math.isfinite(value) for each in result.baselines.values() for value in each.values())
    assert all(low <= high and math.isfinite(low) for low, high in result.intervals.values())
    assert result.settings.keys() >= SETTINGS
    assert result.settings["geometry"] == spec
    json.loads(result.to_json())


@pytest.mark.parametrize("task", OPTIONS)
def test_the_same_data_give_the_same_numbers(task: str) -> None:
    spec = next(spec for name, spec in CASES if name == task)
    first, second = measured(task, spec), result_of(task, spec)
    assert first.metrics == second.metrics
    assert first.intervals == second.intervals


def test_hierarcaps_gives_the_numbers_and_intervals_of_evaluate() -> None:
    """The interval of tau_d too, which is that of a permutation test."""
    result = measure("tiny", "hierarcaps", "lorentz:-1", data="scenes", take=40, samples=50)
    expected = evaluate("tiny", datasets.load("scenes").take(40), "lorentz:-1", samples=50)
    assert result.metrics == expected.metrics
    assert result.intervals == expected.intervals


@pytest.mark.parametrize("task", [task for task in OPTIONS if made(task).images])
def test_a_model_without_images_is_refused(task: str) -> None:
    with pytest.raises(InputError, match="image"):
        measure(Hashed(False), made(task), samples=5)


@pytest.mark.parametrize("name", BENCHMARKS.own)
def test_what_is_declared_fits(name: str) -> None:
    kind = BENCHMARKS.get(name)
    assert kind.primary in kind.metrics
    assert all(figure.metric in kind.metrics and figure.source for figure in benchmark_named(name).published)
