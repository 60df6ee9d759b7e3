"""Statistics of stacks of resamples against those of one resample at a time."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hiergeo.evaluation.metrics import Ranking, bootstrap_draws, resampling
from hiergeo.evaluation.result import auroc_of
from tests.tools.kernel_settings import setenv


@given(
    rows=st.integers(1, 40),
    seed=st.integers(0, 99),
    levels=st.sampled_from([2, 5, 1000]),
    strata=st.sampled_from([None, 1, 3]),
    name=st.sampled_from(["auroc", "average_precision"]),
)
def test_rankings_of_stacks_are_those_of_each_resample(rows, seed, levels, strata, name):
    generator = np.random.default_rng(seed)
    sides = [generator.integers(levels, size=(rows, 3)) for _ in range(2)]
    own = None if strata is None else tuple(generator.integers(strata, size=(rows, 3, 1)) for _ in range(2))
    statistic = getattr(Ranking(*sides, own), name)
    draws = [bootstrap_draws(statistic, rows, samples=20, seed=seed, stacked=stacked) for stacked in (True, False)]
    np.testing.assert_allclose(*draws, rtol=1e-12)


@pytest.mark.parametrize("kept", [0, 1 << 25])
def test_stacks_hold_every_resample_in_its_order(monkeypatch, kept):
    monkeypatch.setattr(resampling, "STACK", 300)
    monkeypatch.setattr(resampling, "TOGETHER", 3)
    monkeypatch.setattr(resampling, "KEPT", kept)
    values = np.random.default_rng(0).standard_normal(70)
    sizes = []

    def mean(counts):
        sizes.append(counts.shape[0])
        return counts @ values / 70

    draws = bootstrap_draws(mean, 70, samples=10, seed=5, stacked=True)
    assert sizes == [4, 4, 2]
    expected = [counts @ values / 70 for counts in resampling.resamples(70, 10, 5)]
    np.testing.assert_allclose(draws, expected, rtol=1e-12)


@pytest.mark.parametrize("native", ["", "0"])
def test_two_threads_take_no_longer_than_one(native, monkeypatch):
    """Threads of torch that fill memory, and those of NumPy's products, wait for each other: twenty times as long."""
    setenv(monkeypatch, "HIERGEO_NATIVE", native)
    generator = np.random.default_rng(0)
    statistic = auroc_of(Ranking(generator.random((20_000, 3)), generator.random((20_000, 3))), 20_000)

    def seconds(threads: int) -> float:
        torch.set_num_threads(threads)
        start = time.perf_counter()
        statistic.draws(30, 0)
        return time.perf_counter() - start

    before = torch.get_num_threads()
    try:
        alone, both = (min(seconds(threads) for _ in range(4)) for threads in (1, 2))
    finally:
        torch.set_num_threads(before)
    assert both < 5 * alone
