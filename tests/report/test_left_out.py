"""Pages say what was left out and why, as terminals do: comparisons, audits, studies and suites."""

from dataclasses import replace
from pathlib import Path

import pytest

import hiergeo
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.auditing import AuditSettings
from hiergeo.report import write_audit, write_leaderboard, write_page
from hiergeo.training import suite
from tests.report.page_common import read
from tests.report.scenes_common import scenes_study
from tests.training.suite.suite_common import Radius, plan, toys  # noqa: F401 - a fixture

WHY = "no <b>spread</b> of radii"


@pytest.fixture(scope="module")
def scenes() -> Hierarchy:
    return hiergeo.datasets.load("scenes", count=20)


def test_a_comparison_with_a_space_that_has_no_angle(scenes, tmp_path: Path) -> None:
    specs = ["lorentz:-1", "product:lorentz:-1x32,euclidean:x32"]
    comparison = hiergeo.compare("tiny", scenes, specs, "pairs", samples=20)
    assert comparison.omissions
    assert comparison.omissions in read(write_page(comparison, tmp_path / "page.html")).text
    whole = hiergeo.compare("tiny", scenes, specs[:1], "pairs", samples=20)
    assert 'class="legend-line omitted"' not in write_page(whole, tmp_path / "whole.html").read_text()


def test_an_audit_of_captions_alone(scenes, tmp_path: Path) -> None:
    blind = Hierarchy("blind", "test", tuple(replace(row, image_id=None) for row in scenes.rows))
    audit = hiergeo.audit("tiny", blind, "euclidean", AuditSettings(steps=5))
    assert "precision" in audit.omissions
    assert audit.omissions in read(write_audit(audit, tmp_path / "page.html")).text


@pytest.mark.slow  # it trains heads
def test_a_study_whose_frozen_results_lack_a_metric(tmp_path: Path) -> None:
    study = scenes_study()
    before = {name: replace(result, left_out={"precision": WHY}) for name, result in study.before.items()}
    lacking = replace(study, before=before)
    assert WHY in lacking.omissions
    assert lacking.omissions in read(write_page(lacking, tmp_path / "page.html")).text


@pytest.mark.usefixtures("toys")
def test_a_suite_keeps_it_with_the_cell(monkeypatch, tmp_path: Path) -> None:
    run = Radius.run
    monkeypatch.setattr(Radius, "run", lambda *how: replace(run(*how), left_out={"mean_radius": WHY, "recall": "x"}))
    suite.run(plan(), tmp_path / "out")
    table = suite.read(tmp_path / "out")
    assert {board.omissions for board in table.standings} == {f"Left out: mean_radius ({WHY})."}
    assert table.standings[0].omissions in read(write_leaderboard(table, tmp_path / "page.html")).text
