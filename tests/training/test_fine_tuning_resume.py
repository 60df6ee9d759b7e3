"""A training that dies goes on as if it had not: bit for bit, from the newest checkpoint that is intact."""

import json
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage.locks import locked
from hiergeo.adapters.open_clip import OpenClipTower
from hiergeo.geometry import Lorentz
from hiergeo.training import checkpoints
from hiergeo.training.checkpoints import load, path_of, save
from hiergeo.training.resuming import CHECKPOINTS
from tests.training import tower_common
from tests.training.tower_common import ROWS, SHORT, curve, scenes, tuned, weights


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A training of `SHORT` that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "a"
    tuned(out)
    return out


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "a"))


class Killed(Exception):
    """What stands for the death of the process."""


def killed_after(count: int, out: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Train until so many checkpoints are written."""
    true, calls = checkpoints.save, []

    def dying(*arguments: Any) -> None:
        true(*arguments)
        calls.append(arguments)
        if len(calls) == count:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", dying)
        with pytest.raises(Killed):
            tuned(out, **changes)


def check_same(one: Path, other: Path) -> None:
    assert (one / "log.jsonl").read_text() == (other / "log.jsonl").read_text()
    both = weights(one), weights(other)
    assert all(torch.equal(both[0][name], weight) for name, weight in both[1].items())


def newest(out: Path) -> Path:
    return path_of(out / CHECKPOINTS, SHORT["steps"])


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"amp": "bf16"}, {"lora": 2}, {"accumulate": 2}, {"geometry": "learnable"}])
def test_every_kind_of_training_goes_on(change, tmp_path, monkeypatch):
    if "geometry" in change:
        change = {"geometry": Lorentz(-1.0, learnable=True)}
    tuned(tmp_path / "whole", steps=4, **change)
    killed_after(2, tmp_path / "a", monkeypatch, steps=4, **change)
    tuned(tmp_path / "a", steps=4, **change)
    check_same(tmp_path / "a", tmp_path / "whole")


@pytest.mark.slow
def test_the_two_newest_and_the_best_checkpoint_stay(tmp_path):
    trained = tuned(tmp_path / "a", learning_rate=3e-3, steps=10)
    assert trained.diverged is None
    steps = set(checkpoints.steps(tmp_path / "a" / CHECKPOINTS))
    assert {8, 10, trained.best} <= steps
    assert len(steps) <= 4
    assert {path.name for path in (tmp_path / "a" / CHECKPOINTS).iterdir()} == {path_of(Path(), s).name for s in steps}


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_newest_checkpoint_is_passed_over_aloud(damage, whole, tmp_path, monkeypatch):
    out = tmp_path / "a"
    killed_after(4, out, monkeypatch)
    content = bytearray(newest(out).read_bytes())
    content[-1] ^= 1
    newest(out).write_bytes(content[:5000] if damage == "cut" else content)
    with pytest.warns(UserWarning, match="going back to the checkpoint before it"):
        tuned(out)
    check_same(out, whole)


@pytest.mark.slow
def test_no_altered_byte_of_a_checkpoint_goes_unseen(copy):
    """One byte changed, left out or put in, of the description and of the tensors: refused or equal."""
    path = newest(copy)
    content, true = path.read_bytes(), load(path)
    header, draw = 8 + int.from_bytes(content[:8], "little"), random.Random(0)
    refused = 0
    for last in (header, len(content)):
        for _ in range(100):
            at, byte = draw.randrange(last), draw.randrange(256)
            changed = bytes([byte]) if byte != content[at] else b""
            path.write_bytes(content[:at] + draw.choice([changed, b"", b" " + changed]) + content[at + 1 :])
            try:
                read = load(path)
            except InputError:
                refused += 1
            else:
                assert replace(read, tensors={}) == replace(true, tensors={})
                assert all(torch.equal(read.tensors[name], tensor) for name, tensor in true.tensors.items())
    assert refused > 150


@pytest.mark.parametrize("change", [{"looks": ({"step": 1},)}, {"extra": 1}, {"scaler": 3}])
def test_a_description_that_does_not_fit_is_refused_whatever_its_hash(change, copy, monkeypatch):
    described = checkpoints.asdict
    monkeypatch.setattr(checkpoints, "asdict", lambda checkpoint: described(checkpoint) | change)
    save(newest(copy), load(newest(copy)))
    with pytest.raises(InputError, match=re.escape(str(newest(copy)))):
        load(newest(copy))


@pytest.mark.parametrize("damage", ["shape", "gone"])
def test_weights_of_another_network_are_refused(damage, copy):
    checkpoint = load(newest(copy))
    name = next(name for name in sorted(checkpoint.tensors) if name.startswith("weight/"))
    tensors = dict(checkpoint.tensors)
    tensor = tensors.pop(name)
    save(newest(copy), replace(checkpoint, tensors=tensors | ({name: tensor[None]} if damage == "shape" else {})))
    with pytest.raises(InputError, match="does not fit"):
        tuned(copy)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"learning_rate": 1e-3}, "learning_rate 0.0003 instead of 0.001"),
        ({"losses": {"mean": 1.0}}, "losses"),
        ({"geometry": "lorentz:-1"}, 'geometry "euclidean" instead of "lorentz:-1"'),
        ({"seed": 1}, "seed 0 instead of 1"),
        ({"rows": ROWS + 1}, f'data .*"rows": {ROWS}'),
    ],
)
def test_another_training_is_refused_by_name(change, named, whole, monkeypatch):
    rows = change.pop("rows", ROWS)
    monkeypatch.setattr(tower_common, "scenes", lambda: scenes(rows))
    before = (whole / "config.json").read_text()
    with pytest.raises(InputError, match=named):
        tuned(whole, **change)
    assert (whole / "config.json").read_text() == before


@pytest.mark.slow
def test_another_training_is_replaced_where_that_is_wanted(whole, copy):
    tuned(copy, overwrite=True, seed=1)
    assert curve(copy) != curve(whole)
    shutil.rmtree(copy / CHECKPOINTS)
    with pytest.raises(InputError, match="--overwrite"):
        tuned(copy)
    tuned(copy, overwrite=True)
    check_same(copy, whole)


def test_a_folder_is_trained_in_by_one_process_at_a_time(tmp_path):
    with locked(tmp_path / "a"), pytest.raises(UnavailableError, match="is being written by"):
        tuned(tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("method", ["export", "merge"])
def test_a_model_is_there_whole_or_not_at_all(method, monkeypatch, copy):
    """It dies while the model is exported again: the folder holds the old one or the new one, never half of one."""

    def dying(*_: object) -> None:
        raise Killed

    files = {path.name: path.read_bytes() for path in (copy / "model").iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(OpenClipTower, method, dying)
        with pytest.raises(Killed):
            tuned(copy)
    assert {path.name: path.read_bytes() for path in (copy / "model").iterdir()} == files
    assert sorted(path.name for path in copy.iterdir()) == ["checkpoints", "config.json", "log.jsonl", "model"]


def test_resuming_what_is_done_changes_nothing(whole):
    before = curve(whole), weights(whole), json.loads((whole / "config.json").read_text())
    again = tuned(whole)
    assert (curve(whole), again.config | {"spec": again.spec}) == (before[0], again.config)
    assert before[2]["best_step"] == again.best
    assert all(torch.equal(before[1][name], weight) for name, weight in weights(whole).items())


def test_after_a_fallback_new_checkpoints_stay_and_foreign_files_too(whole, copy):
    """Damaged newer checkpoints count for nothing: they neither outlive nor displace what training goes on to write."""
    folder = copy / CHECKPOINTS
    foreign = [folder / "step-1000.safetensors", folder / "step-00000000.safetensors.bak"]
    for path in foreign:
        path.write_text("mine")
    for step in (800, 900):
        path_of(folder, step).write_bytes(newest(copy).read_bytes()[:-1])
    newest(copy).unlink()
    with pytest.warns(UserWarning, match="going back"):
        tuned(copy)
    assert max(checkpoints.steps(folder)) == load(newest(copy)).step
    assert all(path.read_text() == "mine" for path in foreign)
    check_same(copy, whole)
