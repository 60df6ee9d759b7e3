"""Ids that a table of captions brings."""

import csv

import pyarrow as pa
import pyarrow.parquet
import pytest

from hiergeo import search
from hiergeo._core.errors import InputError

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
@pytest.mark.parametrize("wrong", [-1, 1 << 63, 1.5, "x", ""])
def test_what_is_no_id_is_named_with_its_row(tmp_path, name, wrong):
    ids = [7, wrong, 8] if name == "c.csv" else [type(wrong)(7), wrong, type(wrong)(8)]
    if name == "c.parquet" and wrong == 1 << 63:
        ids = [7, None, 8]
    with pytest.raises(InputError, match=r"row [01] "):
        search.build(tmp_path / "i", "tiny", table(tmp_path / name, ids))
    assert not (tmp_path / "i" / "index.json").exists()


def test_an_id_that_is_twice_and_ids_beside_those_of_a_table_are_refused(tmp_path):
    with pytest.raises(InputError, match="id 7"):
        search.build(tmp_path / "i", "tiny", table(tmp_path / "c.csv", (7, 7, 8)))
    with pytest.raises(InputError, match="ids"):
        search.build(tmp_path / "j", "tiny", table(tmp_path / "c.csv", IDS), ids=[1, 2, 3])
