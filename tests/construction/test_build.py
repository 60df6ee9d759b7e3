"""Builds from captions to files: nothing vanishes, results are the same again, and only what changed is made anew."""

import csv
import warnings
from pathlib import Path
from typing import Any

import pytest

from hiergeo import datasets
from hiergeo.construction import Built, build
from hiergeo.construction.backends import BACKENDS
from hiergeo.construction.judges import JUDGES
from tests.construction.construction_toys import ToyBackend, ToyJudge, toy_plan

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
    monkeypatch.setitem(BACKENDS.own, "toy", ToyBackend)
    monkeypatch.setitem(JUDGES.own, "toy", ToyJudge)


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
    built = build(captions, tmp_path / "out", toy_plan())
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
    built = build(captions, tmp_path / "out", toy_plan())
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


def test_the_same_build_twice_gives_the_same_bytes(captions: Path, tmp_path: Path) -> None:
    build(captions, tmp_path / "one", toy_plan())
    build(captions, tmp_path / "other", toy_plan())
    assert files(tmp_path / "one") == files(tmp_path / "other")
    for name, content in files(tmp_path / "one").items():
        assert str(tmp_path).encode() not in content, f"{name} holds a path of this machine"


def test_a_finished_build_is_kept_when_it_is_given_again(captions: Path, tmp_path: Path) -> None:
    first = build(captions, tmp_path / "out", toy_plan())
    before = files(tmp_path / "out")
    again = build(captions, tmp_path / "out", toy_plan())
    assert again.made == 0
    assert again.metrics == first.metrics
    assert files(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("change", "made", "new"),
    [
        ({"test_fraction": 0.9, "seed": 0}, 0, 0),
        ({"title": "Dogs"}, 0, 0),
        ({"contradiction": 0.6}, 3, 0),
        ({"tiers": 3}, 3, 2),
    ],
)
def test_a_change_of_the_plan_asks_for_nothing_that_was_answered(
    change: dict[str, Any], made: int, new: int, captions: Path, tmp_path: Path
) -> None:
    asked = tmp_path / "asked.txt"
    options = {"log": str(asked)}
    build(captions, tmp_path / "out", toy_plan(backend_options=options))
    before = set(asked.read_text().split())
    changed = build(captions, tmp_path / "out", toy_plan(backend_options=options, **change), overwrite=True)
    assert changed.made == made
    after = asked.read_text().split()
    assert len(after) == len(set(after))
    assert bool(set(after) - before) == bool(new)
    build(captions, tmp_path / "fresh", toy_plan(backend_options=options, **change))
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


def test_captions_that_were_appended_leave_whole_shards_as_they_are(captions: Path, tmp_path: Path) -> None:
    build(captions, tmp_path / "out", toy_plan())
    captions.write_text(f"{CAPTIONS}a man rides a horse,http://x/9.jpg\na bird in a tree,http://x/10.jpg\n")
    grown = build(captions, tmp_path / "out", toy_plan())
    assert grown.made == 2
    build(captions, tmp_path / "fresh", toy_plan())
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


@pytest.mark.parametrize("damage", ["cut", "altered", "gone", "empty"])
def test_damaged_shards_are_made_again(damage: str, captions: Path, tmp_path: Path) -> None:
    build(captions, tmp_path / "out", toy_plan())
    before = files(tmp_path / "out")
    shard = tmp_path / "out" / "work" / "shards" / "000001.json"
    content = shard.read_bytes()
    if damage == "gone":
        shard.unlink()
    else:
        shard.write_bytes({"cut": content[:-30], "altered": content.replace(b"bicycle", b"x"), "empty": b""}[damage])
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert build(captions, tmp_path / "out", toy_plan()).made == 1
    assert any("again" in str(warning.message) for warning in warned) == (damage != "gone")
    assert files(tmp_path / "out") == before


def test_shares_of_the_shards_add_up_to_the_whole(captions: Path, tmp_path: Path) -> None:
    whole = build(captions, tmp_path / "whole", toy_plan())
    parts = [build(captions, tmp_path / "out", toy_plan(), worker=f"{part}/2") for part in range(2)]
    assert not any(part.finished for part in parts)
    last = build(captions, tmp_path / "out", toy_plan())
    assert (sum(part.made for part in parts), last.made) == (3, 0)
    assert last.metrics == whole.metrics
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_a_dataset_gives_its_finest_captions(tmp_path: Path) -> None:
    scenes = datasets.load("scenes", "test", count=20)
    built = build(scenes, tmp_path / "out", toy_plan(test_fraction=1.0))
    rows = table(tmp_path / "out" / "test.csv")
    finest = {row.row_id: row.positive[-1] for row in scenes.rows}
    assert built.test == len(rows) == 20
    assert all(row["captions"].split(" => ")[-1] == finest[int(row["id"])] for row in rows)
    assert {row["image_url"] for row in rows} == {f"scenes:{n}" for n in range(20)}


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_a_split_may_be_empty(fraction: float, captions: Path, tmp_path: Path) -> None:
    built = build(captions, tmp_path / "out", toy_plan(test_fraction=fraction))
    assert (built.train, built.test) == ((4, 0) if fraction == 0 else (0, 4))


def test_a_folder_of_files_is_one_input_with_rows_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "in" / "more").mkdir(parents=True)
    (tmp_path / "in" / "a.csv").write_text("caption,image\na dog runs over the grass,dog.jpg\n,empty.jpg\n")
    lines = ['{"text": "a cat sleeps on the sofa", "image": "cat.jpg"}', "", '{"text": 3}']
    (tmp_path / "in" / "more" / "b.jsonl").write_text("\n".join(lines))
    built = build(tmp_path / "in", tmp_path / "in" / "out", toy_plan(test_fraction=1))
    rows = {int(row["id"]): row["image_url"] for row in table(tmp_path / "in" / "out" / "test.csv")}
    assert rows == {0: "dog.jpg", 2: "more/cat.jpg"}
    assert {int(row["row"]) for row in table(tmp_path / "in" / "out" / "dropped.csv")} == {1, 4}
    assert built.rows == 4


def test_the_card_tells_the_plan_the_backend_and_what_a_model_is_told(
    captions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ToyBackend, "instructions", lambda _, tiers: {"generalise": f"Write {tiers - 1} texts."})
    built = build(captions, tmp_path / "out", toy_plan(title="Dogs"))
    text = (tmp_path / "out" / "README.md").read_text()
    assert "Write 3 texts." in text
    assert '"rest": ""' in text
    assert "# Dogs" in text
    assert f"| generalise | too few words | {built.dropped['generalise', 'too few words']} |" in text
