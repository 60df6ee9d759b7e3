"""Running a suite: cells one after another, each in a file of its own, in any number of processes on one folder."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiergeo._core.errors import InputError, warn
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.progress import track
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Json
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.locks import locked
from hiergeo.training.suite.cells import FOLDER, Place
from hiergeo.training.suite.cluster import spread
from hiergeo.training.suite.plan import SuitePlan
from hiergeo.training.suite.runner import Runner

PLAN = "plan.json"
"""The file of the plan in the folder of a suite."""

MACHINE = frozenset({"device", "batch_size"})
"""Settings of a plan that may differ between the machines that share a folder: numbers are the same up to rounding."""

SHARD = re.compile(r"(\d{1,6})/(\d{1,6})")
HELD = re.compile(r"\.shard-(\d+)-of-(\d+)\.lock")


@dataclass(frozen=True)
class Shard:
    """One part of the cells of a suite.

    Attributes:
        number: which one, from 1.
        total: how many there are.
    """

    number: int
    total: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """A shard as the command line writes it, such as ``2/8``. Raises InputError."""
        found = SHARD.fullmatch(text)
        shard = cls(*map(int, found.groups())) if found else cls(0, 0)
        if not 1 <= shard.number <= shard.total:
            raise InputError(f"a shard is written I/N with 1 <= I <= N, such as 2/8, not '{text}'.")
        return shard

    def of(self, cells: Sequence[Place]) -> Sequence[Place]:
        """Its share: neighbours, so that few shards need the same model; every cell is in exactly one shard."""
        start, end = (len(cells) * part // self.total for part in (self.number - 1, self.number))
        return cells[start:end]


ALL = Shard(1, 1)


@torch_defaults()
def conduct(
    plan: SuitePlan,
    out: Path | str,
    *,
    resume: bool = False,
    shard: Shard = ALL,
    ray: bool = False,
    progress: bool = False,
) -> None:
    """Measure the cells of a plan, or of one shard of it, into a folder; arguments as of `suite.run`."""
    out = path_of(out)
    plan.check()
    if ray and shard != ALL:
        raise InputError("a cluster takes all cells of a suite: give a shard or Ray, not both.")
    cells = shard.of(plan.cells)
    with _sole_runner(out, shard):
        _claim(plan, out, cells, resume)
        if ray:
            spread(plan, out, cells, progress=progress)
            return
        runner = Runner(plan, out)
        for place in track(cells, "measuring", enabled=progress, note=lambda: runner.doing):
            runner.run(place)


@contextmanager
def _sole_runner(out: Path, shard: Shard) -> Iterator[None]:
    """Hold the lock of a shard; refuse shards of another partition that run in the same folder.

    Raises:
        HeldError: the shard, or one that shares cells with it, is being measured by another process.
    """
    with ExitStack() as held:
        held.enter_context(locked(out / _name(shard)))
        for path in out.glob(".shard-*-of-*.lock"):
            found = HELD.fullmatch(path.name)
            if found and int(found[2]) != shard.total:
                with locked(out / _name(Shard(int(found[1]), int(found[2])))):
                    pass
        yield


def _name(shard: Shard) -> str:
    return f"shard-{shard.number}-of-{shard.total}"


def _claim(plan: SuitePlan, out: Path, cells: Sequence[Place], resume: bool) -> None:
    """Write the plan into the folder of a suite, unless it is taken.

    Raises:
        InputError: the folder holds cells of this plan, or another plan, and it is not to be resumed.
    """
    path, table = out / PLAN, plan.as_table()
    try:
        before = read_table(out) if path.exists() else None
    except InputError as error:
        if not resume:
            raise
        warn(f"the plan of the suite is damaged and is written again: {error}")
        before = None
    if not resume:
        begun = [place for place in cells if (out / FOLDER / place.file).exists()]
        if begun or (before is not None and not _same(before, table)):
            what = f"{len(begun)} cells of this suite" if begun else "another suite"
            raise InputError(f"{out} holds {what}: go on with it (--resume), or choose another folder.")
    if before is None or not _same(before, table):
        documents.write(path, {"plan": table})


def _same(before: dict[str, Any], table: dict[str, Any]) -> bool:
    """Whether two plans ask for the same, on whatever machines."""
    one, other = ({key: value for key, value in each.items() if key not in MACHINE} for each in (before, table))
    return one == other


def is_begun(out: Path | str) -> bool:
    """Whether a folder holds a suite to go on with: its plan, or cells."""
    folder = path_of(out)
    return (folder / PLAN).exists() or any((folder / FOLDER).glob("*"))


def read_table(out: Path) -> dict[str, Any]:
    """The plan in the folder of a suite, as a table. Raises InputError where it is missing or damaged."""
    return documents.read(out / PLAN, dict[str, dict[str, Json]], hashed=True)["plan"]
