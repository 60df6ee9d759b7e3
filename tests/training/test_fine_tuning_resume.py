"""A training that dies goes on as if it had not: bit for bit, from the newest checkpoint that is intact."""

import json
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage import documents
from hiergeo._core.storage.locks import locked
from hiergeo.adapters.open_clip import OpenClipTower
from hiergeo.geometry import Lorentz
from hiergeo.training import checkpoints
from hiergeo.training.re import fine_tuning
from tests.training.tower_common import ROWS, SHORT, curve, tuned, weights


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A training of `SHORT` that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "a"
    tuned(out)
    return out


class Killed(Exception):
    """What stands for the death of the process."""


def killed(out: Path, monkeypatch: pytest.MonkeyPatch, place: str, count: int) -> None:
    """Train until the function `place` that the checkpoints use is called for the `count`-th time."""
    calls = []
    owner, name = (documents, "write") if place == "documents.write" else (checkpoints, place)
    true = getattr(owner, name)

    def dying(*arguments: object, **options: object) -> object:
        calls.append(arguments)
        if len(calls) == count:
            raise Killed
        return true(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, dying)
        with pytest.raises(Killed):
            tuned(out)


def check_same(one: Path, other: Path) -> None:
    assert curve(one) == curve(other)
    assert (one / "history.json").read_text() == (other / "history.json").read_text()
    both = weights(one), weights(other)
    assert all(torch.equal(both[0][name], weight) for name, weight in both[1].items())


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"amp": "bf16"}, {"lora": 2}, {"accumulate": 2}, {"geometry": "learnable"}])
def test_every_kind_of_training_goes_on(change, tmp_path, monkeypatch):
    if "geometry" in change:
        change = {"geometry": Lorentz(-1.0, learnable=True)}
    tuned(tmp_path / "whole", steps=4, **change)
    true, calls = checkpoints.write, []

    def dying(*arguments: object) -> None:
        true(*arguments)
        calls.append(arguments)
        if len(calls) == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write", dying)
        with pytest.raises(Killed):
            tuned(tmp_path / "a", steps=4, **change)
    tuned(tmp_path / "a", steps=4, **change)
    check_same(tmp_path / "a", tmp_path / "whole")


@pytest.mark.slow
def test_the_two_newest_and_the_best_checkpoint_stay(tmp_path):
    found = tuned(tmp_path / "a", learning_rate=3e-3, steps=10)
    assert found.diverged is None
    steps = set(checkpoints.steps(tmp_path / "a" / "checkpoints"))
    assert {8, 10, found.best} <= steps
    assert len(steps) <= 4
    names = {path.name for path in (tmp_path / "a" / "checkpoints").iterdir()}
    assert names == {f"step-{step:08d}.{kind}" for step in steps for kind in ("json", "safetensors")}


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "json"])
def test_a_damaged_newest_checkpoint_is_passed_over_aloud(damage, whole, tmp_path, monkeypatch):
    out = tmp_path / "a"
    killed(out, monkeypatch, "_prune", 4)
    newest = out / "checkpoints" / "step-00000006"
    tensors, described = newest.with_suffix(".safetensors"), newest.with_suffix(".json")
    blob = bytearray(tensors.read_bytes())
    if damage == "cut":
        tensors.write_bytes(blob[:5000])
    elif damage == "changed":
        blob[-1] ^= 1
        tensors.write_bytes(blob)
    elif damage == "gone":
        tensors.unlink()
    else:
        described.write_text(described.read_text()[:50])
    with pytest.warns(UserWarning, match="damaged.*: going back to the checkpoint before it"):
        tuned(out)
    check_same(out, whole)


@pytest.mark.slow
def test_no_altered_byte_of_a_description_goes_unseen(whole):
    """One byte changed, left out or put in anywhere: the checkpoint is refused, in a sentence that names the file."""
    folder = whole / fine_tuning.CHECKPOINTS
    path = folder / f"step-{SHORT['steps']:08d}.json"
    content = path.read_bytes()
    draw = random.Random(0)
    try:
        for _ in range(300):
            place, byte = draw.randrange(len(content)), draw.randrange(256)
            changed = bytes([byte]) if byte != content[place] else b""
            path.write_bytes(content[:place] + draw.choice([changed, b"", b" " + changed]) + content[place + 1 :])
            with pytest.raises(InputError, match=re.escape(str(path))):
                checkpoints.read(folder, SHORT["steps"])
    finally:
        path.write_bytes(content)
    checkpoints.read(folder, SHORT["steps"])


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told | {"best": 5},
        lambda told: told | {"step": 4},
        lambda told: told | {"curve": {"total": [1.0]}},
        lambda told: told | {"curve": {"total": "abcdef"}},
        lambda told: told | {"looks": told["looks"][:-1]},
        lambda told: told | {"looks": [*told["looks"][:-1], told["looks"][-1] | {"radius": [None]}]},
        lambda told: told | {"scaler": {"scale": 1.0}},
        lambda told: told | {"extra": 1},
        lambda told: {name: value for name, value in told.items() if name != "run"},
    ],
)
def test_a_description_that_contradicts_itself_is_refused_whatever_its_hash(change, whole, tmp_path):
    shutil.copytree(whole / fine_tuning.CHECKPOINTS, tmp_path / "a")
    path = tmp_path / "a" / f"step-{SHORT['steps']:08d}.json"
    told = json.loads(path.read_bytes())
    del told[documents.HASH]
    documents.write(path, change(told), indent=None)
    with pytest.raises(InputError, match=re.escape(str(path))):
        checkpoints.read(tmp_path / "a", SHORT["steps"])


@pytest.mark.parametrize("name", ["weight/", "exp_avg/", "step/", "generator"])
@pytest.mark.parametrize("damage", ["shape", "kind", "gone", "strange"])
def test_tensors_of_another_model_are_refused(name, damage, whole, tmp_path):
    """Whoever writes a checkpoint can write its hash: what it holds has to be a state of this very model as well."""
    shutil.copytree(whole, tmp_path / "a")
    folder = tmp_path / "a" / fine_tuning.CHECKPOINTS
    held = checkpoints.read(folder, SHORT["steps"])
    found = next(each for each in sorted(held.tensors) if each.startswith(name))
    tensors = dict(held.tensors)
    if damage == "shape":
        tensors[found] = tensors[found].new_zeros(1, 1, 1)
    elif damage == "kind":
        tensors[found] = tensors[found].long()
    elif damage == "gone":
        del tensors[found]
    else:
        tensors["weight/of nothing"] = tensors.pop(found)
    checkpoints.write(folder, replace(held, tensors=tensors))
    with pytest.raises(InputError, match=r"does not fit.*'(weight|exp_avg|step)/|'generator'"):
        tuned(tmp_path / "a")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"learning_rate": 1e-3}, "learning_rate 0.0003 instead of 0.001"),
        ({"losses": {"mean": 1.0}}, "losses"),
        ({"geometry": "lorentz:-1"}, 'geometry "euclidean" instead of "lorentz:-1"'),
        ({"seed": 1}, "seed 0 instead of 1"),
    ],
)
def test_another_configuration_is_refused_by_name(change, named, whole):
    before = (whole / "config.json").read_text()
    with pytest.raises(InputError, match=named):
        tuned(whole, **change)
    assert (whole / "config.json").read_text() == before


def test_other_data_is_refused(whole, monkeypatch):
    from tests.training.tower_common import scenes

    monkeypatch.setattr("tests.training.tower_common.scenes", lambda: scenes(ROWS + 1))
    with pytest.raises(InputError, match=f'data .*"rows": {ROWS}'):
        tuned(whole)


@pytest.mark.slow
def test_another_training_is_replaced_where_that_is_asked_for(whole, tmp_path):
    out = tmp_path / "a"
    shutil.copytree(whole, out)
    tuned(out, overwrite=True, seed=1)
    assert curve(out) != curve(whole)
    tuned(out, overwrite=True)
    check_same(out, whole)


@pytest.mark.slow
def test_a_finished_training_without_its_checkpoints_is_not_replaced_unasked(whole, tmp_path):
    out = tmp_path / "a"
    shutil.copytree(whole, out)
    shutil.rmtree(out / "checkpoints")
    with pytest.raises(InputError, match="--overwrite"):
        tuned(out)
    tuned(out, overwrite=True)
    check_same(out, whole)


def test_a_folder_is_trained_in_by_one_process_at_a_time(whole, tmp_path):
    with locked(tmp_path / "a"), pytest.raises(UnavailableError, match="is being written by"):
        tuned(tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("place", ["export", "merge"])
def test_a_model_is_there_whole_or_not_at_all(place, tmp_path, monkeypatch, whole):
    """It dies while the model is exported again: the folder holds the old one or the new one, never half of one."""

    def dying(*_: object) -> None:
        raise Killed

    out = tmp_path / "a"
    shutil.copytree(whole, out)
    held = {path.name: path.read_bytes() for path in (out / "model").iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(OpenClipTower, place, dying)
        with pytest.raises(Killed):
            tuned(out)
    assert {path.name: path.read_bytes() for path in (out / "model").iterdir()} == held
    assert sorted(path.name for path in out.iterdir()) == ["checkpoints", "config.json", "history.json", "model"]


def test_a_folder_that_is_deleted_on_the_way_ends_in_one_sentence(tmp_path, monkeypatch):
    out, true, calls = tmp_path / "a", checkpoints.write, []

    def deleting(folder: Path, checkpoint: checkpoints.Checkpoint) -> None:
        true(folder, checkpoint)
        calls.append(checkpoint.best)
        if len(calls) == 4:
            shutil.rmtree(out)

    monkeypatch.setattr(checkpoints, "write", deleting)
    with pytest.raises(InputError, match="there is no checkpoint"):
        tuned(out)


def test_resuming_what_is_done_changes_nothing(whole):
    before = curve(whole), weights(whole)
    again = tuned(whole)
    assert (again.curve, json.loads((whole / "config.json").read_text())["best_step"]) == (before[0], again.best)
    assert all(torch.equal(before[1][name], weight) for name, weight in weights(whole).items())


def test_checkpoints_hold_no_pickles(whole):
    """safetensors begin with the length of a JSON header, and nothing else is there but JSON."""
    for path in (whole / fine_tuning.CHECKPOINTS).iterdir():
        content = path.read_bytes()
        header = content[8 : 8 + int.from_bytes(content[:8], "little")] if path.suffix == ".safetensors" else content
        assert json.loads(header)


def test_after_a_fallback_new_checkpoints_stay_and_foreign_files_too(whole, tmp_path):
    """Damaged newer checkpoints count for nothing: they neither outlive nor displace what training goes on to write."""
    out = tmp_path / "a"
    shutil.copytree(whole, out)
    folder = out / "checkpoints"
    kept = [folder / "step-1000.safetensors", folder / "step-00000000.json.bak"]
    for path in kept:
        path.write_text("mine")
    last = folder / f"step-{SHORT['steps']:08d}.json"
    for step in (800, 900):
        (folder / f"step-{step:08d}.json").write_text(last.read_text())
    last.unlink()
    with pytest.warns(UserWarning, match="going back"):
        tuned(out)
    assert max(checkpoints.steps(folder)) == checkpoints.read(folder, SHORT["steps"]).step
    assert all(path.read_text() == "mine" for path in kept)
    check_same(out, whole)
