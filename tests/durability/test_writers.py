"""Killed, on a disk that is full, beside another or over files that are cut short, a writer loses and mixes up nothing.

``HIERGEO_REPETITIONS`` (`make attack`) multiplies how often each is tried.
"""

import os
import platform
import random
import re
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from hiergeo._core.errors import HiergeoError
from tests.durability.processes import (
    Fork,
    counted,
    disk,
    forked,
    killed_after,
    killed_at,
    may_mount,
    mount,
    with_files_of_at_most,
)
from tests.durability.writers import WRITERS, Writer, command, prepare
from tests.search.search_common import shrink_shards

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        platform.system() != "Linux" or "sanitize" in os.environ.get("HIERGEO_KERNELS", ""),
        reason="processes are killed and limited by means of Linux",
    ),
]

REPETITIONS = int(os.environ.get("HIERGEO_REPETITIONS", "1"))
KILLS, SIZES, CUTS, RESUMED = 3 * REPETITIONS, 2 * REPETITIONS, 6 * REPETITIONS, REPETITIONS
SEED = int(os.environ.get("HIERGEO_SEED", "0"))


class Stage:
    """A writer and a folder to run it in, and what an undisturbed run gives.

    Args:
        writer: what is run.
        folder: for everything.
        inputs: what the writers read.
    """

    def __init__(self, writer: Writer, folder: Path, inputs: Path) -> None:
        self.writer, self.inputs = writer, inputs
        self.out, self.begun, self.whole = folder / "out", folder / "begun", folder / "whole"
        self.begun.mkdir()
        for line in writer.before:
            assert forked(partial(command, line, self.begun, inputs)).code == 0
        self.begin()
        self.old = self.result()
        start = time.monotonic()
        end = forked(counted(self.task(), folder / "count"))
        self.seconds = time.monotonic() - start
        assert end.code == 0, end.said
        self.operations = int((folder / "count").read_text())
        self.new = self.result()
        assert self.new is not None
        self.files = listing(self.out)
        shutil.copytree(self.out, self.whole)

    def task(self, *, again: bool = False) -> Callable[[], int]:
        return partial(self.writer.run, self.out, self.inputs, again=again)

    def operation(self, draw: random.Random) -> int:
        """The number of a file operation: any, or one of the last, by which the result is put in its place."""
        first = draw.choice((1, max(1, self.operations - 5)))
        return draw.randint(first, self.operations)

    def begin(self, state: Path | None = None) -> None:
        """Make the folder what it was before the run, or another state."""
        self.out.mkdir(exist_ok=True)
        for path in self.out.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(state or self.begun, self.out, dirs_exist_ok=True)

    def result(self) -> str | None:
        """What the folder holds; None if that is refused."""
        try:
            return self.writer.read(self.out)
        except HiergeoError:
            return None

    def check(self) -> None:
        """Raise AssertionError unless the folder holds the old result or the new one, whole."""
        assert self.result() in (self.old, self.new)

    def finish(self) -> None:
        """Run the writer again: nothing differs from an undisturbed run."""
        if self.writer.once and self.result() == self.new:
            return
        end = forked(self.task(again=True))
        assert end.code == 0, end.said
        assert self.result() == self.new
        assert listing(self.out) == self.files


def listing(folder: Path) -> list[str]:
    """Names in a folder, without the digits of hashes."""
    paths = (path for path in folder.rglob("*") if "readers" not in path.parts)
    return sorted(re.sub(r"[0-9a-f]{12,}", "HASH", str(path.relative_to(folder))) for path in paths)


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".part", ".lock")]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Stage]]:
    """The stage of a writer, which is set once."""
    folder = tmp_path_factory.mktemp("writers")
    with pytest.MonkeyPatch.context() as patch:
        shrink_shards(patch)
        prepare(folder / "inputs")
        stages: dict[str, Stage] = {}

        def stage_of(name: str) -> Stage:
            if name not in stages:
                own = folder / name.replace(" ", "-")
                own.mkdir()
                stages[name] = Stage(WRITERS[name], own, folder / "inputs")
            return stages[name]

        yield stage_of


@pytest.mark.parametrize("name", WRITERS)
def test_killed_it_leaves_the_old_result_or_the_new_and_goes_on_to_the_same(stage, name) -> None:
    scene, draw = stage(name), random.Random(f"{SEED} {name}")
    for _ in range(KILLS):
        scene.begin()
        for death in range(draw.choice((1, 1, 2))):
            task = scene.task(again=death > 0)
            if draw.random() < 0.7:
                task = killed_at(scene.operation(draw), task, opened=draw.random() < 0.5)
            else:
                task = killed_after(draw.uniform(0, scene.seconds), task)
            forked(task).check()
            scene.check()
        scene.finish()


@pytest.mark.parametrize("name", WRITERS)
def test_on_a_full_disk_it_says_so_and_leaves_what_was_there(stage, name) -> None:
    scene, draw = stage(name), random.Random(f"{SEED} {name}")
    for _ in range(SIZES):
        if may_mount():
            full_disk(scene, draw)
        else:
            full_files(scene, draw)


def full_disk(scene: Stage, draw: random.Random) -> None:
    used, needed = (sum(4 + path.stat().st_size // 1024 for path in at.rglob("*")) for at in (scene.begun, scene.whole))
    scene.begin()
    with disk(scene.out, used + draw.randint(4, max(8, needed))):
        scene.begin()
        forked(scene.task()).check()
        scene.check()
        assert leftovers(scene.out) == []
        mount("-o", "remount,size=200m", str(scene.out))
        scene.finish()


def full_files(scene: Stage, draw: random.Random) -> None:
    largest = max(path.stat().st_size for path in scene.whole.rglob("*") if path.is_file())
    scene.begin()
    forked(with_files_of_at_most(draw.randint(0, largest), scene.task())).check()
    scene.check()
    assert leftovers(scene.out) == []
    scene.finish()


@pytest.mark.skipif(not may_mount(), reason="disks are mounted")
@pytest.mark.parametrize("name", WRITERS)
def test_on_a_disk_that_is_read_only_it_says_so_and_changes_nothing(stage, name) -> None:
    scene = stage(name)
    scene.begin()
    with disk(scene.out, 200 << 10):
        scene.begin()
        mount("-o", "remount,ro", str(scene.out))
        end = forked(scene.task())
        end.check()
        assert end.code == 2
        assert scene.result() == scene.old


@pytest.mark.parametrize("name", WRITERS)
def test_of_two_at_once_one_does_it_and_the_other_says_why_not_or_does_it_too(stage, name) -> None:
    scene, draw = stage(name), random.Random(f"{SEED} {name}")
    scene.begin()
    first = Fork(scene.task())
    time.sleep(draw.uniform(0, scene.seconds))
    second = Fork(scene.task(again=True))
    ends = [each.end() for each in (first, second)]
    for end in ends:
        end.check()
    assert not all(end.code for end in ends)
    assert scene.result() == scene.new or name == "index add"


@pytest.mark.parametrize("name", WRITERS)
def test_beside_a_file_that_is_cut_short_nothing_else_is_read_or_made(stage, name) -> None:
    """What is read is refused or unchanged, after a run that was interrupted and goes on too."""
    scene, draw = stage(name), random.Random(f"{SEED} {name}")
    for _ in range(CUTS):
        scene.begin(scene.whole)
        cut = shorten(scene.out, draw)
        assert scene.result() in (None, scene.new), cut
    for _ in range(RESUMED):
        scene.begin()
        forked(killed_at(draw.randint(1, scene.operations), scene.task()))
        cut = shorten(scene.out, draw)
        end = forked(scene.task(again=True))
        end.check()
        assert end.code or scene.result() in (None, scene.new), cut


def shorten(folder: Path, draw: random.Random) -> str:
    """Cut one file short; says which, and where."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    if not paths:
        return ""
    path = draw.choice(paths)
    size = draw.choice((0, draw.randrange(path.stat().st_size), path.stat().st_size - 1))
    os.truncate(path, size)
    return f"{path.relative_to(folder)} at {size}"
