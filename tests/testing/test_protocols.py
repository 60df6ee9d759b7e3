"""The suite of protocols: our own pass, broken ones fail."""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hiergeo.evaluation import Protocol, View
from hiergeo.evaluation.protocols import protocol_named
from hiergeo.evaluation.result import Outcome, Statistic, mean_of
from hiergeo.testing import ProtocolConformance
from tests.testing.conformance_common import failures


class TestPairs(ProtocolConformance):
    def make(self) -> Protocol:
        return protocol_named("pairs")


class TestRadialLadder(ProtocolConformance):
    def make(self) -> Protocol:
        return protocol_named("re")


class TestTraversal(ProtocolConformance):
    def make(self) -> Protocol:
        return protocol_named("traversal")


def depth(view: View) -> Outcome:
    """The share of chains whose last caption lies further out than the first."""
    return Outcome({"depth": mean_of((view.radii[:, -1] > view.radii[:, 0]).astype(float))})


def vandal(view: View) -> Outcome:
    outcome = depth(view)
    view.embedded.captions.mul_(0.5)
    return outcome


def careless(view: View) -> Outcome:
    incomplete = view.embedded.contradicting is None or view.embedded.image is None
    return Outcome({}, {"depth": math.nan}) if incomplete else depth(view)


def misfit(view: View) -> Outcome:
    values = view.radii[:, -1]
    return Outcome({"depth": Statistic(len(values), lambda counts: float(counts @ values), values)})


def resampled(value: Callable[[], float]) -> Callable[[View], Outcome]:
    """Right for the data as they are, and another value for a resample."""

    def run(view: View) -> Outcome:
        return Outcome({"depth": Statistic(len(view.radii), lambda counts: 1.0 if (counts == 1).all() else value())})

    return run


def number(
    value: Callable[[View], float], name: Callable[[View], str] = lambda _: "depth"
) -> Callable[[View], Outcome]:
    return lambda view: Outcome({}, {name(view): value(view)})


DESCRIBED, FINITE = "test_it_describes_itself", "test_it_measures_finite_numbers"
RESAMPLES, ORDER = "test_statistics_can_be_resampled", "test_the_order_of_rows_does_not_matter"
REFUSED = "test_what_it_cannot_measure_is_refused_before_any_work"

BROKEN_PROTOCOLS: dict[str, tuple[Callable[[View], Any], dict[str, Any], set[str]]] = {
    "sound": (depth, {}, set()),
    "nameless": (depth, {"name": ""}, {DESCRIBED}),
    "undecided": (depth, {"images": 0}, {DESCRIBED}),
    "no number": (number(lambda _: math.nan), {}, {FINITE, REFUSED}),
    "drawn": (number(lambda _: float(torch.rand(()))), {}, {"test_the_same_data_give_the_same_numbers", ORDER}),
    "first row": (number(lambda view: float(view.radii[0, -1])), {}, {ORDER}),
    "vandal": (vandal, {}, {"test_it_leaves_embeddings_as_they_were"}),
    "careless": (careless, {"images": True, "negatives": True}, {REFUSED}),
    "misfit": (misfit, {}, {RESAMPLES}),
    "what looks like an outcome": (lambda view: SimpleNamespace(**vars(depth(view))), {}, {FINITE}),
    "silent": (lambda view: Outcome({}), {}, {FINITE}),
    "twice": (lambda view: replace(depth(view), numbers={"depth": 1.0}), {}, {FINITE}),
    "a metric called by the first caption": (
        number(lambda _: 1.0, lambda view: view.embedded.hierarchy.rows[0].positive[-1]),
        {},
        {ORDER},
    ),
    "infinite resamples": (resampled(lambda: math.inf), {}, {RESAMPLES}),
    "unsteady resamples": (resampled(random.random), {}, {RESAMPLES}),
    "rowless": (lambda view: Outcome({"depth": Statistic(0, lambda counts: 1.0)}), {}, {RESAMPLES}),
}


@pytest.mark.parametrize("defect", BROKEN_PROTOCOLS)
def test_the_protocol_suite_finds_what_is_broken(defect: str) -> None:
    run, claims, expected = BROKEN_PROTOCOLS[defect]
    attributes = {"name": "depth", "images": False, "run": lambda self, view, steps, progress: run(view)}

    class Suite(ProtocolConformance):
        def make(self) -> Protocol:
            kind: type[Protocol] = type("Depth", (Protocol,), attributes | claims)
            return kind()

    failing = failures(Suite())
    assert expected <= failing
    assert bool(failing) == bool(expected)
