"""Indexes whose writers are killed, find the disk full, or meet each other: nothing acknowledged is lost."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

from hiergeo._core.errors import UnavailableError
from hiergeo._core.storage import archives
from hiergeo.search import layout, snapshots
from hiergeo.search.checking import check
from hiergeo.search.rows import Rows
from hiergeo.search.stores.exact import ExactStore
from tests.attack.kills import before_operation, counted, die, ended, launched, timed, undisturbed
from tests.attack.mishaps import disk, may_mount, mount, sentence
from tests.attack.trial import Attack, Family, Hung, Silent
from tests.attack.verbs import cleared, run
from tests.search.search_common import DIM, embeddings

ROWS = 300
"""Items of the index; a shard holds 64."""

CHANGES: dict[str, tuple[str, ...]] = {
    "build": ("build", "OUT/i", "--embeddings", "INPUTS/first.npz"),
    "append": ("add", "OUT/i", "--embeddings", "INPUTS/second.npz"),
    "delete": ("delete", "OUT/i", *map(str, range(0, ROWS, 2))),
    "compact": ("compact", "OUT/i"),
}


class Scene:
    """One change of an index, what there is before it and what after it.

    Args:
        name: of the change.
        folder: for everything.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.out, self.inputs = name, folder / "out", folder.parent / "inputs"
        self.begun = folder / "begun"
        cleared(self.out)
        if name != "build":
            self._must(*CHANGES["build"])
        if name == "compact":
            self._must(*CHANGES["append"])
            self._must("delete", "OUT/i", *map(str, range(1, ROWS, 3)))
        shutil.copytree(self.out, self.begun)
        self.old = contents(self.out)
        count, start = folder / "count", time.monotonic()
        end = undisturbed(counted(self.deed(), count))
        if end.code:
            raise RuntimeError(f"{name} ends with {end.code}: {end.said[-800:]}")
        self.seconds, self.operations = time.monotonic() - start, int(count.read_text())
        self.new = contents(self.out)

    def deed(self) -> Callable[[], int]:
        return partial(run, self._words(*CHANGES[self.name]), self.out)

    def begin(self) -> None:
        """The index as it is before the change."""
        cleared(self.out)
        shutil.copytree(self.begun, self.out, dirs_exist_ok=True)

    def look(self, done: bool) -> None:
        """Raise `Silent` unless the index is sound, and as it was before the change or after it; if done, after it."""
        found = contents(self.out)
        if found not in (self.old, self.new) or (done and found != self.new):
            raise Silent(f"{self.name}: the index is neither the old nor the new one, or not the one acknowledged")

    def finish(self) -> None:
        """Make the change where it was not made; raise `Silent` unless all is then as without a death."""
        if self.name in ("delete", "compact") or contents(self.out) == self.old:
            self._must(*CHANGES[self.name])
        self.look(done=True)
        folder = self.out / "i"
        with snapshots.writer(folder) as manifest:
            named = {shard.name for shard in manifest.shards}
        there = {path.name for path in (folder / layout.SHARDS).iterdir()}
        strange = [path.name for path in folder.rglob("*") if path.name.endswith(".part")]
        if there != named or strange or (folder / layout.BUILD).exists():
            raise Silent(f"{self.name} leaves files behind: {sorted(there ^ named)[:3]} {strange[:3]}")

    def _must(self, *words: str) -> None:
        end = undisturbed(partial(run, self._words(*words), self.out))
        if end.code:
            raise RuntimeError(f"{words[0]} ends with {end.code}: {end.said[-800:]}")

    def _words(self, *words: str) -> list[str]:
        return ["index", *(word.replace("OUT", str(self.out)).replace("INPUTS", str(self.inputs)) for word in words)]


def contents(out: Path) -> str | None:
    """A digest of the items of an index, whose every byte is checked; None where there is none."""
    folder = out / "i"
    try:
        store = ExactStore(folder)
    except UnavailableError:
        if (folder / layout.MANIFEST).exists():
            raise
        return None
    found = check(folder)
    if found.defects:
        raise Silent(f"the index is damaged: {found.defects[0]}")
    parts = list(store.scan())
    if not parts:
        return ""
    rows = Rows.cat(parts)
    rows = rows.take(rows.ids.argsort())
    digest = hashlib.sha256(json.dumps(list(store.labels(rows.ids).captions)).encode())
    for values in (rows.ids, rows.direction, rows.radii):
        digest.update(values.numpy().tobytes())
    store.close()
    return digest.hexdigest()


def prepared(folder: Path) -> Path:
    """Make what indexes are built from, and shards small; forks of this process have both."""
    import hiergeo.cli.app  # noqa: F401 - for the forks

    layout.BATCH, layout.SHARD_BYTES = 16, 64 * DIM * 2
    inputs = folder / "inputs"
    inputs.mkdir()
    for seed, name in enumerate(("first", "second")):
        captions = np.array([f"{name} {i}" for i in range(ROWS)])
        archives.write(inputs / f"{name}.npz", {"text": embeddings(ROWS, seed=seed).numpy(), "caption": captions})
    return folder


def scenes(folder: Path) -> Callable[[Random], Scene]:
    """Gives one of the changes, each made ready when it first comes."""
    prepared(folder)
    known: dict[str, Scene] = {}

    def scene(random: Random) -> Scene:
        name = random.choice(list(CHANGES))
        if name not in known:
            (folder / name).mkdir()
            known[name] = Scene(name, folder / name)
        known[name].begin()
        return known[name]

    return scene


def deaths(folder: Path) -> Attack:
    """A change that is killed once or twice, before a file operation or after some time, and then made in peace."""
    choose = scenes(folder)

    def attack(random: Random) -> None:
        scene = choose(random)
        for _ in range(random.choice((1, 1, 1, 2))):
            if random.random() < 0.7:
                deed = before_operation(random.randint(1, scene.operations), die, scene.deed())
            else:
                deed = timed(scene.deed(), random.uniform(0.001, scene.seconds))
            end = undisturbed(deed)
            scene.look(done=end.code == 0)
            if contents(scene.out) == scene.new and scene.name in ("build", "append"):
                break
        scene.finish()

    return attack


def full_disks(folder: Path) -> Attack:
    """The disk is full after some kilobytes: one sentence, the index is as before; with room again it is changed."""
    choose = scenes(folder)

    def attack(random: Random) -> None:
        scene = choose(random)
        used = sum(path.stat().st_size + 4096 for path in scene.begun.rglob("*")) // 1024
        room = used + random.choice((4, 16, 32, 64, 96, 128, 192))
        with disk(scene.out, f"size={room}k"):
            try:
                scene.begin()
            except OSError:
                return
            end = undisturbed(scene.deed())
            sentence(end)
            scene.look(done=end.code == 0)
            mount("-o", "remount,size=200m", str(scene.out))
            scene.finish()

    return attack


def writers(folder: Path) -> Attack:
    """Two processes make one change at once: one of them does, the other does it again or says why not."""
    choose = scenes(folder)

    def attack(random: Random) -> None:
        scene = choose(random)
        first = launched(scene.deed())
        time.sleep(random.uniform(0, scene.seconds))
        twice = scene.name == "append"
        second = launched(partial(os._exit, 0) if twice and contents(scene.out) == scene.new else scene.deed())
        ends = [ended(*child, within=120) for child in (first, second)]
        for end in ends:
            if end is None:
                raise Hung("one of two writers does not end")
            sentence(end)
        if all(end is not None and end.code for end in ends):
            raise RuntimeError(f"neither of two writers did it: {ends}")
        if not (twice and all(end is not None and end.code == 0 for end in ends)):
            scene.look(done=True)

    return attack


DEATHS = (Family("killed: index", deaths, patience=400.0, room=None),)

MISHAPS = (
    *((Family("index: full disk", full_disks, patience=400.0, room=None),) if may_mount() else ()),
    Family("index: two writers", writers, patience=400.0, room=None),
)
