"""Ordinary mistakes, one at a time, in the words of every verb: each is refused in a sentence, before a model loads."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hiergeo import search
from hiergeo._core.plugins import Plugins
from hiergeo.adapters.loading import ADAPTERS

VERBS = """
probe -m MODEL -d DATA -g GEOMETRY -p PROTOCOL
compare -m MODEL -d DATA -g GEOMETRY -p PROTOCOL
audit -m MODEL -d DATA -g GEOMETRY --format FORMAT
benchmark BENCHMARK -m MODEL -g GEOMETRY --set SETTING
study -m MODEL -d DATA --train CHAINS -g GEOMETRY --loss LOSS --set RECIPE
suite -m MODEL -d NAMED -g GEOMETRY -o out
suite PLAN -o out
embed -m MODEL -d DATA -o EMBEDDED
train head -m MODEL -d DATA -g GEOMETRY --loss LOSS --set RECIPE --evaluate MODEL --out out
train head --train STORED --out out
train re -m MODEL -d DATA -g GEOMETRY --loss LOSS --set RECIPE --out out
train clip PLAN --out out
index build out -m MODEL --captions CAPTIONS -g GEOMETRY --items ITEMS
index build out -m MODEL --captions captions.csv --caption-column COLUMN
index build out -m MODEL --images FOLDER
index build out --embeddings STORED
index add index --captions CAPTIONS
index add INDEX --embeddings STORED
index push index --store STORE
search INDEX dog -g GEOMETRY --store STORE --find KIND
search index IMAGE
tree INDEX -g GEOMETRY
serve INDEX -m MODEL
explore INDEX -d NAMED -g GEOMETRY --images FOLDER
chains quality CHAINED
chains leaks CHAINED
chains build CAPTIONS --out out
"""
"""Words of every verb that reads; those in capitals are keys of `RIGHT` and of `WRONG`."""

RIGHT = {"MODEL": "tiny", "DATA": "scenes", "NAMED": "scenes", "GEOMETRY": "lorentz:-1", "PROTOCOL": "re"}
RIGHT |= {"FORMAT": "table", "BENCHMARK": "hyperlex", "SETTING": "data=demo", "CHAINS": "train", "LOSS": "order=1"}
RIGHT |= {"RECIPE": "steps=1", "EMBEDDED": "out.npz", "CAPTIONS": "captions.csv", "ITEMS": "captions", "INDEX": "index"}
RIGHT |= {"COLUMN": "caption", "STORE": "milvus:./out.db", "KIND": "children", "FOLDER": "empty"}
RIGHT |= {"STORED": "stored.npz"}
WRONG = {
    "MODEL": {
        "tinny": "tiny",
        "npz:absent.npz": "absent.npz",
        "head:absent": "absent",
        "hf:./absent": "absent",
        "open_clip:ViT-B-33/openai": "ViT-B-32",
        "open_clip:local-dir:absent": "absent",
        "tiny:x": "tiny",
    },
    "DATA": {"scene": "scenes", "chains:absent.csv": "absent.csv", "empty.csv": "chains:empty.csv"}
    | {"chains:empty.csv": "empty", "chains:captions.csv": "positive"},
    "NAMED": {"scene": "scenes", "chains:absent.csv": "absent.csv"},
    "GEOMETRY": {"lorenz:-1": "lorentz", "lorentz:1": "Lorentz", "hyperbolic": "lorentz:-1"},
    "PROTOCOL": {"ree": "re"},
    "FORMAT": {"tabel": "table"},
    "BENCHMARK": {"hyperlexx": "hyperlex"},
    "SETTING": {"data=absent.txt": "absent.txt", "dta=demo": "data"},
    "CHAINS": {"trian": "train", "absent.npz": "absent.npz", "unpaired.npz": "unpaired.npz"},
    "LOSS": {"ordre=1": "order", "order=much": "much"},
    "RECIPE": {"stpes=1": "steps", "steps=-1": "steps"},
    "PLAN": {"absent.toml": "absent.toml"},
    "EMBEDDED": {"out.csv": "out.npz", "absent.csv": ".npz"},
    "STORED": {"absent.npz": "absent.npz", "void.npz": "void.npz", "unpaired.npz": "unpaired.npz"},
    "CAPTIONS": {"absent.csv": "absent.csv", "empty.csv": "captions", "header.csv": "captions", "empty": "empty"},
    "ITEMS": {"caption": "captions"},
    "COLUMN": {"captoin": "caption"},
    "FOLDER": {"absent": "absent"},
    "INDEX": {"absent": "absent", "empty": "empty"},
    "STORE": {"milvuss:x": "milvus"},
    "KIND": {"childs": "children"},
    "IMAGE": {"absent.jpg": "absent.jpg"},
    "CHAINED": {"absent.csv": "absent.csv", "empty.csv": "empty.csv", "captions.csv": "positive"},
}
CASES = [
    (re.sub(r"[A-Z]{3,}", lambda key: RIGHT.get(key[0], key[0]), f"{before}{wrong}{after}"), named)
    for line in VERBS.split("\n")
    for slot in re.finditer(r"[A-Z]{3,}", line)
    for before, after in [(line[: slot.start()], line[slot.end() :])]
    for wrong, named in WRONG[slot[0]].items()
]
"""Every verb with every mistake, the others of its words being right, and what the sentence must name."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to work in: good and bad captions, embeddings, and an index of embeddings that no model is known of."""
    folder = tmp_path_factory.mktemp("work")
    for name, content in {"captions.csv": "caption\na dog\n", "header.csv": "caption\n", "empty.csv": ""}.items():
        (folder / name).write_text(content)
    (folder / "empty").mkdir()
    (folder / "void.npz").touch()
    rows, captions = np.diag([1, 2, 3]).astype(np.float32), ["a dog", "a cat", "a hat"]
    np.savez(folder / "unpaired.npz", text=rows, caption=captions[:2], root=rows[0])
    np.savez(folder / "stored.npz", text=rows, caption=captions, root=rows[0])
    search.build(folder / "index", None, embeddings=rows, captions=captions)
    return folder


@pytest.mark.parametrize(("words", "named"), CASES, ids=[words for words, _ in CASES])
def test_a_mistake_is_named_before_a_model_loads(
    run: Callable[..., Any], files: Path, monkeypatch: pytest.MonkeyPatch, words: str, named: str
) -> None:
    get = Plugins.get

    def refused(plugins: Plugins[Any], name: str) -> Any:
        assert plugins is not ADAPTERS, f"the model {name} is loaded"
        return get(plugins, name)

    monkeypatch.chdir(files)
    monkeypatch.setattr(Plugins, "get", refused)
    before = sorted(os.listdir(files))
    code, out, err = run(*words.split())
    *_, sentence = err.strip().split("\n")
    assert (code, out) == (2, ""), err
    assert sentence.startswith("Error: ")
    assert named in sentence
    assert sorted(os.listdir(files)) == before
