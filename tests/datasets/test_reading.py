"""Readers of inputs: every format as it is written by others, and files that are damaged or hostile."""

import bz2
import gzip
import json
import os
import tracemalloc
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo.datasets import reading
from hiergeo.datasets.reading import Box, Columns, Defect, Sample, UnreadableError
from tests.datasets.reading_common import IMAGES, PAIRS, TEXTS, defects, read, texts
from tests.search.corpus.corpus_common import NAMES, Quick, captions, embed, inputs, parquet, picture, samples, tar


def test_every_format_gives_its_captions(tmp_path):
    for name, wanted in inputs(tmp_path).items():
        assert texts(tmp_path / name) == dict(enumerate(wanted))


def test_csv_cells_hold_line_ends_quotes_and_commas(tmp_path):
    (tmp_path / "a.csv").write_bytes(
        '\ufeffCaption,Image\r\n"two\nlines, ""quoted""",a.png\r\n\r\nplain,\r\n'.encode() + b"\xff,b\n,c\nx\n"
    )
    held = read(tmp_path / "a.csv")
    assert held[0] == Sample(0, 'two\nlines, "quoted"', None, str(tmp_path / "a.png"), "a.png")
    assert held[1] == Sample(1, "plain", name="")
    assert [type(each) for each in held[2:]] == [Defect, Defect, Defect]
    assert "UTF-8" in held[2].reason
    assert "empty" in held[3].reason
    assert "1 cells for 2" in held[4].reason


@pytest.mark.parametrize("length", [3, 3000])
def test_a_missing_quote_ends_the_file_and_is_said(tmp_path, length):
    lines = ["caption", "a dog", '"never closed', *(f"line {i} {'x' * 90}" for i in range(length)), "the end"]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    held = read(tmp_path / "a.csv")
    assert held[0] == Sample(0, "a dog")
    (broken,) = held[1:]
    assert (broken.row, broken.ends) == (1, True)
    assert "quote" in broken.reason


def test_lines_of_json(tmp_path):
    lines = [
        b'{"text": "a dog", "image": "a.png"}',
        b"",
        b'{"text": "broken',
        b"[1]",
        b'{"text": 3}',
        b'{"text": null}',
        b'{"text": "\xff"}',
        b'{"text": "\\ud800"}',
        b'{"text": "nul \\u0000"}',
        b'{"text": ' + b"[" * 100_000 + b"}",
        b'{"text": "ok", "n": ' + b"9" * 5000 + b"}",
        b'{"text": "' + b"x" * 100_000 + b'"}',
        b'{"text": "the end", "other": 1}',
        b'{"text": "' + b"x" * 10_000_000 + b'"}',
        b'{"text": "unread"}',
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    assert texts(tmp_path / "a.jsonl") == {0: "a dog", 12: "the end"}
    assert sorted(defects(tmp_path / "a.jsonl")) == [*range(2, 12), 13]
    assert read(tmp_path / "a.jsonl")[-1].ends
    image = tmp_path / "a.png"
    assert read(tmp_path / "a.jsonl", IMAGES)[0] == Sample(0, "a dog", image, str(image), "a.png")


def test_names_of_images_that_are_no_names(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"caption,image\none,\xff.png\ntwo," + b"A" * 9000 + b"\nthree,\n")
    assert [each.reference for each in read(tmp_path / "a.csv")] == [f"{tmp_path}/\\udcff.png", None, None]
    (tmp_path / "b.jsonl").write_bytes(b'{"text": "one", "image": "\\ud800.png"}')
    assert [each.reference for each in read(tmp_path / "b.jsonl")] == [f"{tmp_path}/\\ud800.png"]
    assert embed(tmp_path / "a.csv", tmp_path / "ix", Quick()).items == 3
    assert embed(tmp_path / "a.csv", tmp_path / "iy", Quick(), items="images").poisoned == 3


def test_lines_of_text(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffa dog\r\n\n  \ncafé\n".encode() + b"caf\xe9\nx\0y\n" + "犬".encode())
    assert texts(tmp_path / "a.txt") == {0: "a dog", 3: "café", 6: "犬"}
    assert sorted(defects(tmp_path / "a.txt")) == [4, 5]
    (tmp_path / "b.txt").write_text("a dog", "utf-16")
    with pytest.raises(UnreadableError, match="UTF-16"):
        read(tmp_path / "b.txt")


def test_parquet_columns_and_images(tmp_path):
    data = [picture(1), None, picture(2)]
    held = {"TEXT": ["a", "b", None], "image": [{"bytes": d, "path": f"{i}.png"} for i, d in enumerate(data)]}
    pq.write_table(pa.table(held), tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet", IMAGES)
    assert [each.image for each in found] == [data[0], tmp_path / "1.png", data[2]]
    assert [type(each) for each in read(tmp_path / "a.parquet", PAIRS)] == [Sample, Sample, Defect]
    pq.write_table(pa.table({"n": [1, 2], "text": [3, 4]}), tmp_path / "b.parquet")
    with pytest.raises(UnreadableError, match="not strings"):
        read(tmp_path / "b.parquet")
    with pytest.raises(UnreadableError, match="caption"):
        read(tmp_path / "a.parquet", Columns(caption="caption"))


def test_parquet_strings_that_are_no_utf8(tmp_path):
    column = pa.array([b"a dog", b"\xff\xfe", b"a cat"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    assert texts(tmp_path / "a.parquet") == {0: "a dog", 2: "a cat"}
    assert "UTF-8" in defects(tmp_path / "a.parquet")[1]


def test_a_damaged_row_group_ends_the_file(tmp_path):
    path = parquet(tmp_path / "a.parquet", captions(200), 50)
    column = pq.ParquetFile(path).metadata.row_group(2).column(0)
    raw = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    raw[start : start + column.total_compressed_size] = os.urandom(column.total_compressed_size)
    path.write_bytes(raw)
    try:
        held = read(path)
    except UnreadableError:  # pyarrow reads ahead
        return
    assert held[-1].ends
    assert held[-1].row <= 100


def test_a_dictionary_of_long_strings_is_not_expanded(tmp_path):
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 4000 + [1], pa.int32()), ["x" * 5_000_000, "a dog"])
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    tracemalloc.start()
    held = read(tmp_path / "a.parquet")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(each) for each in held] == [Defect] * 4000 + [Sample]
    assert peak < 50e6


CUTS = [{"phrase": "a dog", "box": [0, 0.25, 0.5, 1]}, {"phrase": "a lawn", "box": [0, 0, 1, 1], "score": 0.9}]
CUT = (Box("a dog", None, (0, 0.25, 0.5, 1)), Box("a lawn", None, (0, 0, 1, 1)))


def test_tables_with_a_column_of_boxes(tmp_path):
    rows = [{"caption": "one", "image": "1.png", "boxes": CUTS}, {"caption": "two", "image": "2.png", "boxes": []}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    quoted = json.dumps(CUTS).replace('"', '""')
    (tmp_path / "a.csv").write_text(f'caption,image,boxes\none,1.png,"{quoted}"\ntwo,2.png,\n')
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        held = read(tmp_path / name, Columns("pairs", boxes="boxes"))
        assert [each.boxes for each in held] == [CUT, ()], name
        assert [each.boxes for each in read(tmp_path / name, PAIRS)] == [(), ()], name
        with pytest.raises(UnreadableError, match="boxen"):
            read(tmp_path / name, Columns("pairs", boxes="boxen"))


@pytest.mark.parametrize(
    "box",
    [[0, 0, 2, 1], [0.5, 0, 0.5, 1], [0, 1, 1, 0], [0, 0, 1], "all", [0, 0, None, 1], [-0.1, 0, 1, 1]],
)
def test_boxes_that_are_not_boxes_set_their_row_aside(tmp_path, box):
    row = {"caption": "one", "image": "1.png", "boxes": [{"phrase": "a dog", "box": box}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(row | {"boxes": CUTS}) + "\n")
    held = read(tmp_path / "a.jsonl", Columns("pairs", boxes="boxes"))
    assert isinstance(held[0], Defect)
    assert "box" in held[0].reason
    assert held[1].boxes == CUT


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": partial(pa.compress, codec="zstd", asbytes=True)}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "txt", "tar"])
@pytest.mark.parametrize("packing", PACKERS)
def test_bombs_of_every_compression(tmp_path, kind, packing, monkeypatch):
    monkeypatch.setattr(limits, "INFLATED_BYTES", 1 << 22)
    path = tmp_path / f"a.{kind}{packing}"
    path.write_bytes(PACKERS[packing](bytes(1 << 24)))
    tracemalloc.start()
    with suppress(UnreadableError):
        assert all(isinstance(each, Defect) for each in read(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6


def test_bombs_of_parquet(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "INFLATED_BYTES", 1 << 20)
    table = pa.table({"text": ["a" * (1 << 22)] * 4})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd", use_dictionary=False, row_group_size=1)
    with pytest.raises(UnreadableError, match="inflates"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("name", ["a.csv", "b.jsonl", "c.txt", "d.tar"])
def test_every_compression_gives_the_same_rows(tmp_path, name, packing):
    rows = captions(300)
    path = tmp_path / name
    if name == "d.tar":
        tar(path, [(f"{i:04d}.txt", text.encode()) for i, text in enumerate(rows)])
    else:
        lines = {"a.csv": '"{}"'.format, "b.jsonl": lambda text: json.dumps({"caption": text}), "c.txt": str}[name]
        path.write_text("\n".join([*(["caption"] if name == "a.csv" else []), *map(lines, rows)]))
    packed = path.with_name(name + packing)
    packed.write_bytes(PACKERS[packing](path.read_bytes()))
    assert read(packed) == read(path)
    assert texts(path) == dict(enumerate(rows))
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    with suppress(UnreadableError):
        assert read(packed)[-1].ends


def test_a_file_that_is_not_compressed_as_its_name_says(tmp_path):
    (tmp_path / "a.csv.gz").write_text("caption\na dog\n")
    with pytest.raises(UnreadableError, match="not compressed"):
        read(tmp_path / "a.csv.gz")


def test_a_folder_of_images(tmp_path):
    for name in ("b.png", "a.jpg"):
        (tmp_path / name).write_bytes(picture(3))
    (tmp_path / "a.txt").write_text("a dog")
    (tmp_path / "notes.md").write_text("no input")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    first, second = tmp_path / "a.jpg", tmp_path / "b.png"
    assert read(tmp_path, IMAGES) == [
        Sample(0, "a dog", first, str(first), str(first)),
        Sample(1, None, second, str(second), str(second)),
    ]
    assert texts(tmp_path) == {0: "a dog"}


def test_listing(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    for name in ("b.csv", "A.CSV.GZ", "deep/er/c.parquet", ".hidden/d.csv", "e.md", "deep/f.tar"):
        (tmp_path / name).write_bytes(b"1")
    (tmp_path / "deep" / "loop").symlink_to(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.png").write_bytes(picture(1))

    def names(place: Path | str, columns: Columns = TEXTS) -> list[str]:
        return [each.name for each in reading.listing(place, columns, tmp_path / "ix").sources]

    assert names(tmp_path) == ["A.CSV.GZ", "b.csv", "deep/er/c.parquet", "deep/f.tar"]
    assert names(tmp_path, IMAGES) == ["A.CSV.GZ", "b.csv", "deep/er/c.parquet", "deep/f.tar", "images"]
    assert names(tmp_path / "b.csv") == ["b.csv"]
    assert names(f"{tmp_path}/**/*.[pt]a*") == ["deep/er/c.parquet", "deep/f.tar"]
    assert names(tmp_path / "images", IMAGES) == ["."]
    with pytest.raises(InputError, match=r"e\.md"):
        names(tmp_path / "e.md")


FORMATS = [*NAMES, "f.tar"]


@pytest.fixture(scope="module")
def intact(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("intact")
    inputs(folder)
    tar(folder / "f.tar", samples(6))
    return {name: (folder / name).read_bytes() for name in FORMATS}


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@settings(max_examples=60)
def test_damage_raises_one_error_or_gives_rows(intact, tmp_path_factory, name, data):
    """Whatever is cut off, changed or put in: nothing but an UnreadableError comes out, and rows count upwards."""
    raw = bytearray(intact[name])
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw)))]
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, max(len(raw) - 1, 0)))
        raw[place : place + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(raw)
    try:
        held = read(path, PAIRS if name == "f.tar" else TEXTS)
    except UnreadableError:
        return
    rows = [each.row for each in held]
    assert rows == sorted(set(rows))
    assert all(np.isin([each.ends for each in held[:-1] if isinstance(each, Defect)], [False]))
