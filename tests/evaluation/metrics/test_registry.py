"""The records of metrics: where they come from, and what follows from them."""

import math
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import hiergeo
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.evaluation.benchmarks import BENCHMARKS
from hiergeo.evaluation.metrics import Metric, find_metric
from hiergeo.evaluation.metrics.registry import METRICS, PLUGINS, declare, import_makers


def test_records():
    import_makers()
    assert all(name == metric.name for name, metric in METRICS.items())
    assert not find_metric("tau_d").depends_on_curvature
    assert not find_metric("tau_d_unseen").depends_on_curvature
    assert find_metric("recall").discrete
    assert not find_metric("auroc_margin").discrete
    assert all(metric.control for name, metric in METRICS.items() if "equal_length" in name)
    assert not find_metric("tau_d").control
    assert find_metric("score_ties").higher_is_better is None
    assert find_metric("text_to_image_r5").unit == "captions"
    assert find_metric("nobody knows 7") == Metric("nobody knows 7", "nobody knows 7")


@pytest.mark.parametrize("name", BENCHMARKS.own)
def test_every_metric_that_a_benchmark_shows_has_a_record(name):
    assert all(find_metric(metric) != Metric(metric, metric) for metric in BENCHMARKS.get(name).metrics)


def test_records_are_there_before_what_makes_them_is_imported():
    """As where a stored result is read; names of hiergeo are not those of other packages."""
    names = ("himo", "auroc_text_alone", "u_median", "similarity_change")
    code = f"""
import sys
from hiergeo.evaluation.metrics.registry import PLUGINS, find_metric
PLUGINS.foreign = lambda: {{"himo": None}}
print(*(find_metric(name).label == name for name in {names!r}))
print(*sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unknown, imported = run.stdout.splitlines()
    assert unknown.split() == ["False"] * len(names)
    root = Path(hiergeo.__file__).parent
    makers = [path for path in root.rglob("*.py") if re.search(r"\bdeclare\(", path.read_text())]
    assert len(makers) > 10
    assert {".".join(path.with_suffix("").relative_to(root.parent).parts) for path in makers} <= set(imported.split())


def test_a_name_has_one_record():
    with pytest.raises(InputError, match="'recall'"):
        declare(Metric("recall", "recall"))


@pytest.mark.parametrize(
    ("bounds", "least"), [((0, 1), 0), ((-1, 1), -1), ((0, math.inf), -math.inf), ((-math.inf, math.inf), 0)]
)
def test_hits_and_misses_follow_from_the_bounds(bounds, least):
    assert Metric("m", "m", bounds=bounds).least == least


@pytest.mark.parametrize(
    ("made", "error"),
    [(Metric("lift", "lift", False), None), (lambda: Metric("lift", "lift", False), None), (int, "int")],
)
def test_metrics_of_other_packages(monkeypatch, made, error):
    entry = SimpleNamespace(name="lift", value="package:lift", load=lambda: made)
    monkeypatch.setattr(PLUGINS, "foreign", lambda: {"lift": entry})
    find_metric.cache_clear()
    try:
        if error is None:
            assert find_metric("lift").higher_is_better is False
        else:
            with pytest.raises(UnavailableError, match=f"'lift' is a {error}"):
                find_metric("lift")
    finally:
        find_metric.cache_clear()
