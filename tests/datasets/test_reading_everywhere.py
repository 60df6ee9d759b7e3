"""What reads captions reads the same rows of the same content, whatever kind of file they are in."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hiergeo import search
from hiergeo._core.errors import InputError
from hiergeo.construction import BuildPlan
from hiergeo.construction.captions import of_file
from hiergeo.datasets.captioned import load_captioned
from tests.search.corpus.corpus_common import Quick, captions, embed, picture, stored, tar

ROWS = captions(9)
NAMES = [f"{i}.png" for i in range(len(ROWS))]


def table(path: Path, first: int = 0, last: int = len(ROWS)) -> Path:
    pairs = list(zip(ROWS, NAMES, strict=True))[first:last]
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([("text", "url"), *pairs])
    return path


def packed(path: Path) -> Path:
    raw = table(path.with_suffix("")).read_bytes()
    path.write_bytes(pa.compress(raw, codec="zstd", asbytes=True))
    path.with_suffix("").unlink()
    return path


def parquet(path: Path) -> Path:
    pq.write_table(pa.table({"text": ROWS, "url": NAMES}), path)
    return path


def json_lines(path: Path) -> Path:
    path.write_text("\n".join(json.dumps({"text": a, "url": b}) for a, b in zip(ROWS, NAMES, strict=True)))
    return path


def text(path: Path) -> Path:
    path.write_text("\n".join(ROWS), encoding="utf-8")
    return path


def archive(path: Path) -> Path:
    return tar(
        path,
        [member for i, row in enumerate(ROWS) for member in ((f"{i}.png", picture(i)), (f"{i}.txt", row.encode()))],
    )


def pictures(path: Path) -> Path:
    path.mkdir()
    for i, row in enumerate(ROWS):
        (path / f"{i}.png").write_bytes(picture(i))
        (path / f"{i}.txt").write_text(row, encoding="utf-8")
    return path


def parts(path: Path) -> Path:
    path.mkdir()
    table(path / "a.csv", 0, 4)
    table(path / "b.tsv", 4)
    return path


KINDS = {
    "csv": lambda folder: table(folder / "a.csv"),
    "tsv": lambda folder: table(folder / "a.tsv"),
    "parquet": lambda folder: parquet(folder / "a.parquet"),
    "json lines": lambda folder: json_lines(folder / "a.jsonl"),
    "text": lambda folder: text(folder / "a.txt"),
    "compressed": lambda folder: packed(folder / "a.csv.zst"),
    "webdataset": lambda folder: archive(folder / "a.tar"),
    "images": lambda folder: pictures(folder / "a"),
    "folder": lambda folder: parts(folder / "a"),
    "pattern": lambda folder: parts(folder / "a") / "*.?sv",
}


def by_chains(path: Path, out: Path) -> list[str]:
    return [draft.caption for draft in of_file(str(path), BuildPlan(), out).drafts()]


def by_index(path: Path, out: Path) -> list[str]:
    search.build(out, Quick(), str(path)).close()
    return [caption or "" for _, (_, _, caption, _) in sorted(stored(out).items())]


def by_embed(path: Path, out: Path) -> list[str]:
    embed(str(path), out, Quick())
    return [caption or "" for _, (_, _, caption, _) in sorted(stored(out).items())]


def by_datasets(path: Path, out: Path) -> list[str]:
    return list(load_captioned(str(path)).texts)


READERS = {"chains build": by_chains, "index build": by_index, "embed": by_embed, "datasets": by_datasets}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_the_same_rows_are_read_of_the_same_content(tmp_path, reader, kind):
    path = KINDS[kind](tmp_path)
    if (reader, kind) == ("datasets", "text"):
        with pytest.raises(InputError, match="no images"):
            READERS[reader](path, tmp_path / "out")
        return
    assert READERS[reader](path, tmp_path / "out") == ROWS


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"text", "images", "webdataset"}))
def test_columns_are_named_everywhere(tmp_path, kind):
    path = KINDS[kind](tmp_path)
    assert [draft.caption for draft in of_file(str(path), BuildPlan(caption_column="url"), tmp_path).drafts()] == NAMES
    search.build(tmp_path / "ix", Quick(), search.CaptionFiles(str(path), "url", "text")).close()
    assert [held[2] for _, held in sorted(stored(tmp_path / "ix").items())] == NAMES
    embed(str(path), tmp_path / "iy", Quick(), caption="url")
    assert sorted(held[2] for held in stored(tmp_path / "iy").values()) == NAMES
    assert list(load_captioned(str(path), caption_column="url", image_column="text").texts) == NAMES


@pytest.mark.parametrize("reader", ["index build", "datasets"])
@pytest.mark.parametrize(
    ("name", "damaged"), [("a.csv", "text,url\na,b\nc\n"), ("a.jsonl", '{"text": "a", "url": "b"}\n{\n')]
)
def test_a_damaged_row_is_named_with_its_file(tmp_path, reader, name, damaged):
    (tmp_path / name).write_text(damaged)
    with pytest.raises(InputError, match=rf"{name}, row 1 "):
        READERS[reader](tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out" / "index.json").exists()


@pytest.mark.parametrize("kind", ["webdataset", "images"])
def test_datasets_open_the_images_of_archives_and_folders(tmp_path, kind):
    data = load_captioned(str(KINDS[kind](tmp_path)))
    assert [image.open().size for image in data.images] == [(9, 7)] * len(ROWS)
