"""HierarCaps, and any other dataset of chains, by the protocols of `hiergeo.evaluation`."""

from dataclasses import replace
from functools import cached_property
from typing import final

import numpy as np

from hiergeo import datasets
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks.benchmark import Benchmark, Run, check_count, published
from hiergeo.evaluation.measuring import ProtocolSettings, check_fit, embed_for, measure
from hiergeo.evaluation.metrics.order import is_of_all_tiers, order_of_tiers
from hiergeo.evaluation.protocols import LADDERS
from hiergeo.geometry import Space

TABLE = "arXiv 2407.08521, table 1"

PRIMARY = {"pairs": "auroc", "hyper3": "auroc_margin"}
"""What tables show first of protocols that are about pairs; by ``auroc_margin`` are the published figures of hyper3."""


class ChainBenchmark(Benchmark):
    """A benchmark of chains of captions: a split of a dataset, or its first `take` rows."""

    loads = "hierarchy"

    def __init__(self, data: str, split: str, take: int | None = None) -> None:
        check_count("take", take)
        self.data, self.split, self.rows = data, split, take

    @cached_property
    def hierarchy(self) -> Hierarchy:
        """The chains."""
        return datasets.load(self.data, self.split, rows=self.rows)

    @property
    def source(self) -> str:
        """Which rows of which data, in words."""
        part = "" if self.rows is None else f", the first {self.rows:,} rows"
        return f"{self.data} {self.split}{part}"


@final
class HierarCaps(ChainBenchmark):
    """Chains of captions from general to specific."""

    name = "hierarcaps"
    label = "HierarCaps"
    primary = "tau_d"
    metrics = (
        "tau_d",
        "tau_d_equal_length",
        *LADDERS,
        "auroc",
        "auroc_equal_length",
        "average_precision",
        "auroc_margin",
        "average_precision_margin",
    )
    needs = "HierarCaps (`hiergeo data fetch hierarcaps`), or another dataset of chains, such as scenes"
    published = (
        *published("CLIP ViT-B/32", TABLE, precision=0.14, recall=0.36, tau_d=0.89),
        *published("CLIP ViT-B/32 + RE", TABLE, precision=0.15, recall=0.47, tau_d=0.99),
        *published("CLIP ViT-L/14", TABLE, recall=0.37, tau_d=0.88),
        *published("CLIP ViT-L/14 + RE", TABLE, recall=0.44, tau_d=0.97),
        *published("MERU", TABLE, precision=0.11, recall=0.11, tau_d=0.79),
    )

    def __init__(
        self,
        protocol: str = "re",  # or another one of `hiergeo.evaluation.PROTOCOLS`
        data: str = "hierarcaps",  # a dataset of chains
        split: str = "test",
        steps: int = 50,  # thresholds of ``re``, points of ``traversal``
        take: int | None = None,  # only the first rows
    ) -> None:
        ProtocolSettings(protocol, steps)
        super().__init__(data, split, take)
        self.measured, self.steps = protocol, steps
        if (protocol, data, split, steps, take) != ("re", "hierarcaps", "test", 50, None):
            self.published = ()
        self.primary = PRIMARY.get(protocol, self.primary)

    @property
    def protocol(self) -> str:
        return f"{self.measured}, {self.steps} steps, {self.source}"

    def check(self, model: Model, space: Space) -> None:
        check_fit(model, self.hierarchy, space, self.measured)

    def run(self, model: Model, space: Space, how: Run) -> Result:
        embedded = embed_for(self.measured, model, self.hierarchy, how.compute, progress=how.progress)
        settings = ProtocolSettings(self.measured, self.steps, how.seed, how.samples)
        result = measure(embedded, space, settings, progress=how.progress)
        chains = embedded.chains.cpu().numpy()
        radii = np.empty(len(embedded.texts))
        radii[chains] = result.radii
        order = order_of_tiers(radii, chains, seed=how.seed)
        whole = is_of_all_tiers(order.value, result.metrics["tau_d"])
        return replace(result, bounds=result.bounds | ({"tau_d": order.interval} if whole else {}))
