"""The benchmark of checking tables."""

import json

import pytest

from benchmarks import data_check
from hiergeo.datasets import hierarcaps


def test_its_tables_are_sound(tmp_path):
    data_check.write(tmp_path / "own.csv.gz", 50)
    read = hierarcaps.read(tmp_path / "own.csv.gz")
    assert len(read.rows) == 50
    assert [len(tier.split()) for tier in read.rows[0].positive] == list(data_check.WORDS_OF_TIER)


@pytest.mark.slow
def test_it_measures_and_reports(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(data_check.machine, "PEAK_SECONDS", 0.01)
    data_check.main(["--rows", "200", "--out", str(tmp_path)])
    found = json.loads((tmp_path / "data_check.json").read_text())["metrics"]
    assert found["rows"] == 200
    assert 0 < found["processor_seconds"] < 60
    assert 50 * 2**20 < found["peak"] < data_check.GOAL_BYTES
    assert capsys.readouterr().out == (tmp_path / "data_check.md").read_text()
