"""The commands that write, small enough to run many times, and what a user reads of their results."""

import csv
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hiergeo import adapters, cli, datasets, search
from hiergeo._core.errors import InputError
from tests.durability.processes import forked
from tests.search.corpus import corpus_common
from tests.training.training_common import captions, chains, stored

TEXTS = [f"a {colour} {shape}" for colour in ("red", "blue", "green", "white") for shape in ("square", "circle", "dot")]

Reader = Callable[[Path], str | None]
"""Digest of what a folder holds, read as its users read it; None, or an `InputError`, if there is no result."""


@dataclass(frozen=True)
class Writer:
    """A command that writes into a folder.

    Attributes:
        line: its arguments; ``OUT`` is the folder, ``INPUTS`` that of what it reads.
        read: what the folder holds.
        before: a line whose result is there beforehand.
        again: further arguments with which it is run again after it was interrupted.
        once: whether it must not be run again when it is done.
    """

    line: str
    read: Reader
    before: tuple[str, ...] = ()
    again: str = ""
    once: bool = False

    def run(self, out: Path, inputs: Path, *, again: bool = False) -> int:
        """Exit code of the command in this process."""
        return command(f"{self.line} {self.again if again else ''}", out, inputs)


def command(line: str, out: Path, inputs: Path) -> int:
    """Exit code of ``hiergeo`` in this process."""
    words = line.replace("OUT", str(out)).replace("INPUTS", str(inputs)).split()
    sys.argv = ["hiergeo", *words]
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def prepare(inputs: Path) -> None:
    """Write what the commands read, and import what they need, so that forks begin at once."""
    import open_clip  # noqa: F401 - for the forks

    import hiergeo.report
    import hiergeo.training  # noqa: F401 - for the forks

    inputs.mkdir()
    rows = datasets.load("scenes", count=24).rows
    lines = [f"{' => '.join(row.positive)},http://x/{row.row_id}.jpg" for row in rows]
    (inputs / "chains.csv").write_text("\n".join(["captions,image_url", *lines]) + "\n")
    (inputs / "captions.csv").write_text(
        "\n".join(["caption,image_url", *(f"a {word} dog runs on the grass,http://x/{word}.jpg" for word in COLOURS)])
    )
    (inputs / "clip.toml").write_text(CLIP)
    (inputs / "suite.toml").write_text(SUITE)
    (inputs / "corpus").mkdir()
    for number in range(3):
        corpus_common.parquet(inputs / "corpus" / f"{number}.parquet", corpus_common.captions(6, number))
    for number, name in enumerate(("first", "second")):
        (inputs / f"{name}.txt").write_text("\n".join(corpus_common.captions(30, number)))
    stored(inputs / "base.npz")
    made = chains()
    arrays = {name: getattr(made, name).numpy() for name in ("text", "positive", "negative", "root")}
    np.savez(inputs / "chains.npz", caption=np.array(captions()), **arrays)
    adapters.load("tiny").encode_text(["a red square"])


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _encoded(spec: str, texts: list[str] = TEXTS) -> str:
    rows = adapters.load(spec).encode_text(texts)
    if not bool(rows.isfinite().all()):
        raise InputError("the model gives no numbers.")
    return _digest(rows.numpy().tobytes())


def _embeddings(out: Path) -> str | None:
    if not (out / "a.npz").exists():
        return None
    adapters.load(f"npz:{out / 'a.npz'}")
    with np.load(out / "a.npz") as file:
        return _digest(*(file[name].tobytes() for name in sorted(file.files)))


def _index(out: Path) -> str | None:
    """All items, nearest first."""
    folder = out / "index"
    if not (folder / "index.json").exists():
        return None
    with closing(search.open(folder)) as index:
        defects = index.check().defects
        if defects:
            raise InputError(f"the index is damaged: {defects[0]}")
        query = torch.nn.functional.one_hot(torch.tensor(0), 64).float()
        hits = index.neighbours(query, max(1, len(index))).hits
    return _digest(json.dumps([(hit.id, hit.caption, repr(hit)) for hit in hits]).encode())


def _corpus(out: Path) -> str | None:
    folder = out / "index"
    if not (folder / "index.json").exists():
        return None
    with closing(search.open(folder)) as index:
        complete = len(index) == 3 * 6
    return _index(out) if complete else None


def _chains(out: Path) -> str | None:
    folder = out / "chains"
    if not (folder / "README.md").exists():
        return None
    rows = datasets.load(f"chains:{folder}", "test").rows
    return _digest(repr([(row.positive, row.negative) for row in rows]).encode())


def _head(out: Path) -> str | None:
    if not (out / "head" / "config.json").exists():
        return None
    return _encoded(f"head:{out / 'head'}@npz:{out.parents[1] / 'inputs' / 'base.npz'}", ["p 0 0", "n 3 2"])


def _tower(out: Path) -> str | None:
    if not (out / "tower" / "config.json").exists():
        return None
    return _encoded(f"open_clip:local-dir:{out / 'tower' / 'model'}")


def _clip(out: Path) -> str | None:
    if not (out / "clip" / "hiergeo.json").exists():
        return None
    return _encoded(f"trained:{out / 'clip'}")


def _report(out: Path) -> str | None:
    """The metrics; the page is whole if it is there."""
    page, numbers = out / "a.html", out / "a.json"
    if page.exists() and not page.read_text().rstrip().endswith("</html>"):
        raise InputError("half a page.")
    if not page.exists() or not numbers.exists():
        return None
    try:
        held = json.loads(numbers.read_text())
    except ValueError as error:
        raise InputError(f"half a file of numbers: {error}.") from error
    return json.dumps(held["numbers"] if "numbers" in held else held["metrics"], sort_keys=True)


def _suite(out: Path) -> str | None:
    """The table of a suite that has its page."""
    if not (out / "suite" / "leaderboard.html").exists():
        return None
    table = out.parent / "table.csv"

    def print_table() -> int:
        os.dup2(os.open(table, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        return command("suite table OUT/suite --format csv", out, out)

    end = forked(print_table)
    if end.code:
        raise InputError(end.said)
    told = table.read_text()
    if not all(row["value"] for row in csv.DictReader(told.splitlines())):
        raise InputError("a cell has no numbers.")
    return told


COLOURS = ("red", "blue", "grey", "green", "white", "black", "brown", "pink", "gold", "teal")

CLIP = """
out = "unnamed"
steps = 4
batch = 8
chunk = 3
every = 1
space = "product:lorentz:-1?learnablex32,euclidean:x32"
data = { rows = 40, held_out = 8 }
"""

SUITE = """
title = "A head, and its base"
samples = 20
device = "cpu"

[[models]]
name = "tiny"
spec = "tiny"
spaces = ["euclidean", "lorentz:-1"]

[[models]]
name = "head"
spec = "tiny"
train = { kind = "head", data = "scenes", rows = 20, geometry = "euclidean", steps = 4, batch = 8, hidden = 4 }

[[benchmarks]]
title = "HierarCaps"
name = "hierarcaps"
data = "scenes"
take = 8
"""

CHAINS = "-d chains:INPUTS/chains.csv"
SCENES = "-d scenes --rows 30"
EMBED = f"embed -m tiny {CHAINS} --batch-size 8 --out OUT/a.npz"
HEAD = "train head --train INPUTS/chains.npz --set steps=4 --set hidden=4 --out OUT/head"
PAGES = "--html OUT/a.html --json OUT/a.json"
BUILD = "index build OUT/index -m tiny --captions INPUTS/first.txt"
ADD = "index add OUT/index --captions INPUTS/second.txt"
DELETE = f"index delete OUT/index {' '.join(map(str, range(0, 30, 2)))}"

WRITERS: Mapping[str, Writer] = {
    "embed": Writer(EMBED, _embeddings),
    "embed over another": Writer(f"{EMBED} --overwrite", _embeddings, before=(f"{EMBED} --rows 9",)),
    "index build": Writer(BUILD, _index, once=True),
    "index add": Writer(ADD, _index, before=(BUILD,), once=True),
    "index delete": Writer(DELETE, _index, before=(BUILD,)),
    "index compact": Writer("index compact OUT/index", _index, before=(BUILD, ADD, DELETE)),
    "index build of shards": Writer("index build OUT/index -m tiny --captions INPUTS/corpus", _corpus),
    "chains build": Writer("chains build INPUTS/captions.csv --backend wordnet --out OUT/chains", _chains),
    "train head": Writer(HEAD, _head, again="--overwrite"),
    "train head over another": Writer(f"{HEAD} --overwrite", _head, before=(f"{HEAD} --set seed=1",)),
    "train re": Writer(
        f"train re -m tiny {SCENES} --set steps=3 --out OUT/tower --set learning_rate=3e-4 --set batch=4 --set every=1",
        _tower,
    ),
    "train clip": Writer("train clip INPUTS/clip.toml --out OUT/clip", _clip),
    "audit": Writer(f"audit -m tiny {CHAINS} {PAGES}", _report),
    "compare": Writer(f"compare -m tiny {CHAINS} -g euclidean -g lorentz:-1 {PAGES}", _report),
    "study": Writer(
        f"study -m tiny {SCENES} --train train -g euclidean --learning-rate 1e-3 --set steps=2 --seeds 2 {PAGES}",
        _report,
    ),
    "suite": Writer("suite run INPUTS/suite.toml --out OUT/suite", _suite),
}
