"""What a measurement leaves out is said with the reason: by results, comparisons, audits, their JSON and the verbs."""

import json
from dataclasses import replace

import pytest

import hiergeo
from hiergeo.datasets import Hierarchy, Row
from hiergeo.evaluation import embed
from hiergeo.evaluation.auditing import AuditSettings


@pytest.fixture(scope="module")
def rows():
    return hiergeo.datasets.load("scenes").take(24)


@pytest.fixture(scope="module")
def model():
    return hiergeo.adapters.load("tiny")


@pytest.fixture(scope="module")
def blind(rows):
    """The same chains without images."""
    return Hierarchy("blind", "test", tuple(replace(row, image_id=None) for row in rows.rows), truth=rows.truth)


def test_precision_and_recall_say_why_they_are_not_there(model, rows, blind) -> None:
    whole = hiergeo.evaluate(model, rows, "euclidean", samples=20)
    assert not whole.left_out
    assert whole.omissions == ""
    without = hiergeo.evaluate(model, blind, "euclidean", samples=20)
    missing = {"precision", "recall", "true_of_picture"}
    assert set(without.left_out) == set(whole.metrics) - set(without.metrics) == missing
    assert "blind" in without.omissions
    assert json.loads(without.to_json())["left_out"] == without.left_out
    assert without.omissions in without._repr_html_()


def test_tiers_of_different_lengths_leave_out_the_order_at_equal_length(model) -> None:
    chains = (("thing", "small dog", "small dog that barks"), ("thing", "red cat", "red cat that sleeps"))
    data = Hierarchy("steps", "test", tuple(Row(at, chain, None, None) for at, chain in enumerate(chains)))
    result = hiergeo.evaluate(model, data, "euclidean", samples=20)
    assert "tau_d_equal_length" in result.left_out
    assert not result.left_out.keys() & result.metrics.keys()


def test_a_product_leaves_out_the_angle(model) -> None:
    data = hiergeo.datasets.load("scenes", count=24)
    specs = ["lorentz:-1", "product:lorentz:-1x32,euclidean:x32"]
    single, product = hiergeo.compare(model, data, specs, "pairs", samples=20).results
    assert not single.left_out
    assert {"auroc", "average_precision"} <= product.left_out.keys() <= single.metrics.keys()
    assert "auroc_margin" in product.metrics


def test_an_audit_says_what_it_has_no_data_for(model, blind) -> None:
    audit = hiergeo.audit(embed(model, blind), settings=AuditSettings())
    assert {"precision", "recall", "auroc", "average_precision"} <= audit.left_out.keys()
    assert not audit.left_out.keys() & audit.numbers.keys()
    assert json.loads(audit.to_json())["left_out"] == audit.left_out
