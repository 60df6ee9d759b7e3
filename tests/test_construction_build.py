"""Builds from captions to files: nothing vanishes, results are the same again, and only what changed is made anew."""

import csv
from pathlib import Path
from typing import Any

import pytest
from construction_toys import ToyBackend, ToyJudge

from hiergeo.construction import BuildPlan, Built, build
from hiergeo.construction.backends import BACKENDS
from hiergeo.construction.judges import JUDGES

CAPTIONS = """caption,image_url
a dog runs over the wet grass,http://x/1.jpg
a dog runs over the wet grass.,http://x/1.jpg
a dog runs over the wet grass,http://x/2.jpg
two words,http://x/3.jpg
,http://x/4.jpg
an old man on a red bicycle,http://x/5.jpg
a => b is not a caption,http://x/6.jpg
a cat sleeps on the sofa,
"""


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS.own, "toy", ToyBackend)  # type: ignore[arg-type]
    monkeypatch.setitem(JUDGES.own, "toy", ToyJudge)  # type: ignore[arg-type]


def plan(**settings: Any) -> BuildPlan:
    return BuildPlan(**{"backend": "toy", "judge": "toy", "shard_rows": 3, "test_fraction": 0.5, **settings})


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    path = tmp_path / "captions.csv"
    path.write_text(CAPTIONS)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_captions_become_chains_with_negatives(captions: Path, tmp_path: Path) -> None:
    built = build(captions, tmp_path / "out", plan())
    assert isinstance(built, Built)
    rows = [*table(tmp_path / "out" / "train.csv"), *table(tmp_path / "out" / "test_expanded.csv")]
    assert built.train + built.test == len(rows) == 4
    chains = {row["positive"]: row["negative"] for row in rows}
    assert chains["a => a cat => a cat sleeps => a cat sleeps on the sofa"] == (
        "no a => no a cat => no a cat sleeps => no a cat sleeps on the sofa"
    )
    test = table(tmp_path / "out" / "test.csv")
    assert [row["captions"] for row in test] == [
        row["positive"] for row in table(tmp_path / "out" / "test_expanded.csv")
    ]


def test_what_is_dropped_is_listed_with_stage_and_reason(captions: Path, tmp_path: Path) -> None:
    built = build(captions, tmp_path / "out", plan())
    found = {int(row["row"]): (row["stage"], row["reason"]) for row in table(tmp_path / "out" / "dropped.csv")}
    assert found == {
        1: ("read", "duplicate"),
        3: ("generalise", "too few words"),
        4: ("read", "empty"),
        6: ("read", "holds =>"),
    }
    assert built.rows == built.train + built.test + len(found)
    assert built.dropped == {("read", "duplicate"): 1, ("read", "empty"): 1, ("read", "holds =>"): 1} | {
        ("generalise", "too few words"): 1
    }
