"""Captions that a build reads: which are dropped, and why."""

import csv

import pytest

from hiergeo._core.errors import InputError
from hiergeo.construction import BuildPlan, captions
from hiergeo.construction.captions import of_file

LONG = "a dog runs on"
ROWS = [
    ("a cat", "x/1.jpg"),
    ("A  cat.", "x/1.jpg"),
    ("a cat", "x/2.jpg"),
    (" ", "x/3.jpg"),
    (LONG, "x/4.jpg"),
    (f"{LONG} a", "x/5.jpg"),
    ("a => b", "x/6.jpg"),
]


def read(folder, rows):
    """Row -> why it was dropped, None for a caption that is kept."""
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("caption", "image"), *rows])
    found = of_file(folder / "captions.csv", BuildPlan(tiers=3), folder / "out")
    drafts = [draft for shard in found.shards(2, found.survey()) for draft in shard]
    assert [draft.row for draft in drafts] == list(range(len(rows)))
    return [draft.dropped and draft.dropped.reason for draft in drafts]


def test_repeated_empty_and_long_captions_are_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(captions, "MOST_CHARACTERS", len(LONG))
    assert read(tmp_path, ROWS) == [None, "duplicate", None, "empty", None, "too long", "holds =>"]


def test_captions_that_change_while_they_are_read_are_refused(tmp_path):
    read(tmp_path, ROWS)
    found = of_file(tmp_path / "captions.csv", BuildPlan(tiers=3), tmp_path / "out")
    survey = found.survey()
    (tmp_path / "captions.csv").write_text("caption,image\na cow,x/1.jpg\n")
    with pytest.raises(InputError, match=r"captions\.csv"):
        list(found.shards(2, survey))
