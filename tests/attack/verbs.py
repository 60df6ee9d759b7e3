"""The commands that write, small enough to be run a thousand times, and what there is to see of them afterwards."""

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hiergeo import adapters, cli, datasets, search
from hiergeo._core.errors import InputError
from hiergeo._core.storage import archives, documents, tensors
from hiergeo._core.storage.documents import Json
from hiergeo.adapters.head import Head, HeadShape
from hiergeo.adapters.head_files import read_head_config, write_head
from hiergeo.construction import card
from hiergeo.construction.backends import BACKENDS
from hiergeo.construction.judges import JUDGES
from hiergeo.datasets import scenes
from hiergeo.datasets.chains import Chain, write_test
from hiergeo.report.explorer import export
from hiergeo.training import suite
from tests.attack import mirror
from tests.construction.construction_toys import ToyBackend, ToyJudge
from tests.search.corpus import corpus_common
from tests.training.training_common import captions, chains

SMALL = {"train": 40, "validation": 20, "test": 20}
"""Scenes of a split under attack."""

Words = tuple[str, ...]


@dataclass(frozen=True)
class Verb:
    """A command that writes into a folder of its own.

    Attributes:
        name: as tables have it.
        line: its arguments; ``OUT`` is the folder, ``INPUTS`` that of what it reads.
        result: a digest of what the folder holds, read as its users read it; None while there is nothing.
        again: arguments with which it is run again after a death.
        earlier: a line whose result is there before, and is replaced.
        instead: another command, that is run after a death in place of the first; its result is what counts.
        ranks: processes that run it together.
    """

    name: str
    line: Words
    result: Callable[[Path], str | None]
    again: Words = ()
    earlier: Words = ()
    instead: Words = ()
    ranks: int = 1

    def words(self, out: Path, inputs: Path, *, again: bool = False, earlier: bool = False) -> list[str]:
        """The arguments of one run."""
        line = self.earlier if earlier else (*self.line, *(self.again if again else ()))
        if again and self.instead:
            line = self.instead
        return [word.replace("OUT", str(out)).replace("INPUTS", str(inputs)) for word in line]


def prepare(inputs: Path) -> None:
    """Make what verbs read, and import what they need, so that forks of this process are quick."""
    import accelerate  # noqa: F401 - for the forks
    import open_clip  # noqa: F401 - for the forks

    import hiergeo.report
    import hiergeo.training  # noqa: F401 - for the forks
    from hiergeo.cli.app import SUMMARIES
    from hiergeo.cli.verbs import loaded

    for verbs in SUMMARIES.values():
        for name in verbs:
            loaded(name)

    scenes.COUNTS |= SMALL
    made = chains()
    arrays = {name: getattr(made, name).numpy() for name in ("text", "positive", "negative", "root")}
    archives.write(inputs / "chains.npz", {**arrays, "caption": np.array(captions())})
    head = Head(HeadShape(64, 64), seed=1)
    torch.nn.init.orthogonal_(head.linear.weight)
    write_head(inputs / "head", head, {"base": "tiny", "base_fingerprint": None, "geometry": "euclidean"})
    _inputs_of_corpus(inputs / "corpus")
    (inputs / "clip.toml").write_text(PLAN)
    (inputs / "suite.toml").write_text(SUITE_PLAN)
    _scenes(inputs / "chains")
    search.build(inputs / "small", "tiny", corpus_common.captions(40)).close()
    adapters.load("tiny").encode_text(["a red square"])
    BACKENDS.own |= {"toy": ToyBackend}  # type: ignore[operator]  # a toy is what it stands for
    JUDGES.own |= {"toy": ToyJudge}  # type: ignore[operator]  # a toy is what it stands for
    mirror.serve()


def run(words: list[str], out: Path) -> int:
    """The exit code of ``hiergeo`` with these arguments and a folder as its data home, in this process."""
    os.environ["HIERGEO_DATA_HOME"] = str(out)
    sys.argv = ["hiergeo", *words]
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def listing(folder: Path) -> list[str]:
    """Names in a folder but the marks of readers, which the next writer removes; digits of hashes left out."""
    paths = (path for path in folder.rglob("*") if path.parent.name != "readers")
    return sorted(re.sub(r"[0-9a-f]{12}", "HASH", str(path.relative_to(folder))) for path in paths)


def cleared(folder: Path) -> Path:
    """The folder, empty; it may be where a disk is mounted, so that it stays itself."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return folder


def _embeddings(out: Path) -> str | None:
    path = out / "a.npz"
    if not path.exists():
        return None
    adapters.load(f"npz:{path}")
    with np.load(path) as file:
        return archives.content_sha256({name: file[name] for name in file.files if name != archives.HASH})


def _head(out: Path) -> str | None:
    if not (out / "head" / "config.json").exists():
        return None
    config = read_head_config(out / "head")
    adapters.load(f"head:{out}/head@npz:{_base(out)}")
    return json.dumps(config, sort_keys=True)


def _base(out: Path) -> Path:
    """Embeddings for a head to stand on, beside the folder that is looked at."""
    from tests.training.training_common import stored

    path = out.parent / "base-of-heads.npz"
    if not path.exists():
        stored(path)
    return path


def _tower(out: Path) -> str | None:
    folder = out / "tower"
    if not (folder / "config.json").exists():
        return None
    config = documents.read(folder / "config.json", dict[str, Json])
    history = documents.read(folder / "history.json", dict[str, Json])
    weights = tensors.read(folder / "model" / "open_clip_model.safetensors")
    if not bool(adapters.load(str(config["spec"])).encode_text(["a red square"]).isfinite().all()):
        raise InputError("the tower gives no numbers.")
    digest = hashlib.sha256(json.dumps([history, config["best_step"]], sort_keys=True).encode())
    for name in sorted(weights):
        digest.update(weights[name].numpy().tobytes())
    return digest.hexdigest()


def _clip(out: Path) -> str | None:
    folder = out / "clip"
    if not (folder / "hiergeo.json").exists():
        return None
    model = adapters.load(f"trained:{folder}")
    if not bool(model.encode_text(["a red square"]).isfinite().all()):
        raise InputError("the model gives no numbers.")
    digest = hashlib.sha256((folder / "log.jsonl").read_bytes())
    for _, weight in sorted(tensors.read(folder / "open_clip_model.safetensors").items()):
        digest.update(weight.numpy().tobytes())
    return digest.hexdigest()


def _report(out: Path) -> str | None:
    """Page and numbers; each is whole, and the numbers are those of an undisturbed run."""
    page, numbers = out / "a.html", out / "a.json"
    if page.exists() and not page.read_text().rstrip().endswith("</html>"):
        raise InputError("half a page.")
    if not numbers.exists():
        return None
    held = json.loads(numbers.read_text())
    return json.dumps(held["metrics"], sort_keys=True) if page.exists() else None


def _numbers(out: Path) -> str | None:
    numbers = out / "a.json"
    return json.dumps(json.loads(numbers.read_text())["metrics"], sort_keys=True) if numbers.exists() else None


def _page(out: Path) -> str | None:
    """The names and sizes of the files of an exported page, all of which are there."""
    record = out / "page" / export.RECORD
    if not record.exists():
        return None
    files = json.loads(record.read_text())["files"]
    if not all((out / "page" / name).exists() for name in files):  # the folder is being deleted
        return None
    if any((out / "page" / name).stat().st_size != size for name, size in files.items()):
        raise InputError("a file of the page is not whole.")
    return json.dumps(sorted(files))


def _fetched(out: Path) -> str | None:
    """Every file of the data home is whole, if it is there; the digest is of all of them."""
    whole = (path for path in (out / "hierarcaps").rglob("*") if path.is_file() and path.name in mirror.FILES)
    for path in whole:
        if path.read_bytes() != mirror.FILES[path.name]:
            raise InputError(f"{path.name} is not what the server sent.")
    found = [name for name in listing(out) if not Path(name).name.startswith(".")]
    return json.dumps(found) if len(found) == len(mirror.FILES) + 2 else None


def _corpus(out: Path) -> str | None:
    """Every item of an index that is complete, its shells balanced; any other can be read too."""
    folder = out / "ix"
    if not (folder / "index.json").exists():
        return None
    try:
        held = corpus_common.stored(folder)
    except FileNotFoundError as error:
        raise InputError(f"{error.filename} is gone.") from error
    digest = hashlib.sha256(repr(sorted(held.items())).encode()).hexdigest()
    edges = json.loads((folder / "index.json").read_text())["edges"]
    whole = len(held) == CORPUS_ITEMS and len(edges) == CORPUS_ITEMS - 1
    return f"{digest} {edges} {corpus_common.poisoned(folder)}" if whole else None


def _chains(out: Path) -> str | None:
    """The files of a build that has its card, whose hashes they have."""
    folder = out / "chains"
    if not (folder / card.JSON).exists():
        return None
    told = card.read_card(folder)["files"]
    for name, facts in told.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != facts["sha256"]:
            raise InputError(f"{name} is not the file that the card tells of.")
    return json.dumps(told, sort_keys=True)


def _graded(out: Path) -> str | None:
    """The chains, and what the card says of their quality."""
    quality = card.read_card(out / "chains").get("quality")
    return f"{_chains(out)} {json.dumps(quality, sort_keys=True)}"


def _scenes(folder: Path) -> None:
    """A folder of chains."""
    folder.mkdir(parents=True)
    rows = datasets.load("scenes").take(6).rows
    write_test(folder / "test.csv", [Chain(row.row_id, row.positive) for row in rows])


def _suite(out: Path) -> str | None:
    """The numbers of every cell of a suite that has its page; each cell is whole."""
    folder = out / "suite"
    if not (folder / "plan.json").exists():
        return None
    cells = suite.read(folder).to_json()
    page = folder / "leaderboard.html"
    return cells if page.exists() and page.read_text().rstrip().endswith("</html>") else None


CORPUS_ITEMS = 23
"""Captions in the inputs of an index, without the poisoned one."""


def _inputs_of_corpus(folder: Path) -> None:
    folder.mkdir()
    for number in range(3):
        corpus_common.parquet(folder / f"{number}.parquet", corpus_common.captions(6, number))
    (folder / "3.txt").write_text("\n".join([*corpus_common.captions(5, 3), "\0"]))


SCENES = ("-d", "scenes", "--rows", "12")
SHARDS = (
    *("index", "build", "OUT/ix", "-m", "tiny", "--captions", "INPUTS/corpus"),
    *("--batch-size", "4"),
)
BUILD = (
    *("chains", "build", *SCENES, "--shard-rows", "5", "--test-fraction", "0.5", "--seed", "1"),
    *("--backend", "toy", "--judge", "toy", "--out", "OUT/chains"),
)
EMBED = ("embed", "-m", "tiny", *SCENES, "--batch-size", "8", "--out", "OUT/a.npz")
HEAD = ("train", "head", "--train", "INPUTS/chains.npz", "--steps", "4", "--hidden", "4", "--out", "OUT/head")
TOWER = (
    *("train", "re", "-m", "tiny", "-d", "scenes", "--rows", "30", "--learning-rate", "3e-4", "--batch", "4"),
    *("--steps", "3", "--every", "1", "--out", "OUT/tower"),
)
CLIP = ("train", "clip", "INPUTS/clip.toml", "--out", "OUT/clip")
PLAN = """
out = "unnamed"
steps = 6
batch = 8
chunk = 3
every = 1
space = "product:lorentz:-1?learnablex32,euclidean:x32"
data = { rows = 40, held_out = 8 }
"""
SUITE_PLAN = """
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
SUITE = ("suite", "run", "INPUTS/suite.toml", "--out", "OUT/suite")
QUALITY = (
    *("chains", "quality", "INPUTS/chains", "--samples", "20"),
    *("--html", "OUT/a.html", "--json", "OUT/a.json"),
)
COMPARE = (
    *("compare", "-m", "tiny", *SCENES, "-g", "euclidean", "-g", "lorentz:-1", "--steps", "5", "--images", "1"),
    *("--html", "OUT/a.html", "--json", "OUT/a.json"),
)
PROBE = ("probe", "-m", "tiny", *SCENES, "--steps", "5", "--json", "OUT/a.json")
EXPORT = ("explore", "INPUTS/small", "--export", "OUT/page")
STUDY = (
    *("study", "-m", "tiny", *SCENES, "--train", "train", "-g", "euclidean", "-g", "lorentz:-1", "--steps", "2"),
    *("--seeds", "2", "--learning-rate", "1e-3", "--hidden", "2", "--images", "1"),
    *("--html", "OUT/a.html", "--json", "OUT/a.json"),
)

FETCH = ("data", "fetch", "hierarcaps")

VERBS = (
    Verb("embed", EMBED, _embeddings),
    Verb(
        "embed over another",
        (*EMBED, "--overwrite"),
        _embeddings,
        earlier=(*EMBED[:-2], "--split", "validation", "--out", "OUT/a.npz"),
    ),
    Verb(
        "embed after another model",
        EMBED,
        _embeddings,
        instead=("embed", "-m", "head:INPUTS/head", *EMBED[3:], "--overwrite"),
    ),
    Verb("index build shards", SHARDS, _corpus),
    Verb("train head", HEAD, _head, again=("--overwrite",)),
    Verb("train head over another", (*HEAD, "--overwrite"), _head, earlier=(*HEAD, "--seed", "1")),
    Verb("train re", TOWER, _tower),
    Verb("train re, two ranks", TOWER, _tower, ranks=2),
    Verb("train clip", CLIP, _clip),
    Verb("train clip, two ranks", CLIP, _clip, ranks=2),
    Verb("compare", COMPARE, _report),
    Verb("study", STUDY, _report),
    Verb("probe", PROBE, _numbers),
    Verb("explore --export", EXPORT, _page, again=("--overwrite",)),
    Verb("data fetch", FETCH, _fetched),
    Verb("chains build", BUILD, _chains),
    Verb("chains quality", QUALITY, _report),
    Verb("chains quality --card", ("chains", "quality", "OUT/chains", "--card"), _graded, earlier=BUILD),
    Verb("suite", SUITE, _suite),
)
