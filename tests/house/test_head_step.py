"""The benchmark of a head-training step: both ways are the same step, and what is written says where it ran."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import head_step


def test_both_ways_are_one_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
    frozen, root, origin = head_step.batch(32)
    assert (frozen.shape, root.shape, origin) == ((32, 4, 384), (384,), "random chains")
    steps = [head_step.Step(loss, frozen, root) for loss in head_step.WAYS.values()]
    for _ in range(3):
        ours, theirs = (step() for step in steps)
        assert ours == pytest.approx(theirs, rel=1e-4)
    torch.testing.assert_close(
        steps[0].gradient, steps[1].gradient, rtol=0, atol=1e-3 * float(steps[1].gradient.norm())
    )
    assert float(steps[0].gradient.norm()) > 0


@pytest.mark.slow
def test_a_run_is_written(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setattr(head_step.machine, "PEAK_SECONDS", 0.01)
    head_step.main(["--chains", "64", "--rounds", "1", "--threads", "1", "--out", str(tmp_path / "out")])
    found = json.loads((tmp_path / "out" / "head_step.json").read_text(encoding="utf-8"))
    assert next(iter(found)) == "metrics"
    assert found["metrics"]["time_ratio"] > 0
    assert found["metrics"]["gradient_difference"] < 1e-3
    assert [step["way"] for step in found["steps"]] == list(head_step.WAYS)
    assert all(step["extra"] > 0 for step in found["steps"])
    assert capsys.readouterr().out == (tmp_path / "out" / "head_step.md").read_text(encoding="utf-8")
