"""Files of embeddings: what numpy, pandas, safetensors, HDF5, word2vec and gensim write is read alike, and unrun."""

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet
from safetensors.torch import save_file

import hiergeo
from hiergeo import interop
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError
from hiergeo.adapters import load
from hiergeo.datasets.vectors import EmbeddingSpace, is_vectors, read_vectors, write_vectors

TEXTS = ["an animal", "a bird", "an owl at night"]
ROWS = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)


def _npz(path: Path) -> None:
    np.savez(path, embeddings=ROWS, captions=np.array(TEXTS))


def _parquet(path: Path) -> None:
    pd.DataFrame({"id": ["SKU1", "SKU2", "SKU3"], "text": TEXTS, "vector": list(ROWS)}).to_parquet(path)


def _hdf5(path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["text_features"] = ROWS
        file["captions"] = np.array(TEXTS, dtype=h5py.string_dtype())


def _word2vec(path: Path) -> None:
    lines = [f"{text} {' '.join(map(repr, row.tolist()))}" for text, row in zip(TEXTS, ROWS, strict=True)]
    path.write_text("\n".join(["3 4", *lines]) + "\n")


def _pickled(path: Path, module: str, name: str, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle of an object of a class that is gone when it is read."""
    kind = type(name, (), {"__module__": module})
    made = kind()
    vars(made).update(state)
    with monkeypatch.context() as patch:
        holder: Any = ModuleType(module)
        setattr(holder, name, kind)
        for parent in ("gensim", "gensim.models"):
            patch.setitem(sys.modules, parent, ModuleType(parent))
        patch.setitem(sys.modules, module, holder)
        path.write_bytes(pickle.dumps(made))


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.npz", _npz), ("a.parquet", _parquet), ("a.h5", _hdf5), ("a.vec", _word2vec), ("a.txt", _word2vec)],
)
def test_every_format_gives_the_rows_and_their_texts(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    path = tmp_path / name
    write(path)
    read = read_vectors(path)
    assert np.array_equal(read["text"], ROWS)
    assert read["caption"].tolist() == TEXTS
    model = load(f"{path}@mean")
    assert torch.equal(model.encode_text(TEXTS), torch.nn.functional.normalize(torch.from_numpy(ROWS).double()).float())


@pytest.mark.parametrize("kind", ["txt", "csv", "column"])
def test_texts_of_rows_come_from_a_file_beside_them(tmp_path: Path, kind: str) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(ROWS.astype(">f8")))
    (tmp_path / "t.txt").write_text("\n".join(TEXTS))
    pd.DataFrame({"n": [1, 2, 3], "title": TEXTS, "other": TEXTS[::-1]}).to_csv(tmp_path / "t.csv", index=False)
    table = {"txt": "t.txt", "csv": "t.csv", "column": "t.csv:other"}[kind]
    read = read_vectors(tmp_path / "a.npy", str(tmp_path / table))
    assert read["caption"].tolist() == (TEXTS[::-1] if kind == "column" else TEXTS)
    assert np.array_equal(read["text"], ROWS.astype(np.float64))
    assert read["text"].flags.c_contiguous
    assert read["text"].dtype.isnative


def test_rows_that_nothing_names_are_refused_and_counts_must_agree(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ROWS)
    (tmp_path / "t.txt").write_text("one\ntwo\n")
    with pytest.raises(InputError, match="captions"):
        load(str(tmp_path / "a.npy"))
    with pytest.raises(InputError, match=r"2 captions .* 3 rows"):
        load(f"npz:{tmp_path / 'a.npy'}@mean?captions={tmp_path / 't.txt'}")


def test_weights_are_not_taken_for_embeddings(tmp_path: Path) -> None:
    save_file({"layer.weight": torch.ones(2, 2)}, tmp_path / "model.safetensors")
    save_file({"text_embeds": torch.from_numpy(ROWS).bfloat16()}, tmp_path / "rows.safetensors")
    assert not is_vectors(tmp_path / "model.safetensors")
    assert is_vectors(tmp_path / "rows.safetensors")
    read = read_vectors(tmp_path / "rows.safetensors")["text"]
    assert read.dtype == np.float32
    assert np.allclose(read, ROWS, rtol=2**-8)


def test_a_table_of_pairs_says_which_of_both_its_vectors_are_of(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"text": TEXTS, "image": ["1.png", "2.png", "3.png"], "vector": list(ROWS)}).to_parquet(path)
    with pytest.raises(InputError, match="caption and an image, and one vector"):
        load(f"{path}@mean")
    assert load(f"npz:{path}@mean?captions={path}:text").encode_text(TEXTS).shape == (3, 4)
    index = hiergeo.search.build(tmp_path / "index", None, embeddings=path, space=hiergeo.Space("euclidean", "none"))
    hit = index.neighbours(ROWS[1], k=1).hits[0]
    assert (hit.caption, hit.image) == ("a bird", "2.png")


@pytest.mark.parametrize("damage", ["ragged", "empty", "integers", "cut"])
def test_damaged_tables_get_one_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.parquet"
    vectors: Any = {"ragged": [[1.0], [1.0, 2.0]], "empty": [[], []], "integers": [[1], [2]], "cut": [[1.0], [2.0]]}
    parquet.write_table(pa.table({"text": ["a", "b"], "vector": vectors[damage]}), path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(HiergeoError) as caught:
        read_vectors(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_gensim_files_are_read_without_gensim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"vectors": ROWS, "index_to_key": TEXTS}
    _pickled(tmp_path / "a.kv", "gensim.models.keyedvectors", "KeyedVectors", state, monkeypatch)
    read = read_vectors(tmp_path / "a.kv")
    assert np.array_equal(read["text"], ROWS)
    assert read["caption"].tolist() == TEXTS
    small = {"vectors": ROWS / 10, "index_to_key": TEXTS}
    _pickled(tmp_path / "p.kv", "gensim.models.poincare", "PoincareKeyedVectors", small, monkeypatch)
    space = load(str(tmp_path / "p.kv")).native_space()
    assert space is not None
    assert space.geometry.spec == "poincare:-1"


def test_a_pickle_runs_nothing(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    (tmp_path / "a.kv").write_bytes(pickle.dumps({"vectors": Hostile()}))
    with pytest.raises(InputError):
        read_vectors(tmp_path / "a.kv")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("names", [np.array([7, 139]), np.array(["SKU1", "SKU2"])], ids=["numbers", "strings"])
def test_what_is_written_is_read(tmp_path: Path, names: np.ndarray) -> None:
    path = tmp_path / "a.parquet"
    space = EmbeddingSpace(coordinates="lorentz-space", curvature=-0.5, min_radius=0.2, model="m", fingerprint="f")
    write_vectors(path, {"text": ROWS, "caption": np.array(TEXTS), "image": ROWS[:2] + 1, "image_id": names}, space)
    read = read_vectors(path)
    assert np.array_equal(read["text"], ROWS)
    assert np.array_equal(read["image"], ROWS[:2] + 1)
    assert read["caption"].tolist() == TEXTS
    assert read["image_id"].tolist() == names.tolist()
    native = load(str(path)).native_space()
    assert native is not None
    assert (native.geometry.spec, native.min_radius) == ("lorentz:-0.5", 0.2)
    assert parquet.read_table(path)["vector"].type.list_size == 4


@pytest.mark.parametrize("coordinates", ["hyperboloid", "ball", "lorentz-space", "negated-time"])
def test_points_keep_their_distances_through_a_file(tmp_path: Path, coordinates: str) -> None:
    vectors = ROWS / 2
    points = hiergeo.geometry.coordinates.Coordinates("hyperboloid", -1.0).points(torch.from_numpy(vectors).double())
    mine = hiergeo.embedded(points.numpy(), TEXTS, coordinates="hyperboloid", curvature=-1.0)
    out = hiergeo.adapters.embed(mine, _chains(tmp_path), tmp_path / "a.parquet", coordinates=coordinates)
    again = load(str(out))
    space, same = mine.native_space(), again.native_space()
    assert space is not None
    assert same is not None
    assert torch.allclose(
        same.pairwise_distance(again.encode_text(TEXTS), again.encode_text(TEXTS)),
        space.pairwise_distance(mine.encode_text(TEXTS), mine.encode_text(TEXTS)),
        atol=1e-5,
    )


def _chains(folder: Path) -> Any:
    (folder / "chains.csv").write_text("tier0,tier1,tier2\n" + ",".join(TEXTS) + "\n")
    return hiergeo.datasets.load(f"chains:{folder / 'chains.csv'}")


def test_a_finished_file_is_left_alone_and_another_one_is_not_overwritten(tmp_path: Path) -> None:
    tiny, out = load("tiny"), tmp_path / "a.parquet"
    hiergeo.adapters.embed(tiny, _chains(tmp_path), out)
    before = out.stat().st_mtime_ns
    assert interop.read_vectors(hiergeo.adapters.embed(tiny, _chains(tmp_path), out))["model"] == "tiny"
    assert out.stat().st_mtime_ns == before
    write_vectors(out, {"text": ROWS, "caption": np.array(TEXTS)}, EmbeddingSpace())
    with pytest.raises(InputError):
        hiergeo.adapters.embed(tiny, _chains(tmp_path), out)


def test_rows_without_captions_and_with_ids_are_kept(tmp_path):
    ids = np.array(["SKU1", "007", "x"][: len(ROWS)] + [f"i{at}" for at in range(3, len(ROWS))])
    write_vectors(tmp_path / "a.parquet", {"text": ROWS, "id": ids}, EmbeddingSpace())
    read = read_vectors(tmp_path / "a.parquet")
    assert np.array_equal(read["text"], ROWS)
    assert read["id"].tolist() == ids.tolist()
    assert "caption" not in read


def test_rows_in_a_ball_around_a_zero_are_proposed_to_be_its_points(tmp_path):
    rows = np.concatenate([ROWS[:1] * 0, ROWS[1:] / np.abs(ROWS).sum()])
    np.savez(tmp_path / "a.npz", text=rows, caption=np.array(TEXTS))
    with pytest.raises(InputError, match="coordinates=ball"):
        load(str(tmp_path / "a.npz"))
    with pytest.raises(UnavailableError, match="not there"):
        load("nowhere.pt")
