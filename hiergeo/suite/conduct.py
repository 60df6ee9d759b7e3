"""Running a suite: cells one after another, each in a file of its own, in any number of processes on one folder."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from hiergeo._devices import resolve_device
from hiergeo._numerics import torch_defaults
from hiergeo._progress import track
from hiergeo._version import __version__
from hiergeo.adapters import Model
from hiergeo.benchmarks import Benchmark, measure
from hiergeo.errors import HiergeoError, InputError, UnavailableError, described, warn
from hiergeo.geometry import Space
from hiergeo.storage import documents
from hiergeo.storage.documents import Anything, Record
from hiergeo.storage.files import path_of
from hiergeo.storage.files import sha256 as file_sha256
from hiergeo.storage.locks import locked
from hiergeo.suite.cells import DONE, FAILED, FOLDER, SKIPPED, Cell, Place, Task, read_cell, write_cell
from hiergeo.suite.models import Loaded, load_model
from hiergeo.suite.plan import BenchmarkEntry, SuitePlan

PLAN = "plan.json"
"""The file of the plan in the folder of a suite."""

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
    """Measure the cells of a plan, or of one shard of it, into a folder; arguments as of `hiergeo.suite.run`."""
    out = path_of(out)
    plan.check()
    if ray and shard != ALL:
        raise InputError("a cluster takes all cells of a suite: give a shard or Ray, not both.")
    cells = shard.of(plan.cells)
    with _sole_runner(out, shard):
        _claim(plan, out, cells, resume)
        if ray:
            from hiergeo.suite.cluster import spread

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
        if begun or (before is not None and before != table):
            what = f"{len(begun)} cells of this suite" if begun else "another suite"
            raise InputError(f"{out} holds {what}: go on with it (--resume), or choose another folder.")
    if before != table:
        documents.write(path, {"plan": table})


def read_table(out: Path) -> dict[str, Any]:
    """The plan in the folder of a suite, as a table. Raises InputError where it is missing or damaged."""
    table: dict[str, Any] = documents.read(out / PLAN, Record({"plan": Record(rest=Anything())}), hashed=True)["plan"]
    return table


class Runner:
    """Measures cells of a plan one after another; the model of the last one is kept.

    Args:
        plan: the plan.
        out: the folder of the suite.

    Attributes:
        doing: what is being measured, in words.
    """

    def __init__(self, plan: SuitePlan, out: Path) -> None:
        self.plan, self.out, self.doing = plan, out, ""
        self._model: tuple[str, Loaded | Exception] | None = None

    def run(self, place: Place) -> Cell:
        """The cell: read where it is finished, measured and written otherwise.

        Whatever goes wrong in its model or its benchmark is a reason in the cell, and no other cell suffers from it.

        Raises:
            UnavailableError: its file cannot be written.
        """
        self.doing = " · ".join(place)
        entry = self.plan.benchmark(place.benchmark)
        empty = Cell(place, Task.of(entry.task), entry.task.protocol, FAILED)
        loaded = self._loaded(place.model)
        if isinstance(loaded, Exception):
            optional = self.plan.model(place.model).optional and isinstance(loaded, UnavailableError)
            return self._kept(empty.without(SKIPPED if optional else FAILED, _told(loaded)))
        if entry.task.images and not loaded.model.has_images:
            return self._kept(empty.without(SKIPPED, "the model embeds texts only, and the benchmark needs images"))
        try:
            space = loaded.space(place.space)
            work = _work(self.plan, entry, space, loaded.model.fingerprint())
            known = self._known(place, work)
            if known is not None:
                return known
            cell = self._measured(replace(empty, work=work), entry.task, loaded.model, space)
        except Exception as error:  # of the code of a model or a benchmark as well: this cell fails alone
            missing = entry.optional and isinstance(error, UnavailableError)
            cell = empty.without(SKIPPED if missing else FAILED, _told(error))
        return self._kept(cell)

    def prepare(self, name: str) -> None:
        """Load a model, and so train it where the plan says so; what goes wrong is told with its cells."""
        self._loaded(name)

    def _loaded(self, name: str) -> Loaded | Exception:
        if self._model is None or self._model[0] != name:
            self._model = None  # free the memory of the last one first
            try:
                made: Loaded | Exception = load_model(self.plan.model(name), self.out, self.plan.device)
            except Exception as error:  # of a model's own code as well: its cells say what it was
                made = error
            self._model = name, made
        return self._model[1]

    def _measured(self, empty: Cell, task: Benchmark, model: Model, space: Space) -> Cell:
        plan, start = self.plan, time.monotonic()
        result = measure(
            model,
            task,
            space,
            seed=plan.seed,
            samples=plan.samples,
            device=resolve_device(plan.device),
            dtype=plan.dtype,
            batch_size=plan.batch_size,
        )
        begun = replace(empty, status=DONE, fingerprint=model.fingerprint())
        return begun.measured(result, time.monotonic() - start)

    def _kept(self, cell: Cell) -> Cell:
        write_cell(self.out, cell)
        return cell

    def _known(self, place: Place, work: str) -> Cell | None:
        """The finished cell of the same work; None where there is none, or its file is damaged."""
        try:
            cell = read_cell(self.out, place)
        except InputError as error:
            warn(f"a cell is damaged and is measured again: {error}")
            return None
        return cell if cell is not None and cell.status == DONE and cell.work == work else None


def _told(error: Exception) -> str:
    return str(error).rstrip(".") if isinstance(error, HiergeoError) else described(error)


def _work(plan: SuitePlan, entry: BenchmarkEntry, space: Space, fingerprint: str) -> str:
    """The hash of everything that the numbers of a cell depend on; files that options name enter with their content."""
    root = None if space.root is None else sha256(space.root.double().cpu().numpy().tobytes()).hexdigest()
    named = {key: _content(value) for key, value in entry.options.items() if isinstance(value, str)}
    told = [
        fingerprint,
        [space.geometry.spec, space.centre, root, space.min_radius],
        [entry.kind, dict(entry.options), entry.task.protocol, named],
        [plan.seed, plan.samples, plan.dtype, __version__],
    ]
    return sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


@lru_cache
def _content(option: str) -> str | None:
    """The hash of the file that an option names; None where it names none."""
    try:
        return file_sha256(path) if (path := Path(option).expanduser()).is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None
