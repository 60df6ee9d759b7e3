"""Intervals over items and seeds: against resampling spelt out, Student's t, and how often they hold."""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from hiergeo.evaluation.metrics import crossed_draws, percentile_interval, resamples, simultaneous_intervals


@cache
def counted(items: int, samples: int, seed: int) -> np.ndarray:
    """(samples, items), the share of each item in each resample."""
    return np.stack(list(resamples(items, samples, seed))) / items


def of_items(values: np.ndarray, samples: int = 400, seed: int = 0) -> np.ndarray:
    """Means of (seeds, items) values over resampled items, (seeds, samples)."""
    return values @ counted(values.shape[1], samples, seed).T


def test_against_every_draw_spelt_out() -> None:
    generator = np.random.default_rng(3)
    values = generator.normal(size=(4, 7))
    items = list(resamples(7, 50, seed=9))
    draws = crossed_draws(of_items(values, 50, seed=9), seed=2)
    replay = np.random.default_rng([2, 4])
    seeds = replay.multinomial(4, [0.25] * 4, size=50)
    widths = np.sqrt(4 / replay.chisquare(3, size=50))
    for draw, item_counts, seed_counts, width in zip(draws, items, seeds, widths, strict=True):
        drawn_items = [i for i, count in enumerate(item_counts) for _ in range(count)]
        drawn_seeds = [s for s, count in enumerate(seed_counts) for _ in range(count)]
        both = np.mean([values[s, i] for s in drawn_seeds for i in drawn_items])
        items_alone = np.mean([values[s, i] for s in range(4) for i in drawn_items])
        assert draw == pytest.approx(items_alone + width * (both - items_alone))


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_items_that_agree_leave_about_the_interval_of_student(seeds: int) -> None:
    ratios = []
    for at in range(60):
        values = np.random.default_rng(at).normal(size=(seeds, 1))
        low, high = percentile_interval(crossed_draws(np.repeat(values, 4000, axis=1), seed=at))
        spread = values.std(ddof=1) / np.sqrt(seeds)
        ratios.append((high - low) / (2 * stats.t.ppf(0.975, seeds - 1) * spread))
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("of_seed", "of_item", "of_both", "least", "most"),
    [(1, 0, 0.1, 0.92, 0.98), (0.02, 1, 0.1, 0.92, 0.98), (0.1, 1, 0.3, 0.92, 0.98), (0, 0, 1, 0.95, 1)],
    ids=["seeds differ", "items differ", "both differ", "noise: conservative"],
)
def test_the_interval_of_no_difference_holds_0_about_95_times_in_100(of_seed, of_item, of_both, least, most) -> None:
    generator = np.random.default_rng(7)
    held = []
    for at in range(400):
        values = of_seed * generator.normal(size=(5, 1)) + of_item * generator.normal(size=(1, 80))
        values = values + of_both * generator.normal(size=(5, 80))
        low, high = percentile_interval(crossed_draws(of_items(values), seed=at))
        held.append(low <= 0 <= high)
    assert least <= np.mean(held) <= most


@pytest.mark.parametrize(("of_seed", "of_item"), [(0.3, 1.0), (1.0, 0.0)], ids=["both differ", "seeds differ"])
def test_chance_is_not_called_a_win_among_many_differences(of_seed: float, of_item: float) -> None:
    """20 differences of nothing: single intervals miss 0 somewhere in most studies, those together in about 5 %."""
    generator = np.random.default_rng(5)
    alone, together = [], []
    for at in range(200):
        values = of_seed * generator.normal(size=(20, 5, 1)) + of_item * generator.normal(size=(20, 1, 60))
        draws = np.stack([crossed_draws(of_items(each), seed=(at, place)) for place, each in enumerate(values)])
        alone.append(any(not low <= 0 <= high for low, high in map(percentile_interval, draws)))
        together.append(any(not low <= 0 <= high for low, high in simultaneous_intervals(draws)))
    assert np.mean(alone) > 0.4
    assert np.mean(together) < 0.1


def test_together_is_the_factor_of_sidak_for_independent_numbers() -> None:
    draws = np.random.default_rng(0).normal(size=(10, 20_000))
    wanted = stats.norm.ppf(1 - (1 - 0.95**0.1) / 2)
    for low, high in simultaneous_intervals(draws):
        assert (high - low) / 2 == pytest.approx(wanted, rel=0.03)
