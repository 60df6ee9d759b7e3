"""One reader of tables: the same rows are read alike from every format, for chains, captions and trees."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import ipc

from hiergeo import datasets
from hiergeo._core.errors import InputError
from hiergeo.datasets import labels
from hiergeo.datasets.captioned import load_captioned
from hiergeo.datasets.tables import numbered

CHAINS = [("an animal", "a bird", "an owl"), ("a thing", "a tool", 'a "big", red hammer')]


def saved(frame: pd.DataFrame, folder: Path) -> Path:
    """A folder as ``Dataset.save_to_disk`` writes it, in two shards, beside a file of a cache."""
    folder.mkdir(parents=True)
    table, names = pa.Table.from_pandas(frame), []
    for at in range(2):
        names.append(f"data-{at:05d}-of-00002.arrow")
        with ipc.new_stream(folder / names[-1], table.schema) as sink:
            sink.write_table(table.slice(at, 1 if at == 0 else None))
    (folder / "cache-01.arrow").write_bytes(b"")
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    return folder


def feather(frame: pd.DataFrame, path: Path) -> Path:
    table = pa.Table.from_pandas(frame)
    with ipc.new_file(path, table.schema) as sink:
        sink.write_table(table)
    return path


def written(suffix: str, **options: Any) -> Callable[[pd.DataFrame, Path], Path]:
    def write(frame: pd.DataFrame, folder: Path) -> Path:
        path = folder / f"table{suffix}"
        getattr(frame, options.get("by", "to_csv"))(path, **{k: v for k, v in options.items() if k != "by"})
        return path

    return write


FORMATS: dict[str, Callable[[pd.DataFrame, Path], Path]] = {
    "commas": written(".csv", index=False),
    "semicolons": written(".csv", index=False, sep=";"),
    "tabs in a .csv": written(".csv", index=False, sep="\t"),
    "packed": written(".csv.gz", index=False),
    "tabs": written(".tsv", index=False, sep="\t"),
    "lines": written(".jsonl", by="to_json", orient="records", lines=True),
    "parquet": written(".parquet", by="to_parquet"),
    "arrow": lambda frame, folder: feather(frame, folder / "table.arrow"),
    "saved": lambda frame, folder: saved(frame, folder / "data"),
}
every_format = pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)


@every_format
@pytest.mark.parametrize(("word", "first"), [("level", 0), ("Tier_", 1), ("positive", 0)])
def test_tiers_may_have_a_column_each(tmp_path, write, word, first) -> None:
    columns = {f"{word}{first + at}": texts for at, texts in enumerate(zip(*CHAINS, strict=True))}
    against = {f"negative{at}": [f"not {text}" for text in texts] for at, texts in enumerate(zip(*CHAINS, strict=True))}
    for told, frame in ((False, columns), (True, columns | against)):
        (folder := tmp_path / str(told)).mkdir()
        read = datasets.load(f"chains:{write(pd.DataFrame(frame), folder)}")
        assert [row.positive for row in read.rows] == CHAINS
        assert [row.negative is not None for row in read.rows] == [told] * 2
    assert read.rows[1].negative == tuple(f"not {text}" for text in CHAINS[1])


@every_format
def test_captions_and_images_are_known_by_the_names_that_others_use(tmp_path, write) -> None:
    for image, caption in (("filepath", "title"), ("file_path", "text"), ("image", "caption"), ("path", "Captions")):
        folder = tmp_path / image
        folder.mkdir()
        rows = {"id": [7, 8], image: ["a.png", "b.png"], caption: ["an owl", "a taxi"]}
        found = load_captioned(write(pd.DataFrame(rows), folder))
        assert found.captions == (("an owl",), ("a taxi",))
        assert [ref.path.name for ref in found.images] == ["a.png", "b.png"]


@every_format
def test_trees_are_tables_of_edges_or_of_levels(tmp_path, write) -> None:
    (tmp_path / "edges").mkdir(), (tmp_path / "levels").mkdir()
    edges = pd.DataFrame({"parent": ["animal", "bird"], "child": ["bird", "owl"]})
    levels = pd.DataFrame({"id": [1, 2], "level0": ["animal"] * 2, "level1": ["bird"] * 2, "level2": ["owl", "eagle"]})
    assert labels.load_tree(write(edges, tmp_path / "edges")).names == ("animal", "bird", "owl")
    assert labels.load_tree(write(levels, tmp_path / "levels")).names == ("animal", "bird", "owl", "eagle")


def test_splits_of_a_saved_dictionary_are_found(tmp_path) -> None:
    for split, chain in zip(("train", "test"), CHAINS, strict=True):
        saved(pd.DataFrame({"positive": [" => ".join(chain)] * 2}), tmp_path / split)
        assert {row.positive for row in datasets.load(f"chains:{tmp_path}", split).rows} == {chain}


def test_damaged_folders_and_files_are_named(tmp_path) -> None:
    folder = saved(pd.DataFrame({"captions": ["a => b", "c => d"]}), tmp_path / "data")
    (folder / "data-00001-of-00002.arrow").write_bytes(b"ARROW1 and no more")
    with pytest.raises(InputError, match="data is damaged"):
        datasets.load(f"chains:{folder}")
    (folder / "state.json").write_text("[]")
    with pytest.raises(InputError, match=r"state\.json is damaged"):
        datasets.load(f"chains:{folder}")


def test_columns_are_ordered_by_their_numbers_and_none_may_lack() -> None:
    assert numbered(["b", "tier 2", "tier 10", *(f"tier {at}" for at in (1, 3, 4, 5, 6, 7, 8, 9))], ("tier",)) == [
        f"tier {at}" for at in range(1, 11)
    ]
    for header in (["level1"], ["level0", "level2"], ["level2", "level3"], ["levels0", "levels1"], []):
        assert numbered(header, ("level",)) == []
