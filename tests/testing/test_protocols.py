"""The suite of protocols: our own pass, broken ones fail."""

import math
import random
from types import SimpleNamespace
from typing import Any, ClassVar

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


class Depth(Protocol):
    """The share of chains whose last caption lies further out than the first."""

    name, images = "depth", False

    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        return Outcome({"depth": mean_of((view.radii[:, -1] > view.radii[:, 0]).astype(float))})


class Nameless(Depth):
    name = ""


class Nan(Depth):
    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        return Outcome({}, {"depth": math.nan})


class Drawn(Depth):
    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        return Outcome({}, {"depth": float(torch.rand(()))})


class FirstRow(Depth):
    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        return Outcome({}, {"depth": float(view.radii[0, -1])})


class Vandal(Depth):
    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        found = super().run(view, steps, progress)
        view.embedded.captions.mul_(0.5)
        return found


class Careless(Depth):
    images, negatives = True, True

    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        if view.embedded.contradicting is None or view.embedded.image is None:
            return Outcome({}, {"depth": math.nan})
        return super().run(view, steps, progress)


class Misfit(Depth):
    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        values = view.radii[:, -1]
        return Outcome({"depth": Statistic(len(values), lambda counts: float(counts @ values), values)})


class Undecided(Depth):
    images: ClassVar[Any] = 0


class Loose(Depth):
    """Gives what looks like an outcome."""

    def run(self, view: View, steps: int, progress: bool) -> Any:
        return SimpleNamespace(**vars(super().run(view, steps, progress)))


class Silent(Depth):
    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        return Outcome({})


class Twice(Depth):
    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        outcome = super().run(view, steps, progress)
        return Outcome(outcome.statistics, {"depth": outcome.statistics["depth"].value})


class Renamed(Depth):
    """Calls its metric by the first caption."""

    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        return Outcome({}, {f"depth of {view.embedded.hierarchy.rows[0].positive[-1]}": 1.0})


class Resampled(Depth):
    """Is right for the data as they are, and for a resample gives what `of` gives."""

    def of(self, rows: int) -> float:
        return math.inf

    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        rows = len(view.radii)
        return Outcome({"depth": Statistic(rows, lambda counts: 1.0 if (counts == 1).all() else self.of(rows))})


class Unsteady(Resampled):
    def of(self, rows: int) -> float:
        return random.random()


class Rowless(Depth):
    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        return Outcome({"depth": Statistic(0, lambda counts: 1.0)})


BROKEN_PROTOCOLS: dict[type[Protocol], set[str]] = {
    Depth: set(),
    Nameless: {"test_it_describes_itself"},
    Nan: {"test_it_measures_finite_numbers", "test_what_it_cannot_measure_is_refused_before_any_work"},
    Drawn: {"test_the_same_data_give_the_same_numbers", "test_the_order_of_rows_does_not_matter"},
    FirstRow: {"test_the_order_of_rows_does_not_matter"},
    Vandal: {"test_it_leaves_embeddings_as_they_were"},
    Careless: {"test_what_it_cannot_measure_is_refused_before_any_work"},
    Misfit: {"test_statistics_can_be_resampled"},
    Undecided: {"test_it_describes_itself"},
    Loose: {"test_it_measures_finite_numbers"},
    Silent: {"test_it_measures_finite_numbers"},
    Twice: {"test_it_measures_finite_numbers"},
    Renamed: {"test_the_order_of_rows_does_not_matter"},
    Resampled: {"test_statistics_can_be_resampled"},
    Unsteady: {"test_statistics_can_be_resampled"},
    Rowless: {"test_statistics_can_be_resampled"},
}


@pytest.mark.parametrize("kind", BROKEN_PROTOCOLS)
def test_the_protocol_suite_finds_what_is_broken(kind: type[Protocol]) -> None:
    class Suite(ProtocolConformance):
        def make(self) -> Protocol:
            return kind()

    found = failures(Suite())
    assert BROKEN_PROTOCOLS[kind] <= found
    assert bool(found) == bool(BROKEN_PROTOCOLS[kind])
