"""Files of strangers are read without running code that is in them."""

import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from hiergeo import adapters, datasets, search
from hiergeo._core.errors import HiergeoError
from hiergeo.adapters import tiny
from hiergeo.adapters.head import Head, HeadShape, write_head


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


Make = Callable[[Path, Trap], Callable[[], object]]
"""Writes a file with a trap into a folder; gives what reads it."""


def npz(member: str) -> Make:
    """Embeddings of which one array is of objects."""

    def make(folder: Path, trap: Trap) -> Callable[[], object]:
        arrays: dict[str, Any] = {
            "text": np.eye(4, dtype=np.float32),
            "caption": np.array(list("abcd")),
            "root": np.ones(4, np.float32),
        }
        np.savez(folder / "a.npz", **{**arrays, member: np.array([trap] * 4, dtype=object)})
        return lambda: adapters.load(f"npz:{folder / 'a.npz'}").encode_text(["a"])

    return make


def npz_of_pickles(folder: Path, trap: Trap) -> Callable[[], object]:
    with zipfile.ZipFile(folder / "a.npz", "w") as archive:
        for name in ("text.npy", "caption.npy", "root.npy"):
            archive.writestr(name, pickle.dumps(trap))
    return lambda: adapters.load(f"npz:{folder / 'a.npz'}")


def checkpoint(name: str, *, plain: bool = False) -> Make:
    """Weights for the bundled architecture, as torch stores them or as a bare pickle."""

    def make(folder: Path, trap: Trap) -> Callable[[], object]:
        path = folder / name
        if plain:
            path.write_bytes(pickle.dumps({"state_dict": trap}))
        else:
            torch.save({"state_dict": {"logit_scale": torch.ones(())}, "epoch": trap}, path)
        return lambda: adapters.load(f"open_clip:{tiny.register()}/{path}")

    return make


def local_dir(folder: Path, trap: Trap) -> Callable[[], object]:
    config = {"model_cfg": open_clip.get_model_config(tiny.register()), "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.save({"logit_scale": trap}, folder / "open_clip_pytorch_model.bin")
    return lambda: adapters.load(f"open_clip:local-dir:{folder}")


def hub_folder(scheme: str, config: Mapping[str, object]) -> Make:
    """A folder of transformers with code of its own, and weights as a pickle."""

    def make(folder: Path, trap: Trap) -> Callable[[], object]:
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "code.Model"}]))
        (folder / "code.py").write_text(f"open({str(trap.path)!r}, 'w')\n")
        torch.save({"weight": trap}, folder / "pytorch_model.bin")
        return lambda: adapters.load(f"{scheme}:{folder}")

    return make


def meru(folder: Path, trap: Trap) -> Callable[[], object]:
    torch.save({"model": {"curv": torch.zeros(())}, "trap": trap}, folder / "meru.pth")
    return lambda: adapters.load(f"meru:{folder / 'meru.pth'}")


def head(folder: Path, trap: Trap) -> Callable[[], object]:
    write_head(
        folder / "head", Head(HeadShape(64, 64)), {"base": "tiny", "base_fingerprint": None, "geometry": "euclidean"}
    )
    (weights,) = (folder / "head").glob("*.safetensors")
    weights.write_bytes(pickle.dumps(trap))
    return lambda: adapters.load(f"head:{folder / 'head'}")


def trained(folder: Path, trap: Trap) -> Callable[[], object]:
    (folder / "hiergeo.json").write_text("{}")
    (folder / "open_clip_config.json").write_text("{}")
    (folder / "open_clip_model.safetensors").write_bytes(pickle.dumps(trap))
    return lambda: adapters.load(f"trained:{folder}")


def index(folder: Path, trap: Trap) -> Callable[[], object]:
    search.build(folder / "index", None, embeddings=2 * torch.eye(4)).close()
    for path in (folder / "index").rglob("*.parquet"):
        path.write_bytes(pickle.dumps(trap))
    return lambda: search.open(folder / "index").neighbours(torch.ones(4), 1)


def chains(folder: Path, trap: Trap) -> Callable[[], object]:
    (folder / "test.csv").write_bytes(pickle.dumps(trap))
    return lambda: datasets.load(f"chains:{folder}", "test")


CLIP = {"model_type": "clip", "auto_map": {"AutoModel": "code.Model", "AutoConfig": "code.Config"}}

FILES: dict[str, Make] = {
    "npz, text": npz("text"),
    "npz, captions": npz("caption"),
    "npz, another array": npz("other"),
    "npz of pickles": npz_of_pickles,
    "checkpoint": checkpoint("weights.pt"),
    "checkpoint, a bare pickle": checkpoint("weights.pth", plain=True),
    "checkpoint called safetensors": checkpoint("weights.safetensors"),
    "folder of open_clip": local_dir,
    "folder of transformers": hub_folder("hf", CLIP),
    "folder of transformers, unknown type": hub_folder("hf", {**CLIP, "model_type": "mine"}),
    "folder of sentence-transformers": hub_folder("sentence-transformers", {"model_type": "bert"}),
    "checkpoint of MERU": meru,
    "head": head,
    "trained model": trained,
    "index": index,
    "chains": chains,
}


@pytest.mark.parametrize("name", FILES)
def test_no_code_is_run(tmp_path: Path, name: str) -> None:
    trap = Trap(tmp_path / "sprung")
    folder = tmp_path / "folder"
    folder.mkdir()
    read = FILES[name](folder, trap)
    assert not trap.path.exists()
    with suppress(HiergeoError):
        read()
    assert not trap.path.exists()


def test_the_trap_springs_where_pickles_are_trusted(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").exists()
