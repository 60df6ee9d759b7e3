"""The comparison of two builds: ratios of one round, rates, and points that are what they are called."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch

from benchmarks import builds, installation


class Clocked:
    """Times that were told beforehand."""

    def __init__(self, *times: float) -> None:
        self.times = iter(times)

    def time(self, name: str) -> float:
        return next(self.times)

    def close(self) -> None:
        pass


def test_ratios_are_taken_within_a_round():
    case = builds.Case("any", lambda: lambda: None, flops=4e9)
    before, after = partial(Clocked, 9, 2, 20, 4), partial(Clocked, 9, 1, 10, 3)  # after a call that warms up
    (found,) = builds.compare([case], [before, after], rounds=3)
    assert (found.before, found.after, found.ratio) == (2, 1, 0.5)
    assert builds.row(found, 4e9) == "| any | 2,000.0 | 1,000.0 | 0.50 | 50% of the peak | 100% of the peak |"


def test_cases_have_names_of_their_own():
    names = [case.name for case in builds.cases()]
    assert len(names) == len(set(names))


def test_a_narrow_cone_is_narrow():
    direction = builds.narrow(50, 512, 0).direction
    assert float((direction @ direction.mT).min()) > 0.9


@pytest.mark.parametrize("prepared", [False, True])
def test_ladders_find_the_same(prepared: bool):
    found, expected = (builds.ladder(3, 40, 16, prepared=each)() for each in (prepared, False))
    assert isinstance(found, torch.Tensor)
    assert isinstance(expected, torch.Tensor)
    assert torch.equal(found, expected)


def test_sizes_alone_start_nothing_but_the_installation(tmp_path):
    (wheel := tmp_path / "a.whl").write_bytes(b"12345")
    ran: list[list[str]] = []
    place = SimpleNamespace(
        label="a", wheel=wheel, bare_bytes=10, seconds={}, run=ran.append, added=lambda: ["hiergeo"], size=lambda: 30
    )
    (found,) = installation.measure([place], [], 0)
    assert (found.wheel_bytes, found.distributions, found.installed_bytes, found.seconds) == (5, ["hiergeo"], 20, {})
    assert ran == [installation.install(place, [])]
