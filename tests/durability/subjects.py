"""What hiergeo writes, small: an index, checkpoints, heads, chains and embeddings."""

import hashlib
import tempfile
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor

from hiergeo import adapters, construction, datasets, search
from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import atomic_folder
from hiergeo.adapters.head import Head, HeadShape
from hiergeo.adapters.head_files import write_head
from hiergeo.construction import BuildPlan
from hiergeo.datasets import Hierarchy, Row
from hiergeo.report.explorer import cache
from hiergeo.search import layout
from hiergeo.search.appending import adopt
from hiergeo.search.rows import Rows
from hiergeo.search.shard_writer import write_shard
from hiergeo.search.shards import Labels
from hiergeo.training import HeadModel
from hiergeo.training.re import checkpoints
from hiergeo.training.re.checkpoints import Checkpoint
from hiergeo.training.trainer import EvalRecord
from tests.durability.promises import REFUSED, Subject, quick
from tests.search.corpus.corpus_common import Quick, embed
from tests.search.search_common import HashModel, embeddings
from tests.training import tower_common
from tests.training.training_common import DIM as TRAINED
from tests.training.training_common import stored


def captions(start: int, stop: int) -> list[str]:
    return [f"caption number {number}" for number in range(start, stop)]


def index() -> Subject:
    """An index that is built, added to, deleted from twice and compacted."""
    model = HashModel()

    def opened(folder: Path) -> search.Index:
        return search.open(folder / "index", model=model)

    def see(folder: Path) -> Hashable:
        return _items(opened(folder))

    first = dict(enumerate(captions(0, 80)))
    second = first | dict(enumerate(captions(80, 110), 80))
    third = {number: text for number, text in second.items() if number not in (3, 70, 90)}
    fourth = {number: text for number, text in third.items() if number not in (4, 91)}
    return Subject(
        steps=(
            lambda folder: search.build(folder / "index", model, captions(0, 80)).close(),
            lambda folder: opened(folder).add(captions(80, 110)),
            lambda folder: opened(folder).delete([3, 70, 90]),
            lambda folder: opened(folder).delete([4, 91]),
            lambda folder: opened(folder).compact(),
        ),
        expected=(REFUSED, *(frozenset(rows.items()) for rows in (first, second, third, fourth, fourth))),
        see=see,
    )


def adopted() -> Subject:
    """An index, a shard that another process writes to it, and its adoption; complete shards are adopted to be seen."""
    rows = {0: embeddings(9), 100: embeddings(5, seed=1)}
    texts = {start + place: f"text {start + place}" for start, held in rows.items() for place in range(len(held))}

    def write(folder: Path) -> None:
        manifest = layout.read(folder / "index")
        space = layout.space_of(folder / "index", manifest)
        held = Rows.of(torch.arange(100, 105), rows[100], space, layout.DTYPES[manifest.dtype])
        labels = Labels([texts[number] for number in range(100, 105)], [None] * 5)
        write_shard(folder / "index" / "shards" / "part-0", held, labels, space.geometry)

    def see(folder: Path) -> Hashable:
        adopt(folder / "index")
        return _items(search.open(folder / "index"))

    first = frozenset((number, text) for number, text in texts.items() if number < 100)
    whole = frozenset(texts.items())
    return Subject(
        steps=(
            lambda folder: search.build(folder / "index", None, [texts[i] for i in range(9)], embeddings=rows[0]),
            write,
            lambda folder: adopt(folder / "index"),
        ),
        expected=(REFUSED, first, whole, whole),
        see=see,
    )


def _items(index: search.Index) -> frozenset[tuple[int, str | None]]:
    """Ids and captions of the items, whose every byte is as it was written."""
    if defects := index.check().defects:
        raise AssertionError(f"it opens, but {defects}")
    ids = torch.cat([torch.zeros(0, dtype=torch.int64), *(rows.ids for rows in index.store.scan())])
    return frozenset(zip(ids.tolist(), index.store.labels(ids).captions, strict=True))


def training() -> Subject:
    """Checkpoints of a training, the second of which stays the best one, and the last replaces that."""
    bests = (0, 2, 2, 2, 8)

    def checkpoint(place: int) -> Checkpoint:
        step = 2 * place
        looks = tuple(EvalRecord(2 * each, {}, {"total": 1.0}, 0.5, (1.0,), (0.0,)) for each in range(place + 1))
        tensors = {"weight/a": torch.full((40,), float(step))}
        return Checkpoint(step, bests[place], {"name": "made"}, looks, {"loss": [1.0] * step}, None, tensors)

    def see(folder: Path) -> Hashable:
        held = checkpoints.latest(folder / "run" / "checkpoints")
        if held is None:
            return None
        best = checkpoints.read(folder / "run" / "checkpoints", held.best)
        return tuple((each.step, frozenset(each.tensors["weight/a"].tolist())) for each in (held, best))

    def values(step: int) -> tuple[int, frozenset[float]]:
        return step, frozenset([float(step)])

    def write(place: int) -> Callable[[Path], object]:
        return lambda folder: checkpoints.write(folder / "run" / "checkpoints", checkpoint(place))

    return Subject(
        steps=tuple(write(place) for place in range(len(bests))),
        expected=(None, *((values(2 * place), values(best)) for place, best in enumerate(bests))),
        see=see,
    )


def tuned() -> Subject:
    """The towers of the tiny model, fine-tuned for a moment, checkpoints and all; and the same run asked for again."""

    def train(folder: Path) -> None:
        tower_common.tuned(folder / "tuned", steps=2, every=1)

    def see(folder: Path) -> Hashable:
        out = folder / "tuned"
        if not (out / "config.json").exists():
            raise InputError("there is no configuration: the folder is not whole.")
        adapters.load(f"open_clip:local-dir:{out / 'model'}")
        return tuple(hashlib.sha256((out / name).read_bytes()).hexdigest() for name in (WEIGHTS, "history.json"))

    with tempfile.TemporaryDirectory() as place, quick():
        train(Path(place))
        whole = see(Path(place))
    return Subject((train, train), (REFUSED, whole, whole), see, between=(REFUSED,))


WEIGHTS = "model/open_clip_model.safetensors"


FOREIGN = {"page.html": b"<p>", "data/rows.json": b"[1, 2]"}
"""Files that something else than hiergeo writes into a folder of hiergeo's."""


def _fill(folder: Path) -> None:
    for name, content in FOREIGN.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def _filled(folder: Path) -> Hashable:
    if not folder.exists():
        raise InputError("it is not there.")
    return frozenset((str(path.relative_to(folder)), path.read_bytes()) for path in folder.rglob("*") if path.is_file())


WHOLE = frozenset(FOREIGN.items())


def cached() -> Subject:
    """A folder of the cache, which is trusted by its name."""

    def keep(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HIERGEO_CACHE_HOME", str(folder / "cache"))
            cache.kept("demo", _fill)

    def prepare(folder: Path) -> None:
        (folder / "cache").mkdir(0o700)

    return Subject((keep,), (REFUSED, WHOLE), lambda folder: _filled(folder / "cache" / "demo"), prepare)


def exported() -> Subject:
    """The folder of an exported page."""

    def export_page(folder: Path) -> None:
        with atomic_folder(folder / "pages" / "page") as scratch:
            _fill(scratch)

    return Subject((export_page,), (REFUSED, WHOLE), lambda folder: _filled(folder / "pages" / "page"))


def heads(base: Path) -> Subject:
    """A trained head on the stored embeddings of `training_common`, and another one in its place."""
    stored(base)
    shape = HeadShape(TRAINED, 3)

    def write(value: float) -> Callable[[Path], object]:
        def step(folder: Path) -> None:
            head = Head(shape)
            head.load_state_dict({name: torch.full_like(held, value) for name, held in head.state_dict().items()})
            write_head(folder / "heads" / "mine", head, {"geometry": "euclidean"}, [{"step": 1}], overwrite=True)

        return step

    def see(folder: Path) -> Hashable:
        model = cast(HeadModel, adapters.load(f"head:{folder / 'heads' / 'mine'}@npz:{base}"))
        return frozenset(value for each in model.head.state_dict().values() for value in each.flatten().tolist())

    return Subject((write(1.0), write(2.0)), (REFUSED, frozenset([1.0]), frozenset([2.0])), see)


def built(inputs: Path) -> Subject:
    """Chains of twelve captions, and then of others in the same folder."""
    tables = []
    for number, name in enumerate(("first.csv", "second.csv")):
        lines = (f"a {colour} dog runs {number},http://x/{place}.jpg" for place, colour in enumerate(COLOURS))
        tables.append(inputs / name)
        tables[-1].write_text("\n".join(["caption,image_url", *lines, "two words,"]) + "\n")

    plan = BuildPlan(backend="toy", judge="toy", shard_rows=7, test_fraction=0.4)

    def build(table: Path) -> Callable[[Path], object]:
        return lambda folder: construction.build(table, folder / "chains", plan, overwrite=True)

    def see(folder: Path) -> frozenset[tuple[str, str]]:
        place = folder / "chains"
        if not (place / "card.json").exists():
            raise InputError("there is no card: the folder is not whole.")
        datasets.load(f"chains:{place}", "test")
        return _bytes(place)

    undisturbed = []
    for number, table in enumerate(tables):
        build(table)(inputs / f"whole-{number}")
        undisturbed.append(see(inputs / f"whole-{number}"))
    first, second = undisturbed
    steps = build(tables[0]), build(tables[1])
    return Subject(steps, (REFUSED, first, second), see, between=(REFUSED,))


COLOURS = ("red", "blue", "grey", "green", "white", "black", "brown", "pink", "gold", "teal", "plum", "lime")


def _bytes(folder: Path) -> frozenset[tuple[str, str]]:
    """The files in a folder of chains, without what tells how long it took."""
    return frozenset(
        (path.name, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".")
    )


def embedded() -> Subject:
    """The embeddings of a few texts in one file, three at a time."""
    texts = [f"text {number}" for number in range(8)]
    rows = tuple(Row(number, (texts[2 * number], texts[2 * number + 1])) for number in range(4))
    hierarchy, model = Hierarchy("made", "test", rows), HashModel()

    def see(folder: Path) -> Hashable:
        held = adapters.load(f"npz:{folder / 'out' / 'a.npz'}")
        return _rounded(held.encode_text(texts))

    def run(folder: Path) -> None:
        adapters.embed(model, hierarchy, folder / "out" / "a.npz", batch_size=3)

    return Subject((run,), (REFUSED, _rounded(model.encode_text(texts))), see)


def _rounded(rows: Tensor) -> Hashable:
    return tuple(tuple(round(value, 4) for value in row) for row in rows.tolist())


def sharded(inputs: Path) -> Subject:
    """An index of two files of captions, one of which has a row that is set aside."""
    texts = ([f"one {number}" for number in range(30)], [f"two {number}" for number in range(20)] + ["NAN"])
    for name, held in zip(("a.txt", "b.txt"), texts, strict=True):
        (inputs / name).write_text("\n".join(held) + "\n")
    model = Quick()

    def see(folder: Path) -> Hashable:
        items = _items(search.open(folder / "index", model=model))
        return frozenset(text for _, text in items) or REFUSED

    def run(folder: Path) -> None:
        assert embed(inputs, folder / "index", model).finished
        assert sorted(path.name for path in (folder / "index" / "inputs").glob("[0-9]*.json")) == RECORDS
        assert (folder / "index" / "poisoned" / "00001.jsonl").exists()

    whole = frozenset(texts[0]) | frozenset(texts[1][:-1])
    return Subject((run,), (REFUSED, whole), see, between=(frozenset(texts[0]), frozenset(texts[1][:-1])))


RECORDS = ["000000.json", "000001.json"]
