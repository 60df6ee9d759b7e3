"""Runs of embedding: what they store, that workers and resumed runs store the same, and what is refused."""

import json
import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hiergeo import search
from hiergeo._core.errors import InputError
from hiergeo._core.jobs import Share
from hiergeo.geometry import Space
from hiergeo.search import layout
from hiergeo.search.compaction import compact
from hiergeo.search.corpus import running
from hiergeo.search.corpus.records import jobs_of
from tests.search.corpus.corpus_common import (
    NAMES,
    Quick,
    captions,
    embed,
    inputs,
    parquet,
    picture,
    poisoned,
    samples,
    stored,
    tar,
    vector,
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    made = inputs(folder / "in")
    embed(folder / "in", folder / "whole", Quick())
    return folder, made, stored(folder / "whole")


def test_the_index_holds_every_row_under_its_number(corpus):
    _folder, made, held = corpus
    assert len(held) == sum(map(len, made.values()))
    root = vector("").double()
    root /= root.norm()
    for number, name in enumerate(NAMES):
        for row, text in enumerate(made[name]):
            direction, radius, caption, image = held[(number << 32) + row]
            lifted = vector(text).double() / vector(text).double().norm() - root
            assert (caption, image) == (text, None)
            assert np.frombuffer(radius, np.float32)[0] == pytest.approx(float(lifted.norm()), rel=1e-6)
            assert np.frombuffer(direction, np.float16) == pytest.approx((lifted / lifted.norm()).numpy(), abs=6e-4)


@pytest.mark.skipif(os.name != "posix", reason="names of files are bytes on POSIX systems alone")
def test_an_input_whose_name_is_not_utf8_is_refused(corpus, tmp_path):
    folder, _, _ = corpus
    shutil.copytree(folder / "in", tmp_path / "in")
    named = next((tmp_path / "in").iterdir())
    named.rename(os.fsdecode(bytes(tmp_path / "in") + b"/\xff.parquet"))
    with pytest.raises(InputError, match="rename"):
        embed(tmp_path / "in", tmp_path / "ix", Quick())


@pytest.mark.parametrize("total", [2, 3, 7])
def test_workers_store_what_one_does(corpus, tmp_path, total):
    folder, _, held = corpus
    for number in reversed(range(total)):
        summary = embed(folder / "in", tmp_path / "ix", Quick(), worker=f"{number}/{total}")
        assert summary.finished == (number == 0)
    assert stored(tmp_path / "ix") == held
    shards = [
        sorted(json.loads((each / "index.json").read_text())["edges"]) for each in (tmp_path / "ix", folder / "whole")
    ]
    assert shards[0] == shards[1]


def test_a_run_that_breaks_off_goes_on(corpus, tmp_path, monkeypatch):
    folder, _, held = corpus

    class Weary(Quick):
        def text_rows(self, texts):
            if self.texts > 150:
                raise KeyboardInterrupt
            return super().text_rows(texts)

    with pytest.raises(KeyboardInterrupt):
        embed(folder / "in", tmp_path / "ix", Weary())
    before = stored(tmp_path / "ix")
    assert 0 < len(before) < len(held)
    done = sum(json.loads(path.read_text())["items"] for path in (tmp_path / "ix" / "inputs").glob("*.json"))
    again = Quick()
    summary = embed(folder / "in", tmp_path / "ix", again)
    assert stored(tmp_path / "ix") == held
    assert summary.earlier > 0
    assert again.texts == len(held) - done + 1
    idle = Quick()
    assert embed(folder / "in", tmp_path / "ix", idle).embedded == 0
    assert idle.texts == 1


def test_an_input_that_is_replaced_behind_its_first_shard_is_read_anew(tmp_path, monkeypatch):
    class Weary(Quick):
        def text_rows(self, texts):
            if self.texts > 6000:
                raise KeyboardInterrupt
            return super().text_rows(texts)

    monkeypatch.setattr(layout, "SHARD_ROWS", 2000)
    source, out = tmp_path / "a.parquet", tmp_path / "ix"
    parquet(source, captions(10_000))
    with pytest.raises(KeyboardInterrupt):
        embed(source, out, Weary())
    broken_off = jobs_of(out).read(0)
    assert broken_off is not None
    assert not broken_off.finished
    assert broken_off.items > 0
    parquet(source, captions(9000, 1))
    embed(source, out, Quick())
    assert [caption for *_, caption, _ in dict(sorted(stored(out).items())).values()] == captions(9000, 1)


def test_a_record_without_its_shards_is_made_again(corpus, tmp_path, monkeypatch):
    """As after a death between the record of an input and its adoption, with what it wrote lost since."""
    folder, _, held = corpus
    monkeypatch.setattr("hiergeo.search.corpus.records.adopt", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        embed(folder / "in", tmp_path / "ix", Quick())
    monkeypatch.undo()
    assert not (tmp_path / "ix" / "index.json").exists()
    (shard,) = (tmp_path / "ix" / "shards").iterdir()
    (shard / "shard.json").unlink()
    embed(folder / "in", tmp_path / "ix", Quick())
    assert stored(tmp_path / "ix") == held


def test_compaction_and_deletion_do_not_bring_inputs_back(tmp_path):
    made = inputs(tmp_path / "in")
    embed(tmp_path / "in", tmp_path / "ix", Quick())
    held = stored(tmp_path / "ix")
    compact(tmp_path / "ix")
    assert len(list((tmp_path / "ix" / "shards").iterdir())) == 1
    record = tmp_path / "ix" / "inputs" / "000002.json"
    before = record.read_text()
    jobs = jobs_of(tmp_path / "ix")
    jobs.write(replace(jobs.read(2), adopted=False))  # as after a death behind the adoption
    idle = Quick()
    assert embed(tmp_path / "in", tmp_path / "ix", idle).earlier == len(made)
    assert idle.texts == 1
    assert record.read_text() == before
    assert stored(tmp_path / "ix") == held
    index = search.open(tmp_path / "ix", model=Quick())
    index.store.delete(torch.tensor([5, 6]))
    assert embed(tmp_path / "in", tmp_path / "ix", Quick()).embedded == 0
    assert len(search.open(tmp_path / "ix", model=Quick())) == len(held) - 2


def test_new_inputs_get_the_next_numbers(tmp_path):
    made = inputs(tmp_path / "in")
    embed(tmp_path / "in", tmp_path / "ix", Quick())
    parquet(tmp_path / "in" / "0.parquet", captions(20, 77))
    summary = embed(tmp_path / "in", tmp_path / "ix", Quick())
    assert (summary.embedded, summary.earlier) == (1, len(made))
    assert stored(tmp_path / "ix")[(len(made) << 32) + 3][2] == captions(20, 77)[3]


def test_embedded_inputs_may_be_gone_but_not_changed(tmp_path):
    inputs(tmp_path / "in")
    embed(tmp_path / "in", tmp_path / "ix", Quick())
    (tmp_path / "in" / NAMES[0]).unlink()
    assert embed(tmp_path / "in", tmp_path / "ix", Quick()).embedded == 0
    os.utime(tmp_path / "in" / NAMES[1], (1, 1))
    with pytest.raises(InputError, match=NAMES[1]):
        embed(tmp_path / "in", tmp_path / "ix", Quick())


@pytest.mark.parametrize(
    ("model", "space", "options", "named"),
    [
        ("other", None, {}, "model was quick"),
        ("quick", Space("lorentz:-1"), {}, "geometry"),
        ("quick", Space("euclidean", "none"), {}, "root"),
        ("quick", Space("euclidean", min_radius=0.2), {}, "min_radius"),
        ("quick", None, {"dtype": "float32"}, "dtype"),
        ("quick", None, {"caption": "caption"}, "caption"),
        ("quick", None, {"items": "pairs"}, "items"),
    ],
)
def test_another_plan_is_refused(tmp_path, model, space, options, named):
    tar(tmp_path / "a.tar", samples(5))
    embed(tmp_path / "a.tar", tmp_path / "ix", Quick())
    with pytest.raises(InputError, match=named):
        embed(tmp_path / "a.tar", tmp_path / "ix", Quick(model), space, **options)


def test_poisoned_rows_are_set_aside(tmp_path):
    texts: list[str | None] = list(captions(100))
    texts[3], texts[40], texts[41], texts[77], texts[99] = None, "NAN", "a BAD one", "x" * 70_000, "  "
    parquet(tmp_path / "a.parquet", texts)
    summary = embed(tmp_path / "a.parquet", tmp_path / "ix", Quick())
    assert summary.poisoned == 5
    assert not list(summary.faults)
    assert [row for _, row, _ in poisoned(tmp_path / "ix")] == [3, 40, 41, 77, 99]
    reasons = [reason for *_, reason in poisoned(tmp_path / "ix")]
    for word, reason in zip(("no caption", "NaN", "KeyError", "longer", "empty"), reasons, strict=True):
        assert word in reason
    assert set(stored(tmp_path / "ix")) == set(range(100)) - {3, 40, 41, 77, 99}


def test_too_many_poisoned_rows_stop_the_run(tmp_path, monkeypatch):
    parquet(tmp_path / "a.parquet", ["NAN" if i % 20 == 0 else text for i, text in enumerate(captions(5000))])
    with pytest.raises(InputError, match=r"more than 1%; the last is row \d+ of a.parquet"):
        embed(tmp_path / "a.parquet", tmp_path / "ix", Quick())
    monkeypatch.setattr(running, "SHARE", 0.06)
    assert embed(tmp_path / "a.parquet", tmp_path / "ix", Quick()).poisoned == 250


def test_an_input_that_breaks_off_in_the_middle_goes_on_behind_its_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "SHARD_ROWS", 4096)
    rows = captions(20_000)
    rows[5], rows[9000] = "NAN", "a BAD one"
    parquet(tmp_path / "a.parquet", rows)
    embed(tmp_path / "a.parquet", tmp_path / "whole", Quick())

    class Weary(Quick):
        def text_rows(self, texts):
            if self.texts > 13_000:
                raise KeyboardInterrupt
            return super().text_rows(texts)

    with pytest.raises(KeyboardInterrupt):
        embed(tmp_path / "a.parquet", tmp_path / "ix", Weary())
    (left,) = (tmp_path / "ix" / "inputs").glob("*.json")
    assert json.loads(left.read_text())["finished"] is False
    again = Quick()
    embed(tmp_path / "a.parquet", tmp_path / "ix", again)
    assert again.texts < 15_000
    assert stored(tmp_path / "ix") == stored(tmp_path / "whole")
    assert poisoned(tmp_path / "ix") == poisoned(tmp_path / "whole")


def test_unreadable_inputs_are_named_and_the_rest_goes_on(corpus, tmp_path):
    made = inputs(tmp_path / "in")
    (tmp_path / "in" / NAMES[0]).write_bytes(b"no parquet")
    (tmp_path / "in" / NAMES[3]).write_bytes(b"")
    summary = embed(tmp_path / "in", tmp_path / "ix", Quick())
    assert set(summary.failed) == {NAMES[0], NAMES[3]}
    assert len(list(summary.faults)) == 2
    assert len(stored(tmp_path / "ix")) == sum(len(made[name]) for name in (NAMES[1], NAMES[2], NAMES[4]))
    parquet(tmp_path / "in" / NAMES[0], made[NAMES[0]])
    again = embed(tmp_path / "in", tmp_path / "ix", Quick())
    assert set(again.failed) == {NAMES[3]}
    assert again.embedded == 1


def test_pairs_are_linked_by_a_bit(tmp_path):
    members = samples(9)
    members[8] = (members[8][0], b"no picture")
    tar(tmp_path / "a.tar", members)
    embed(tmp_path / "a.tar", tmp_path / "ix", Quick(), items="pairs")
    held = stored(tmp_path / "ix")
    assert set(held) == {number for row in set(range(9)) - {4} for number in (row, row + (1 << 31))}
    for row in set(range(9)) - {4}:
        assert held[row][2:] == held[row + (1 << 31)][2:] == (captions(9)[row], f"../a.tar#x/0-{row:03d}.png")
    single = tmp_path / "single"
    embed(tmp_path / "a.tar", single, Quick(), items="images")
    assert {number - (1 << 31): each for number, each in held.items() if number >> 31} == stored(single)


def test_a_folder_of_images_with_captions_beside_them(tmp_path):
    folder = tmp_path / "in" / "birds"
    folder.mkdir(parents=True)
    for i, text in enumerate(captions(6)):
        (folder / f"{i}.png").write_bytes(picture(i))
        (folder / f"{i}.txt").write_text(text)
    embed(tmp_path / "in", tmp_path / "ix", Quick(), items="images")
    held = stored(tmp_path / "ix")
    assert [held[row][2:] for row in range(6)] == [(text, f"../in/birds/{i}.png") for i, text in enumerate(captions(6))]
    direct = Quick().encode_image([picture_of(folder / f"{i}.png") for i in range(6)])
    radius = (direct - Quick().root()).norm(dim=1)
    assert [np.frombuffer(held[row][1], np.float32)[0] for row in range(6)] == pytest.approx(radius.tolist())


def picture_of(path):
    from PIL import Image

    with Image.open(path) as image:
        return image.convert("RGB")


def test_another_process_keeps_its_input(corpus, tmp_path, monkeypatch):
    """An input that somebody else is embedding is waited for, and not embedded twice."""
    from hiergeo._core import jobs
    from hiergeo._core.storage.locks import locked

    folder, _, held = corpus
    other = locked(jobs_of(tmp_path / "ix").path(1))
    (tmp_path / "ix").mkdir()
    other.__enter__()
    waits = []

    def wait(_: float) -> None:
        waits.append(len(list((tmp_path / "ix" / "inputs").glob("*.json"))))
        other.__exit__(None, None, None)

    monkeypatch.setattr(jobs, "time", SimpleNamespace(sleep=wait))
    embed(folder / "in", tmp_path / "ix", Quick())
    assert waits == [len(NAMES) - 1]
    assert stored(tmp_path / "ix") == held


@pytest.mark.parametrize(
    ("text", "environment", "share"),
    [
        (None, {}, (0, 1)),
        ("0/3", {}, (0, 3)),
        ("3/3", {}, (0, 3)),
        ("auto", {"SLURM_PROCID": "2", "SLURM_NTASKS": "4"}, (2, 4)),
        ("auto", {"RANK": "1", "WORLD_SIZE": "4"}, (1, 4)),
        ("auto", {"JOB_COMPLETION_INDEX": "3", "JOB_COMPLETIONS": "9"}, (3, 9)),
        ("auto/5", {"JOB_COMPLETION_INDEX": "3"}, (3, 5)),
    ],
)
def test_shares(text, environment, share):
    assert Share.parse(text, environment) == Share(*share)
    assert sorted(i for n in range(share[1]) for i in Share(n, share[1]).of(20)) == list(range(20))


@pytest.mark.parametrize("text", ["", "1", "4/3", "1/0", "-1/3", "auto", "auto/x", "a/b", "1/99999999"])
def test_shares_that_cannot_be(text):
    with pytest.raises(InputError):
        Share.parse(text, {})


@pytest.mark.parametrize("options", [{"items": "caption"}, {"dtype": "int8"}, {"batch_size": 0}, {"worker": "9/2"}])
def test_options_that_cannot_be(tmp_path, options):
    (tmp_path / "a.txt").write_text("a dog")
    with pytest.raises(InputError):
        embed(tmp_path / "a.txt", tmp_path / "ix", Quick(), **options)


def test_the_index_may_lie_among_its_inputs(tmp_path):
    inputs(tmp_path)
    first = embed(tmp_path, tmp_path / "ix", Quick())
    assert embed(tmp_path, tmp_path / "ix", Quick()).earlier == first.embedded == len(NAMES)
