"""Records of embedded inputs that are lost, early or cut short, and workers and compactions between them."""

from pathlib import Path

import pytest

from hiergeo import search
from hiergeo._core.errors import InputError
from hiergeo.search import appending, layout
from hiergeo.search.compaction import compact
from hiergeo.search.corpus import records
from hiergeo.search.corpus.plan import read_plan
from hiergeo.search.corpus.work import Corpus, embed_input
from tests.search.corpus.corpus_common import Quick, captions, embed, stored, texts


def compacting_after_a_look(folder, monkeypatch):
    """The next reading of the manifest is followed by a compaction, as one of another process may be."""
    read = layout.read

    def interrupted(place):
        manifest = read(place)
        monkeypatch.setattr(layout, "read", read)
        compact(folder)
        return manifest

    monkeypatch.setattr(layout, "read", interrupted)


def stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Inputs, and an index whose embedding was stopped before it adopted what it had embedded."""
    inputs, out = texts(folder / "in", x=captions(50)), folder / "ix"
    with monkeypatch.context() as patch:
        patch.setattr(records.Adopter, "offer", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            embed(inputs, out, Quick())
    return inputs, out


@pytest.mark.parametrize("compacted", [False, True])
def test_a_record_that_is_lost_does_not_cost_its_shards(tmp_path, compacted):
    inputs, out = texts(tmp_path / "in", x=captions(50), y=captions(30, 1)), tmp_path / "ix"
    embed(inputs, out, Quick())
    held = stored(out)
    if compacted:
        search.open(out, model=Quick()).compact()
    record = out / "inputs" / "000000.json"
    record.unlink()
    for changed in (captions(50), captions(40, 2)):
        texts(inputs, x=changed)
        if compacted:
            embed(inputs, out, Quick())
            record.unlink()
        else:
            with pytest.raises(InputError, match=r"x\.txt and its record"):
                embed(inputs, out, Quick())
        assert stored(out) == held
    assert search.open(out, model=Quick()).check().defects == ()


def test_items_added_before_an_input_is_adopted_do_not_pass_for_it(tmp_path, monkeypatch):
    inputs, out = texts(tmp_path / "in", x=captions(50), y=captions(30, 1)), tmp_path / "ix"
    embed(inputs, out, Quick(), worker="1/2")
    index = search.open(out, model=Quick())
    index.add(["my own"])
    with pytest.raises(InputError, match="7"):
        index.add(["another"], ids=[7])
    embed(inputs, out, Quick())
    held = stored(out)
    assert sorted(held)[:50] == list(range(50))
    assert len(held) == 81


def test_an_input_that_another_worker_adopted_and_a_compaction_merged(tmp_path, monkeypatch):
    inputs, out = texts(tmp_path / "in", x=captions(50), y=captions(50, 1)), tmp_path / "ix"
    finish = records.Adopter.finish

    def late(self, numbers):
        appending.adopt(out, lambda _: [name for done in self._waiting for name in done.shards], self.empty)
        search.open(out, model=Quick()).compact()
        return finish(self, numbers)

    monkeypatch.setattr(records.Adopter, "finish", late)
    assert embed(inputs, out, Quick()).finished
    assert len(stored(out)) == 100


def test_a_compaction_takes_no_shard_from_a_look_for_what_was_embedded(tmp_path, monkeypatch):
    inputs, out = texts(tmp_path / "in", x=captions(50), y=captions(30, 1)), tmp_path / "ix"
    embed(inputs, out, Quick())
    compact(out)
    search.open(out, model=Quick()).delete([3])
    assert not list((out / "shards").glob("000000-*"))
    (out / "shards" / "000000-0007").mkdir()
    compacting_after_a_look(out, monkeypatch)
    with pytest.raises(InputError, match=r"x\.txt and its record"):
        embed_input(Corpus(out, inputs, read_plan(out)), 0, iter(()), None)
