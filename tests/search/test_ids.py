"""Ids that a table of captions brings."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hiergeo import search
from hiergeo._core.errors import InputError
from hiergeo.search.ids import CHARACTERS, HASHED, ID, number_of, sound_id

IDS = (7, 0, (1 << 63) - 1)
CAPTIONS = ("an animal", "a bird", "an owl")


def table(path, ids):
    """A file with columns id and caption."""
    if path.suffix == ".csv":
        with path.open("w", newline="") as handle:
            csv.writer(handle).writerows([("id", "caption"), *zip(ids, CAPTIONS, strict=True)])
    else:
        pa.parquet.write_table(pa.table({"id": list(ids), "caption": CAPTIONS}), path)
    return path


@pytest.mark.parametrize("name", ["c.csv", "c.parquet"])
def test_items_have_the_ids_of_their_rows(run, tmp_path, name):
    path = table(tmp_path / name, IDS)
    assert run("index", "build", tmp_path / "i", "-m", "tiny", "--captions", path)[0] == 0
    hits = search.open(tmp_path / "i").neighbours("an animal", 3).hits
    assert {hit.id: hit.caption for hit in hits} == dict(zip(IDS, CAPTIONS, strict=True))
    code, _, said = run("index", "add", tmp_path / "i", "--captions", path)
    assert code == 2
    assert "holds an item" in said
    assert run("index", "delete", tmp_path / "i", *IDS)[0] == 0
    assert run("index", "add", tmp_path / "i", "--captions", path)[0] == 0


@pytest.mark.parametrize("name", ["c.csv", "c.parquet"])
@pytest.mark.parametrize("wrong", [-1, 1.5, None, " ", "x" * 513])
def test_what_is_not_valid_as_an_id_is_named_with_its_row(tmp_path, name, wrong):
    if name == "c.csv" and isinstance(wrong, int | float):
        pytest.skip("in CSV it is a text")
    ids = [7, wrong, 8] if name == "c.csv" or wrong is None else [type(wrong)(7), wrong, type(wrong)(8)]
    with pytest.raises(InputError, match=r"row [01] "):
        search.build(tmp_path / "i", "tiny", table(tmp_path / name, ids))
    assert not (tmp_path / "i" / "index.json").exists()


def test_an_id_that_is_twice_and_ids_beside_those_of_a_table_are_refused(tmp_path):
    with pytest.raises(InputError, match="id 7"):
        search.build(tmp_path / "i", "tiny", table(tmp_path / "c.csv", (7, 7, 8)))
    with pytest.raises(InputError, match="ids"):
        search.build(tmp_path / "j", "tiny", table(tmp_path / "c.csv", IDS), ids=[1, 2, 3])


OWN = ("SKU00001", "00017", "日本-1")
"""Ids that are texts; the second would be another number's if it were read as one."""


def test_ids_that_are_texts_are_those_of_searches_and_changes(run, tmp_path):
    path, index, answer = table(tmp_path / "c.csv", OWN), tmp_path / "i", tmp_path / "a.json"
    assert run("index", "build", index, "-m", "tiny", "--captions", path)[0] == 0
    words = ("--find", "neighbours", "--id", "00017", "--exclude", "SKU00001", "--json", answer)
    assert run("search", index, *words)[0] == 0
    (found,) = json.loads(answer.read_text())["answers"]
    assert [(hit["id"], hit["caption"]) for hit in found["hits"]] == [("00017", "a bird"), ("日本-1", "an owl")]
    assert found["hits"][0]["distance"] == pytest.approx(0, abs=1e-6)
    assert "item SKU2" in run("search", index, "--id", "SKU2")[2]
    assert "item 17" in run("search", index, "--id", "17")[2]

    code, _, said = run("index", "add", index, "--captions", table(tmp_path / "d.csv", ("A", "B", "SKU00001")))
    assert code == 2
    assert "item SKU00001 already" in said
    counted = search.open(index)
    counted.add(["a cat"])
    assert {hit.id for hit in counted.neighbours("a cat", 9).hits} == {*OWN, 0}
    assert run("index", "delete", index, "SKU00001", "17", "--json", answer)[0] == 0
    assert json.loads(answer.read_text())["missing"] == [17]
    assert run("index", "compact", index)[0] == 0
    assert {hit.id for hit in search.open(index).neighbours("a cat", 9).hits} == {*OWN[1:], 0}


def test_an_id_that_is_a_text_may_not_be_there_twice(tmp_path):
    with pytest.raises(InputError, match="id SKU00001 is there twice"):
        search.build(tmp_path / "i", "tiny", list(CAPTIONS), ids=["SKU00001", "b", "SKU00001 "])


@given(st.one_of(st.integers(0, ID - 1), st.text(min_size=1, max_size=CHARACTERS)))
def test_the_number_of_an_id_tells_it_from_others(item):
    try:
        kept = sound_id(item)
    except ValueError:
        assert isinstance(item, str)
        assert not item.strip() or any("\ud800" <= letter <= "\udfff" for letter in item)
        return
    assert sound_id(kept) == kept
    if isinstance(kept, str):
        assert HASHED <= number_of(item) < 2 * HASHED
        assert number_of(item) != number_of(f"{kept}.")
        assert not (kept.isascii() and kept.isdigit()) or str(int(kept)) != kept or int(kept) >= ID
    else:
        assert number_of(item) == number_of(str(kept)) == kept


def test_a_table_of_vectors_brings_the_ids_of_its_rows(tmp_path):
    rows = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.2]]
    pa.parquet.write_table(pa.table({"sku": OWN, "vector": rows}), tmp_path / "rows.parquet")
    index = search.build(tmp_path / "i", None, embeddings=tmp_path / "rows.parquet")
    hits = index.neighbours(search.Item("00017"), 3).hits
    assert {hit.id for hit in hits} == set(OWN)
    assert hits[0].id == "00017"
    assert all(hit.image is None for hit in hits)


def test_an_id_that_is_the_caption_of_another_item_hides_neither(tmp_path):
    rows = torch.tensor([[1.0, 0.1], [1.0, 0.2], [1.0, 0.3]])
    index = search.build(tmp_path / "i", None, embeddings=rows, ids=["a dog", "1", "2"])
    index.add(["a dog", "a dog"], embeddings=rows[:2] * 1.01, ids=["x", "y"])
    answer = index.neighbours(rows[0], 9)
    assert [(hit.id, hit.caption) for hit in answer.hits].count(("a dog", None)) == 1
    assert sum(hit.caption == "a dog" for hit in answer.hits) == 1
    assert (len(answer.hits), answer.repeats) == (4, 1)
