"""Streaming metrics fed with two batches, in one process or two; imports little, for each process imports it anew."""

from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from hiergeo.evaluation.metrics.streaming import (
    LadderPrecisionRecall,
    PairAUROC,
    PairAveragePrecision,
    StreamingMetric,
    TauD,
)

KINDS = (TauD, LadderPrecisionRecall, PairAUROC, PairAveragePrecision)
TRUTH = [[["a", "b"]], [["a", "c"], ["a", "d"]]]


def scores(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of pairs with many ties."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 9, count) / 8 + 0.25, generator.integers(0, 9, 2 * count + 1) / 8


def fed(metric: StreamingMetric, half: int | None = None) -> StreamingMetric:
    """The metric after two batches, or after one of them."""
    for batch in (0, 1) if half is None else (half,):
        if isinstance(metric, TauD):
            metric.update(torch.tensor([[1.0, 2, 3], [3, 1, 2], [1, 1, 2]][batch : 2 + batch]))
        elif isinstance(metric, LadderPrecisionRecall):
            metric.update([["a", "x"]], TRUTH[batch : batch + 1])
        else:
            metric.update(*map(torch.from_numpy, scores(batch, 4 + 3 * batch)))
    return metric


def value(metric: StreamingMetric) -> list[float]:
    found = metric.compute()
    return [float(each) for each in (found.values() if isinstance(found, dict) else [found])]


def work(rank: int, folder: str) -> None:
    """Rank 0 sees both batches of some metrics and none of others; the last rank sees the rest."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    split = {kind.__name__: value(fed(kind(), half=rank)) for kind in KINDS}
    lopsided = {}
    for kind in KINDS:
        metric = kind()
        if rank:
            fed(metric)
        lopsided[kind.__name__] = value(metric)
    alone = value(fed(TauD(sync_on_compute=False), half=rank))
    torch.save((split, lopsided, alone), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()
