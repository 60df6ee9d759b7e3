"""Dataset cards: counts from the files themselves, heads that hubs read, and nothing that ties to one machine."""

import csv
import errno
import json
import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any
from weakref import WeakSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo._core import markdown
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.construction import BuildPlan, build, card
from hiergeo.construction.backends import BACKENDS
from hiergeo.construction.card import portable, read_card, update_card, write_card
from hiergeo.construction.judges import JUDGES
from hiergeo.construction.leakage import Leakage, Reference, leakage
from hiergeo.datasets import chains
from hiergeo.datasets.chains import Chain
from tests.construction.construction_toys import ToyBackend, ToyJudge

yaml = pytest.importorskip("yaml")

ROWS = [
    Chain(0, ("animal", "a wet dog"), ("plant", "a dry dog"), "a.jpg"),
    Chain(1, ("animal", "a cat on a mat"), ("plant", "a cat on a roof"), "b.jpg"),
]
MADE: dict[str, Any] = {
    "plan": {
        "licence": "CC-BY-4.0",
        "title": 'Pets: "a" & <b>',
        "backend": {"name": "transformers:/home/me/models/tiny"},
    },
    "source": "captions.csv",
    "captions": 5,
    "dropped": {("filter", "not growing"): 2, ("generalise", "no noun"): 1},
    "backend": {"model": "/home/me/models/tiny"},
    "prompts": {"generalise": "Say it ```shorter```."},
}


def folder_of(path: Path) -> Path:
    chains.write_train(path / "train.csv", ROWS[:1])
    chains.write_test(path / "test.csv", ROWS[1:])
    chains.write_train(path / "test_expanded.csv", ROWS[1:])
    return path


def head(path: Path) -> dict:
    _, told, _ = (path / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(told)


def test_a_card_counts_what_the_files_hold(tmp_path):
    found = write_card(folder_of(tmp_path), MADE, Leakage())
    assert found == read_card(tmp_path)
    assert found["splits"]["test"]["tiers"][1] == {
        "texts": 1,
        "distinct": 1,
        "mean_words": 5.0,
        "least_words": 5,
        "most_words": 5,
    }
    chains.write_train(tmp_path / "train.csv", ROWS)
    assert write_card(tmp_path, MADE, Leakage())["splits"]["train"]["tiers"] == [
        {"texts": 2, "distinct": 1, "mean_words": 1.0, "least_words": 1, "most_words": 1},
        {"texts": 2, "distinct": 2, "mean_words": 4.0, "least_words": 3, "most_words": 5},
    ]
    assert found["dropped"] == {"filter": {"not growing": 2}, "generalise": {"no noun": 1}}
    assert found["images_in_train_and_test"] == 0
    told = (tmp_path / "README.md").read_text()
    assert "| filter | not growing | 2 |" in told
    assert "**Compared with no other set.**" in told
    assert "````text\nSay it ```shorter```.\n````" in told


def test_hubs_can_read_the_head(tmp_path):
    write_card(folder_of(tmp_path), MADE, Leakage())
    told = head(tmp_path)
    assert told["license"] == "cc-by-4.0"
    assert told["pretty_name"] == MADE["plan"]["title"]
    assert told["size_categories"] == ["n<1K"]
    assert told["configs"][0]["data_files"] == [
        {"split": "train", "path": "train.csv"},
        {"split": "test", "path": "test_expanded.csv"},
    ]
    assert "language" not in told
    write_card(tmp_path, {"plan": {"language": "any", "backend": {"name": "wordnet"}}}, Leakage())
    assert head(tmp_path)["language"] == ["en"]
    assert head(tmp_path)["pretty_name"] == "Chains of captions"
    write_card(tmp_path, {"plan": {"title": "Pets"}}, Leakage())
    assert head(tmp_path)["pretty_name"] == "Pets"
    write_card(tmp_path, MADE, Leakage())
    assert "<b>" not in (tmp_path / "README.md").read_text().split("---\n", 2)[2].split("Plan:")[0]


def test_a_licence_that_nobody_states_is_a_warning(tmp_path):
    write_card(folder_of(tmp_path), {}, Leakage())
    assert head(tmp_path)["license"] == "unknown"
    assert "No licence is stated" in (tmp_path / "README.md").read_text()
    write_card(tmp_path, {"plan": {"licence": "ask the museum"}}, Leakage())
    assert (head(tmp_path)["license"], head(tmp_path)["license_name"]) == ("other", "ask the museum")


def test_a_card_has_no_paths_of_the_machine_and_is_the_same_again(tmp_path):
    write_card(folder_of(tmp_path), MADE, Leakage())
    names = ("card.json", "README.md", "leakage.csv")
    first = {name: (tmp_path / name).read_bytes() for name in names}
    assert not any(b"/home/me" in held or str(tmp_path).encode() in held for held in first.values())
    assert json.loads(first["card.json"])["plan"]["backend"]["name"] == "transformers:tiny"
    write_card(tmp_path, MADE, Leakage())
    assert {name: (tmp_path / name).read_bytes() for name in names} == first


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("/a/b/model", "model"),
        ("hf:~/models/x", "hf:x"),
        (r"C:\models\x", "x"),
        ("org/model", "org/model"),
        ("https://host/v1/chat", "https://host/v1/chat"),
        ("a sentence / with slashes", "a sentence / with slashes"),
    ],
)
def test_folders_are_left_out_of_absolute_paths(told, kept):
    assert portable({"x": [{"y": told}]}) == {"x": [{"y": kept}]}


def test_leaks_are_told_or_why_they_are_not_known(tmp_path):
    held = {"train": ROWS[:1]}
    others = [
        Reference("pets test", (Chain(7, ("animal", "A wet dog.")),)),
        Reference("hierarcaps test", missing="gone."),
    ]
    write_card(folder_of(tmp_path), MADE, leakage(held, others))
    told = (tmp_path / "README.md").read_text()
    assert "| train | pets test | text | 1 |" in told
    assert "**Not compared with hierarcaps test**: " in told
    assert "gone." not in told
    with (tmp_path / "leakage.csv").open(newline="") as handle:
        assert [each["other_row"] for each in csv.DictReader(handle)] == ["7"]


def test_a_card_is_brought_up_to_date(tmp_path):
    first = write_card(folder_of(tmp_path), MADE, Leakage())
    update_card(tmp_path, quality={"test": {"tau_d": 0.5}, "train": {"tau_d": 0.25}})
    chains.write_train(tmp_path / "train.csv", [*ROWS[:1], Chain(2, ("a", "b c"), None, "b.jpg")])
    found = update_card(tmp_path)
    assert found["quality"] == {"test": {"tau_d": 0.5}}
    assert found["data_sha256"] != first["data_sha256"]
    assert "**Images that are in both train and test: 1.**" in (tmp_path / "README.md").read_text()


def test_a_number_that_no_card_can_hold_leaves_the_card_as_it_was(tmp_path):
    write_card(folder_of(tmp_path), MADE, Leakage())
    before = {name: (tmp_path / name).read_bytes() for name in card.FILES}
    with pytest.raises(InputError, match="tau_d"):
        update_card(tmp_path, quality={"train": {"tau_d": math.nan}})
    assert {name: (tmp_path / name).read_bytes() for name in card.FILES} == before


def test_quality_is_of_texts_and_not_of_their_counts(tmp_path):
    write_card(folder_of(tmp_path), MADE, Leakage())
    update_card(tmp_path, quality={"test": {"tau_d": 0.5}, "train": {"tau_d": 0.25}})
    measured = {split: card.split_sha256(tmp_path, split) for split in ("train", "test")}
    chains.write_train(tmp_path / "train.csv", [Chain(0, ("animal", "a dry dog"), ("plant", "a wet dog"), "a.jpg")])
    assert update_card(tmp_path)["quality"] == {"test": {"tau_d": 0.5}}
    with pytest.raises(InputError, match="train"):
        update_card(tmp_path, quality={"train": {"tau_d": 0.75}}, measured=measured)
    measured.pop("train")
    assert update_card(tmp_path, quality={"test": {"tau_d": 1.0}}, measured=measured)["quality"]["test"]["tau_d"] == 1.0


def test_two_updates_at_once_are_both_kept(tmp_path, monkeypatch):
    write_card(folder_of(tmp_path), MADE, Leakage())
    counted, both = card.contents, Barrier(2)

    def slow(folder):
        with suppress(BrokenBarrierError):  # waits for the other update to come here too, in vain if it is kept out
            both.wait(0.3)
        return counted(folder)

    monkeypatch.setattr(card, "contents", slow)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda split: update_card(tmp_path, quality={split: {"tau_d": 0.5}}), ("train", "test")))
    assert set(read_card(tmp_path)["quality"]) == {"train", "test"}


def test_the_readme_is_there_before_the_card(tmp_path, monkeypatch):
    replace = Path.replace

    def killed(self, target):
        if self.name == card.JSON:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_card(folder_of(tmp_path), MADE, Leakage())
    assert {"README.md", "leakage.csv"} <= {path.name for path in tmp_path.iterdir()}


def test_a_card_that_cannot_be_written_leaves_its_folder_as_it_was(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = {path.name: path.read_bytes() for path in folder_of(tmp_path).iterdir()}
    monkeypatch.setattr(card.documents, "write", full)
    with pytest.raises(UnavailableError, match="No space"):
        write_card(tmp_path, MADE, Leakage())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_altered_and_missing_cards_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"card\.json"):
        update_card(tmp_path)
    with pytest.raises(UnavailableError, match="no chains"):
        write_card(tmp_path, MADE, Leakage())
    write_card(folder_of(tmp_path), MADE, Leakage())
    held = json.loads((tmp_path / card.JSON).read_text())
    (tmp_path / card.JSON).write_text(json.dumps(held | {"captions": 6}))
    with pytest.raises(InputError, match="altered"):
        read_card(tmp_path)


def test_rows_are_counted_and_compared_without_being_kept(tmp_path, monkeypatch):
    rows = [Chain(place, ("animal", f"dog {place}"), ("plant", f"tree {place}"), f"{place}.jpg") for place in range(50)]
    chains.write_test(tmp_path / "test.csv", rows)
    chains.write_train(tmp_path / "test_expanded.csv", rows)
    alive, most = WeakSet(), []

    def counted(*values):
        alive.add(made := Chain(*values))
        most.append(len(alive))
        return made

    monkeypatch.setattr(chains, "Chain", counted)
    found = leakage(chains.everything(tmp_path)[1], [Reference("pets", tuple(rows[:3]))])
    assert (found.rows, len(found.leaks)) == ({"test": 50}, 3)
    assert card.contents(tmp_path)["splits"]["test"]["tiers"][1]["distinct"] == 50
    assert max(most) < 10


@given(st.text())
def test_code_blocks_hold_any_text(text):
    lines = markdown.fenced(text, "text").split("\n")
    fence = lines[0].removesuffix("text")
    assert lines[-1] == fence
    assert not any(line.lstrip().startswith(fence) for line in lines[1:-1])


def test_a_build_ends_with_a_card(tmp_path, monkeypatch):
    monkeypatch.setitem(BACKENDS.own, "toy", ToyBackend)
    monkeypatch.setitem(JUDGES.own, "toy", ToyJudge)
    (tmp_path / "captions.csv").write_text("caption\na dog runs over the wet grass\na cat sleeps on the sofa\nno\n")
    plan = BuildPlan(backend="toy", judge="toy", test_fraction=0.5, licence="cc0-1.0")
    built = build(tmp_path / "captions.csv", tmp_path / "out", plan)
    found = read_card(tmp_path / "out")
    assert built.card == found
    assert (found["source"], found["captions"], found["licence"]) == ("captions.csv", 3, "cc0-1.0")
    assert found["backend"]["name"] == "toy"
    assert sum(split["rows"] for split in found["splits"].values()) == built.train + built.test
    assert sum(sum(reasons.values()) for reasons in found["dropped"].values()) == 3 - built.train - built.test
