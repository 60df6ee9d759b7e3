"""Measuring single cells of a suite: what goes wrong in one is a reason in its file, and the others go on."""

import json
import os
import time
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from hiergeo._core.devices import resolve_device
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError, described, warn
from hiergeo._core.storage.files import sha256 as file_sha256
from hiergeo._version import __version__
from hiergeo.adapters import Model
from hiergeo.evaluation.benchmarks import Benchmark, measure
from hiergeo.geometry import Space
from hiergeo.training.suite.cells import DONE, FAILED, SKIPPED, Cell, Place, Task, read_cell, write_cell
from hiergeo.training.suite.models import Loaded, load_model
from hiergeo.training.suite.plan import BenchmarkEntry, SuitePlan

OPTIONAL = " (optional = true in the plan leaves out a model that is not here)"


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
        empty = Cell(place, Task.of(entry.task), "", FAILED, asked=self.plan.asked(place))
        loaded = self._loaded(place.model)
        if isinstance(loaded, Exception):
            before = self._finished(place)
            if before is not None and before.asked == empty.asked:
                warn(f"{place.model} cannot be loaded, so its finished cell is kept unchecked: {_told(loaded)}.")
                return before
            if self.plan.model(place.model).optional and isinstance(loaded, HiergeoError):
                return self._kept(empty.without(SKIPPED, _told(loaded)))
            hint = OPTIONAL if isinstance(loaded, UnavailableError) else ""
            return self._kept(empty.without(FAILED, _told(loaded) + hint))
        try:
            empty = replace(empty, protocol=entry.task.protocol)
            space = loaded.space(place.space)
            work = _work(self.plan, entry, space, loaded.model.fingerprint())
            known = self._known(place, work)
            if known is not None:
                return known if known.asked == empty.asked else self._kept(replace(known, asked=empty.asked))
            with suppress(UnavailableError):  # it may be of data that these options do not need
                entry.task.load()
            if unfit := _unfit(entry.task, loaded.model, space):
                return self._kept(empty.without(SKIPPED, unfit))
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
        cell = self._finished(place)
        return cell if cell is not None and cell.work == work else None

    def _finished(self, place: Place) -> Cell | None:
        try:
            cell = read_cell(self.out, place)
        except InputError as error:
            warn(f"a cell is damaged and is measured again: {error}")
            return None
        return cell if cell is not None and cell.status == DONE else None


def _unfit(task: Benchmark, model: Model, space: Space) -> str | None:
    """Why a benchmark does not apply to a model in a space; None where it does."""
    if task.images and not model.has_images:
        return "the model embeds texts only, and the benchmark needs images"
    try:
        space.geometry.parts(model.dim)
        task.check(model, space)
    except InputError as error:
        return _told(error)
    return None


def _told(error: Exception) -> str:
    return str(error).rstrip(".") if isinstance(error, HiergeoError) else described(error)


def _work(plan: SuitePlan, entry: BenchmarkEntry, space: Space, fingerprint: str) -> str:
    """The hash of everything that the numbers of a cell depend on; what options name enters by `content_of`."""
    root = None if space.root is None else sha256(space.root.double().cpu().numpy().tobytes()).hexdigest()
    named = {key: content_of(value) for key, value in entry.settled.items() if isinstance(value, str)}
    told = [
        fingerprint,
        [space.geometry.spec, space.centre, root, space.min_radius],
        [entry.kind, entry.settled, entry.task.protocol, named],
        [plan.seed, plan.samples, plan.dtype, __version__],
    ]
    return sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def content_of(option: str) -> str | None:
    """The hash of what an option names: of a file its content, of a folder the names, sizes and times of its files.

    None where it names neither. A folder is named by a path with a separator, such as ``./data``, since bare words,
    such as ``demo``, name datasets.
    """
    try:
        path = Path(option).expanduser()
        if path.is_file():
            stat = path.stat()
            return _content(path, stat.st_size, stat.st_mtime_ns)
        return _listing(path) if ("/" in option or os.sep in option) and path.is_dir() else None
    except (OSError, ValueError, RuntimeError):
        return None


@lru_cache
def _content(path: Path, size: int, modified: int) -> str:
    """The hash of a file, computed again where its size or its time of modification, nanoseconds, are others."""
    return file_sha256(path)


def _listing(folder: Path) -> str:
    held = sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            stat = path.stat()
            held.update(repr((path.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns)).encode())
    return held.hexdigest()
