"""Bad input to search: hostile manifests, damaged files, foreign indexes and queries give one sentence."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from hiergeo import search
from hiergeo._core.errors import HiergeoError
from hiergeo._core.storage import documents
from hiergeo.geometry import Space
from hiergeo.search import Request, layout
from tests.search.search_common import DIM, embeddings

QUERY = embeddings(3, seed=9)[2]


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """An index of two shards, with items deleted from both."""
    folder = tmp_path_factory.mktemp("sound") / "index"
    space = Space("euclidean", torch.full((DIM,), 0.1))
    index = search.build(folder, None, captions=[f"c {i}" for i in range(40)], embeddings=embeddings(40), space=space)
    index.add(captions=["more"] * 6, embeddings=embeddings(6, seed=1))
    index.delete([3, 41])
    return folder


@pytest.fixture
def folder(sound, tmp_path) -> Path:
    shutil.copytree(sound, tmp_path / "index")
    return tmp_path / "index"


def used(folder: Path) -> list[object]:
    """What every reading method says."""
    index = search.open(folder)
    asked = [Request(kind, QUERY) for kind in ("children", "parents", "neighbours", "ladder", "count")]
    facts = index.store.describe()
    rows = index.store.fetch(torch.tensor([0, 1]))
    return [index.search(asked), len(index), facts.rows, rows.ids.tolist(), index.store.labels(rows.ids)]


def rewritten(folder: Path, *where: str | int, value: object) -> None:
    """Put a value into the manifest, with the hash that belongs to it."""
    held = json.loads((folder / layout.MANIFEST).read_text())
    held = {key: held[key] for key in held if key != "content_sha256"}
    at = held
    for key in where[:-1]:
        at = at[key]
    at[where[-1]] = value
    documents.write(folder / layout.MANIFEST, held, indent=None)


HOSTILE = [
    (("version",), 2),
    (("frame", "dims"), [DIM // 2, DIM // 2]),
    (("frame", "norm"), "l3"),
    (("frame", "root_sha256"), "0" * 64),
    (("dtype",), "float32"),
    (("geometry",), "hyperbolic"),
    (("geometry",), f"product:lorentz:-1x{DIM // 2},euclidean:x{DIM // 2}"),
    (("min_radius",), -1),
    (("model",), "clip"),
    (("edges",), [3.0, 1.0]),
    (("shards",), {}),
    (("shards", 0, "name"), "../../etc"),
    (("shards", 1, "name"), "00000000-00000"),
    (("shards", 0, "rows"), 1 << 62),
    (("shards", 0, "rows"), 39),
    (("shards", 0, "low"), -1.0),
    (("shards", 0, "high"), -1.0),
    (("shards", 0, "first"), 1 << 62),
    (("shards", 0, "bytes"), {}),
    (("shards", 0, "deleted"), 1 << 60),
    (("shards", 0, "deleted"), 0),
    (("shards", 0, "tombstones"), "../../../etc/passwd"),
    (("shards", 0, "tombstones"), "radii.f32"),
    (("shards", 0, "bounds"), []),
    (("shards", 0, "bounds", 0), 1 << 60),
    (("generation",), -1),
    (("retired",), ["../.."]),
]


@pytest.mark.parametrize(("where", "value"), HOSTILE, ids=str)
def test_hostile_manifests_are_refused(folder, where, value):
    rewritten(folder, *where, value=value)
    with pytest.raises(HiergeoError):
        used(folder)


def test_paths_that_lead_to_no_index_are_refused(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    file = tmp_path / "file"
    file.write_text("{}")
    for path in (tmp_path / "nowhere", tmp_path, file, loop, "", "a\0b", "x" * 5000):
        with pytest.raises(HiergeoError):
            search.open(path)
    for path in (file, file / "below", loop, "", "a\0b"):
        with pytest.raises(HiergeoError):
            search.build(path, None, captions=["a"], embeddings=embeddings(1))
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == ["file", "loop"]


@pytest.mark.parametrize("spec", ["milvu:flat", "", ":", "exact:/nowhere", "milvus"])
def test_stores_that_are_not_known_are_refused(folder, spec):
    index = search.open(folder)
    for ask in (lambda: index.push(spec), lambda: index.children(QUERY, store=spec)):
        with pytest.raises(HiergeoError, match="milvus"):
            ask()
