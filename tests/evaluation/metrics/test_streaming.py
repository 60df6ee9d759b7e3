"""Metrics fed in batches: equal to those of all data at once, also on two processes, stored and taken up again."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau
from sklearn.metrics import average_precision_score, roc_auc_score

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics.streaming import (
    LadderPrecisionRecall,
    PairAUROC,
    PairAveragePrecision,
    StreamingMetric,
    TauD,
)
from tests.evaluation.metrics.streaming_common import KINDS, TRUTH, fed, scores, value, work
from tests.tools import warm
from tests.training.test_fine_tuning_processes import gloo


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 99))
def test_batches_give_what_all_data_give(sizes: list[int], seed: int):
    generator = np.random.default_rng(seed)
    tau, auroc, precision = TauD(), PairAUROC(), PairAveragePrecision()
    chains, true, false = [], [], []
    for size in sizes:
        chains.append(generator.permuted(np.arange(4) * np.ones((size, 1)), axis=1))
        positive, negative = scores(seed + size, size)
        true.append(positive)
        false.append(negative)
        tau.update(torch.from_numpy(chains[-1]))
        for metric in (auroc, precision):
            metric.update(torch.from_numpy(positive), torch.from_numpy(negative))
    expected = np.mean([kendalltau(np.arange(4), row).statistic for row in np.concatenate(chains)])
    assert float(tau.compute()) == pytest.approx(expected, abs=1e-9)
    labels = np.repeat([1, 0], [sum(map(len, true)), sum(map(len, false))])
    pooled = np.concatenate([*true, *false])
    assert float(auroc.compute()) == pytest.approx(roc_auc_score(labels, pooled), abs=1e-9)
    assert float(precision.compute()) == pytest.approx(average_precision_score(labels, pooled), abs=1e-9)


def test_ladders_in_batches():
    metric = LadderPrecisionRecall()
    first = metric([["a", "x"]], TRUTH[:1])  # one of two met is true, one of two tiers is met
    assert {name: float(value) for name, value in first.items()} == {"precision": 0.5, "recall": 0.5}
    metric.update([["d"]], TRUTH[1:])
    assert {name: float(value) for name, value in metric.compute().items()} == {"precision": 0.75, "recall": 0.5}


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_is_stored_taken_up_and_forgotten(kind: Callable[[], StreamingMetric]):
    whole = value(fed(kind()))
    half = fed(kind(), half=0)
    file = io.BytesIO()
    torch.save(half.state_dict(), file)
    file.seek(0)
    resumed = fed(kind(), half=1)  # what it held is replaced
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert value(resumed) == value(half)
    assert value(fed(resumed, half=1)) == pytest.approx(whole, abs=1e-12)
    resumed.reset()
    with pytest.raises(InputError, match="nothing to measure"):
        resumed.compute()
    assert value(fed(resumed)) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cast_or_a_move_loses_nothing(kind: Callable[[], StreamingMetric]):
    metric = fed(kind())
    before = value(metric)
    assert value(metric.half().to("cpu").double()) == before
    assert all(found.dtype == torch.float64 for found in metric.get_extra_state().values())


def test_one_batch_is_measured_alone_and_added():
    metric = PairAUROC()
    fed(metric, half=0)
    positive, negative = scores(5, 3)
    alone = metric(torch.from_numpy(positive), torch.from_numpy(negative))
    assert float(alone) == pytest.approx(roc_auc_score([1] * 3 + [0] * 7, [*positive, *negative]))
    assert len(metric.get_extra_state()["positive"]) == 7


def test_what_cannot_be_used_is_refused_and_not_added():
    pairs, tau, ladders = PairAUROC(), TauD(), LadderPrecisionRecall()
    with pytest.raises(InputError, match="negative"):
        pairs.update(torch.ones(2), torch.tensor([1.0, torch.nan]))
    with pytest.raises(InputError, match="2 tiers"):
        tau.update(torch.ones(3, 1))
    with pytest.raises(InputError, match="1 ladders for 2"):
        ladders.update([["a"]], TRUTH)
    for metric in (pairs, tau, ladders):
        with pytest.raises(InputError, match=type(metric).__name__):
            metric.compute()
    pairs.update(torch.ones(2), torch.ones(0))
    with pytest.raises(InputError, match="negative scores is empty"):
        pairs.compute()
    with pytest.raises(InputError, match="PairAUROC"):
        pairs.load_state_dict(tau.state_dict())


@pytest.mark.slow
@gloo
def test_two_processes_give_the_value_of_all_data(tmp_path: Path):
    warm.ranks(work, 2, str(tmp_path))
    whole = {kind.__name__: pytest.approx(value(fed(kind())), abs=1e-12) for kind in KINDS}
    for rank in range(2):
        split, lopsided, alone = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert split == whole
        assert lopsided == whole
        assert alone == value(fed(TauD(), half=rank))


def test_what_is_no_number_is_refused():
    for stored in ({"rows": [1, 2]}, {"rows": None}, {"rows": torch.ones(1, dtype=torch.complex64)}):
        with pytest.raises(InputError, match="TauD"):
            TauD().set_extra_state(stored)
    for positive in (["a"], None, [[1], [1, 2]], torch.ones(1, dtype=torch.complex64)):
        with pytest.raises(InputError, match="positive"):
            PairAUROC().update(positive, [1.0])
    with pytest.raises(InputError, match="radii"):
        TauD().update([["a", "b"]])
