"""What a build refuses, before any work and in one sentence, and what it drops row by row."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.construction import NothingLeftError, build, read_plan
from hiergeo.construction.backends import BACKENDS
from hiergeo.construction.judges import JUDGES
from tests.construction.construction_toys import ToyBackend, ToyJudge, toy_plan

GOOD = "caption,image\na dog runs over the grass,1.jpg\na cat on a red sofa,2.jpg\n"


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS.own, "toy", ToyBackend)
    monkeypatch.setitem(JUDGES.own, "toy", ToyJudge)


def written(folder: Path, content: str | bytes, name: str = "captions.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "told", "named"),
    [
        ("", {}, "no captions"),
        ("caption,image\n", {}, "no captions"),
        ("words,image\na dog,1.jpg\n", {}, "--caption-column"),
        (GOOD, {"image_column": "imag"}, "image"),
        (GOOD.encode("utf-16"), {}, "UTF-16"),
    ],
)
def test_files_without_captions_are_refused(
    content: str | bytes, told: dict[str, Any], named: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=named):
        build(written(tmp_path, content), tmp_path / "out", toy_plan(**told))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"backend": "toi"}, "toy"),
        ({"judge": "transformer"}, "transformers"),
        ({"backend_options": {"pauze": 1}}, "pause"),
        ({"judge_options": {"sur": 1}}, "sure"),
        ({"backend_options": {"answers": "x"}}, "answers"),
        ({"judge_options": {"sure": "much"}}, "judge 'toy'"),
    ],
)
def test_backends_judges_and_options_that_are_not_there(settings: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=named):
        build(written(tmp_path, GOOD), tmp_path / "out", toy_plan(**settings))
    assert not (tmp_path / "out").exists()


def test_captions_that_cannot_be_used_are_dropped_one_by_one(tmp_path: Path) -> None:
    rows = ["", "word " * 2000, "a dog => runs", "dog", "a\x00b", "ein Hund auf einer Wiese", "a dog on the grass"]
    with (tmp_path / "captions.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["caption"], *([row] for row in rows), ["a", "b"]])
    built = build(tmp_path / "captions.csv", tmp_path / "out", toy_plan(test_fraction=0))
    with (tmp_path / "out" / "dropped.csv").open(newline="") as handle:
        reasons = {int(row["row"]): row["reason"] for row in csv.DictReader(handle)}
    assert built.rows == len(rows) + 1
    assert built.train == 2
    assert reasons[1] == "too long"


def test_an_endpoint_that_is_down_leaves_the_work_and_says_how_to_go_on(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    with pytest.raises(UnavailableError, match=r"does not answer.*0 of 1 shards are done.*generalise.*same command"):
        build(path, tmp_path / "out", toy_plan(backend="toy:down"))
    assert not (tmp_path / "out" / "train.csv").exists()


def test_code_of_others_that_fails_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        value = "elsewhere:Broken"

        def load(self) -> Any:
            return ToyBackend

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("division by zero")

    monkeypatch.delitem(BACKENDS.own, "toy")
    monkeypatch.setattr(BACKENDS, "foreign", lambda: {"toy": Entry()})
    monkeypatch.setattr(ToyBackend, "contradict", broken)
    with pytest.raises(UnavailableError, match="'toy' failed in the stage contradict: ZeroDivisionError"):
        build(written(tmp_path, GOOD), tmp_path / "out", toy_plan())


@pytest.mark.parametrize(
    ("settings", "stage", "setting"),
    [
        ({"entailment": 0.95}, "check_entailment", "entailment is 0.95"),
        ({"contradiction": 0.95}, "check_contradiction", "contradiction is 0.95"),
        ({"tiers": 8}, "generalise", "too few words"),
    ],
)
def test_a_plan_that_drops_everything_names_the_stage_and_its_setting(
    settings: dict[str, Any], stage: str, setting: str, tmp_path: Path
) -> None:
    with pytest.raises(NothingLeftError, match=f"(?s){stage} dropped 2 .*{setting}"):
        build(written(tmp_path, GOOD), tmp_path / "out", toy_plan(**settings))
    assert (tmp_path / "out" / "dropped.csv").read_text().count(f",{stage},") == 2
    assert (tmp_path / "out" / "work" / "shards" / "000000.json").is_file()


def test_a_folder_of_another_plan_or_input_is_refused_with_the_difference(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    build(path, tmp_path / "out", toy_plan())
    before = (tmp_path / "out" / "train.csv").read_bytes()
    with pytest.raises(InputError, match=r"tiers was 4, now 3; seed was 0, now 7"):
        build(path, tmp_path / "out", toy_plan(tiers=3, seed=7))
    other = written(tmp_path, GOOD.replace("dog", "cow"), "others.csv")
    with pytest.raises(InputError, match=r"captions\.csv', now 'others\.csv"):
        build(other, tmp_path / "out", toy_plan())
    assert (tmp_path / "out" / "train.csv").read_bytes() == before
    assert build(other, tmp_path / "out", toy_plan(), overwrite=True).rows == 2


def test_folders_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    (tmp_path / "out").mkdir()
    written(tmp_path / "out", "mine", "train.csv")
    with pytest.raises(InputError, match=r"train\.csv"):
        build(path, tmp_path / "out", toy_plan())
    assert (tmp_path / "out" / "train.csv").read_text() == "mine"
    with pytest.raises(InputError, match="is a file"):
        build(path, path, toy_plan())


def test_two_builds_of_one_plan_in_one_folder_share_the_work(tmp_path: Path) -> None:
    captions = "".join(f"a dog {n} runs over the grass,{n}.jpg\n" for n in range(12))
    path = written(tmp_path, f"caption,image\n{captions}")
    plan = toy_plan(backend_options={"pause": 0.01})
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: build(path, tmp_path / "out", plan), range(2)))
    assert sum(result.made for result in results) == 4
    assert {result.train + result.test for result in results} == {12}


@pytest.mark.parametrize("content", ["", "tiers = ", "tires = 3"])
def test_a_damaged_plan_in_the_folder_is_told(content: str, tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    build(path, tmp_path / "out", toy_plan())
    (tmp_path / "out" / "plan.toml").write_text(content)
    with pytest.raises(InputError, match="plan"):
        build(path, tmp_path / "out", toy_plan())
    assert build(path, tmp_path / "out", toy_plan(), overwrite=True).rows == 2


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((), "captions"),
        (("CSV", "--data", "scenes"), "both"),
        (("CSV", "--rows", "3"), "--data"),
        (("CSV", "--backend-option", "pause"), "NAME=VALUE"),
        (("CSV", "--backend-option", "api_key=sk-1"), "environment variable"),
        (("--data", "scenes@tests"), "test"),
        (("CSV", "--caption-column", "captin"), "caption"),
        (("CSV", "--config", "HARD"), "check_entailment"),
        (("CSV", "--config", "PLAN"), "tiers"),
    ],
)
def test_the_command_line_names_what_is_wrong(words: tuple[str, ...], named: str, run: Any, tmp_path: Path) -> None:
    places = {"CSV": written(tmp_path, GOOD), "PLAN": written(tmp_path, "tires = 3", "p.toml")}
    places["HARD"] = written(tmp_path, "entailment = 0.99", "hard.toml")
    told = [places.get(word, word) for word in words]
    toys = () if "--backend" in words else ("--backend", "toy")
    code, _, err = run("chains", "build", *told, "--out", tmp_path / "out", *toys, "--judge", "toy")
    assert code == 2
    assert named in err
    assert [line.endswith(" ...") for line in err.splitlines()].count(False) == 1


def test_the_command_line_builds_from_a_plan_and_tells_the_numbers(run: Any, tmp_path: Path) -> None:
    path = written(tmp_path, GOOD + "two words,3.jpg\n")
    plan = written(tmp_path, 'test_fraction = 0\n[backend]\nname = "toy"\nseed = 3\n[judge]\nname = "toy"\n', "p.toml")
    words = ("chains", "build", path, "--out", tmp_path / "out", "--test-fraction", 1)
    code, out, err = run(*words, "--config", plan, "--json", tmp_path / "a.json")
    assert code == 0, err
    held = json.loads((tmp_path / "a.json").read_text())
    assert held["metrics"]["test"] == 2
    assert held["metrics"]["dropped/generalise/too few words"] == 1
    assert held["plan"]["backend"] == {"name": "toy", "seed": 3}
    assert "too few words" in out
    assert "--sample" in out
    before = (tmp_path / "out" / "plan.toml").read_bytes()
    code, _, err = run("chains", "build", path, "--out", tmp_path / "out", "--config", tmp_path / "out" / "plan.toml")
    assert code == 0, err
    assert (tmp_path / "out" / "plan.toml").read_bytes() == before


def test_options_of_the_command_line_join_those_of_a_plan_for_the_same_backend(run: Any, tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    plan = written(tmp_path, '[backend]\nname = "toy"\nseed = 3\n[judge]\nname = "toy"\nsure = 0.8\n', "p.toml")
    words = ("chains", "build", path, "--config", plan, "--backend-option", "pause=0")
    assert run(*words, "--out", tmp_path / "same", "--backend", "toy")[0] == 0
    assert read_plan(tmp_path / "same" / "plan.toml").backend_options == {"seed": 3, "pause": 0}
    assert run(*words, "--out", tmp_path / "other", "--backend", "toy:x", "--judge", "toy:x")[0] == 0
    other = read_plan(tmp_path / "other" / "plan.toml")
    assert (other.backend_options, other.judge_options) == ({"pause": 0}, {})
