"""What the record of a metric claims is what a protocol measures: bounds, units, and whether curvature matters."""

import math

import numpy as np
import pytest
import torch

from hiergeo import datasets
from hiergeo.evaluation import View, embed
from hiergeo.evaluation.metrics import find_metric
from hiergeo.evaluation.protocols import protocol_named
from hiergeo.evaluation.result import Statistic
from hiergeo.geometry import Space, parse
from hiergeo.testing.protocol_suite import Hashed

HIERARCHY = datasets.load("scenes", "test", count=12)
MEASURED = [("recall", "re"), ("auroc", "pairs"), ("average_precision_margin", "pairs")]


def statistic(metric: str, name: str, spec: str) -> Statistic:
    protocol = protocol_named(name)
    embedded = embed(Hashed(), HIERARCHY, images=protocol.images, negatives=protocol.negatives)
    with torch.no_grad():
        outcome = protocol.run(View(embedded, Space(parse(spec)).rooted(embedded.root)), 6, False)
    return outcome.statistics[metric]


@pytest.mark.parametrize(("metric", "protocol"), MEASURED)
def test_a_record_says_what_is_measured(metric: str, protocol: str) -> None:
    record, measured = find_metric(metric), statistic(metric, protocol, "euclidean")
    low, high = record.bounds
    assert low <= measured.value <= high
    assert measured.rows == {"rows": len(HIERARCHY.rows), "images": len(HIERARCHY.images)}[record.unit]
    if record.discrete:
        assert measured.values is not None
        assert len(np.unique(measured.values)) <= 12
    flat, bent = (statistic(metric, protocol, f"lorentz:-{k}").value for k in ("0.1", "4"))
    assert math.isclose(flat, bent, rel_tol=1e-6, abs_tol=1e-9) != record.depends_on_curvature
