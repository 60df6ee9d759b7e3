"""Running a suite: cells one after another, each in a file of its own, by any number of workers on one folder.

What goes wrong in a cell is a reason in its file, and the others go on.
"""

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from hiergeo._core.devices import resolve_device
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError, described, warn
from hiergeo._core.jobs import Share, cluster
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.progress import track
from hiergeo._core.storage import documents
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.files import sha256 as file_sha256
from hiergeo._core.storage.locks import FOREVER, locked
from hiergeo._core.version import __version__
from hiergeo.adapters import Model
from hiergeo.evaluation.benchmarks import Benchmark, measure
from hiergeo.geometry import Space
from hiergeo.training.suite.cells import FOLDER, Cell, Place, TaskFacts, read_cell
from hiergeo.training.suite.leaderboard import PLAN, Leaderboard, read
from hiergeo.training.suite.models import Loaded, load_model
from hiergeo.training.suite.plan import BenchmarkEntry, SuitePlan, of_table, read_plan

OPTIONAL = " (optional = true in the plan leaves out a model that is not here)"


def share_of(worker: Share, cells: Sequence[Place]) -> Sequence[Place]:
    """The cells of a worker: neighbours, so that few workers need the same model; each cell is of exactly one."""
    start, end = (len(cells) * part // worker.total for part in (worker.number, worker.number + 1))
    return cells[start:end]


@torch_defaults()
def run(
    plan: SuitePlan | Path | str,
    out: Path | str,
    *,
    overwrite: bool = False,
    worker: str | None = None,
    ray: bool = False,
    progress: bool = False,
) -> Leaderboard:
    """Measure every model of a plan in each of its spaces on every benchmark, and read the table.

    Every cell is one JSON file, written when it is measured. What goes wrong in a cell is a reason in its file; the
    others go on. Finished cells whose model, space, benchmark and settings are the same are kept.

    Args:
        plan: a plan, its TOML file, or the name of one that is shipped: ``demo``, ``paper``.
        out: the folder of cells, cached embeddings and trained models; other machines can share it.
        overwrite: measure finished cells of another plan again, instead of refusing the folder.
        worker: ``I/N`` measures part I of N of the cells, ``auto`` asks Slurm, torchrun or Kubernetes; None is all.
        ray: spread the cells over a cluster of Ray (extra ``ray``).
        progress: draw a bar for work that outlasts a second.

    Raises:
        InputError: the plan cannot be used, or `out` holds finished cells of which it says something else.
        UnavailableError: `out` cannot be written.
    """
    plan = plan if isinstance(plan, SuitePlan) else read_plan(plan)
    who = Share.parse(worker)
    out = path_of(out)
    plan.check()
    if ray and who.total > 1:
        raise InputError("a cluster takes all cells of a suite: give a worker or Ray, not both.")
    cells = share_of(who, plan.cells)
    _claim(plan, out, overwrite)
    if ray:
        _spread(plan, out, cells, overwrite=overwrite, progress=progress)
    else:
        runner = Runner(plan, out, overwrite=overwrite)
        for place in track(cells, "measuring cells", enabled=progress, note=lambda: runner.doing):
            runner.run(place)
    return read(out)


def _claim(plan: SuitePlan, out: Path, overwrite: bool) -> None:
    """Write the plan into the folder of a suite.

    Raises:
        InputError: the folder holds finished cells of another plan that would be replaced, and may not be.
    """
    with locked(out / PLAN, FOREVER):
        found = () if overwrite else ((place, _finished(out, place)) for place in plan.cells)
        lost = [place for place, cell in found if cell is not None and cell.asked != plan.asked(place)]
        if lost:
            raise InputError(
                f"{out} holds {len(lost)} cells of another plan that this one would measure again: replace them "
                "(--overwrite), or choose another folder."
            )
        documents.write(out / PLAN, {"plan": plan.as_table()})


def _finished(out: Path, place: Place) -> Cell | None:
    """The finished cell; None where there is none, or its file is damaged."""
    try:
        cell = read_cell(out, place)
    except InputError as error:
        warn(f"a cell cannot be read and is measured again: {error}")
        return None
    return cell if cell is not None and cell.status == "done" else None


class Runner:
    """Measures cells of a plan one after another; the model of the last one is kept.

    Args:
        plan: the plan.
        out: the folder of the suite.
        overwrite: replace finished cells of another plan.

    Attributes:
        doing: what is being measured, in words.
    """

    def __init__(self, plan: SuitePlan, out: Path, *, overwrite: bool) -> None:
        self.plan, self.out, self.overwrite, self.doing = plan, out, overwrite, ""
        self._model: tuple[str, Loaded | Exception] = "", InputError("nothing is loaded yet.")

    def run(self, place: Place) -> None:
        """Measure a cell and write it, unless it is finished; wait for another process that is measuring it.

        Whatever goes wrong in its model or its benchmark is a reason in the cell, and no other cell suffers from it.

        Raises:
            InputError: it is finished by another plan, which was run in the meantime, and may not be replaced.
            UnavailableError: its file cannot be written.
        """
        self.doing = " · ".join(place)
        with locked(self.out / FOLDER / place.file, FOREVER):
            known = _finished(self.out, place)
            if known is not None and known.asked != self.plan.asked(place) and not self.overwrite:
                raise InputError(
                    f"another plan has been run in {self.out} meanwhile and measured {self.doing}: replace its cells "
                    "(--overwrite), or choose another folder."
                )
            cell = self._outcome(place, known)
            if cell is not known:
                documents.write(self.out / FOLDER / place.file, cell.as_dict(), indent=None)

    def _outcome(self, place: Place, known: Cell | None) -> Cell:
        """What becomes of a cell: the finished one that is known, where its work is still the same."""
        entry, model = self.plan.benchmark(place.benchmark), self.plan.model(place.model)
        empty = Cell(place, TaskFacts.of(entry.task), "", "failed", asked=self.plan.asked(place))
        loaded = self._load(place.model)
        if isinstance(loaded, Exception):
            if known is not None and known.asked == empty.asked:
                warn(f"{place.model} cannot be loaded, so its finished cell is kept unchecked: {_reason(loaded)}.")
                return known
            skipped = model.optional and isinstance(loaded, HiergeoError)
            hint = OPTIONAL if isinstance(loaded, UnavailableError) and not skipped else ""
            return empty.without("skipped" if skipped else "failed", _reason(loaded) + hint)
        try:
            return self._cell(replace(empty, protocol=entry.task.protocol), entry, loaded, known)
        except Exception as error:  # of the code of a model or a benchmark as well: this cell fails alone
            missing = entry.optional and isinstance(error, UnavailableError)
            return empty.without("skipped" if missing else "failed", _reason(error))

    def _load(self, name: str) -> Loaded | Exception:
        """Load a model, and so train it where the plan says so; or what went wrong, which its cells tell."""
        if self._model[0] != name:
            self._model = "", InputError("nothing is loaded yet.")  # free the memory of the last one first
            try:
                self._model = name, load_model(self.plan.model(name), self.out, self.plan.device)
            except Exception as error:  # of a model's own code as well: its cells say what it was
                self._model = name, error
        return self._model[1]

    def _cell(self, empty: Cell, entry: BenchmarkEntry, loaded: Loaded, known: Cell | None) -> Cell:
        """The cell: the known one where its work is the same, measured otherwise."""
        plan, task, space = self.plan, entry.task, loaded.space(empty.place.space)
        model, fingerprint, _ = loaded
        work = _work(plan, entry, space, fingerprint)
        if known is not None and known.work == work:
            return known if known.asked == empty.asked else replace(known, asked=empty.asked)
        with suppress(UnavailableError):  # it may be of data that these options do not need
            task.load()
        if unfit := _unfit(task, model, space):
            return empty.without("skipped", unfit)
        start = time.monotonic()
        how = {name: getattr(plan, name) for name in ("seed", "samples", "dtype", "batch_size")}
        result = measure(model, task, space, device=resolve_device(plan.device), **how)
        begun = replace(empty, work=work, status="done", fingerprint=fingerprint)
        return begun.measured(result, time.monotonic() - start)


def _unfit(task: Benchmark, model: Model, space: Space) -> str | None:
    """Why a benchmark does not apply to a model in a space; None where it does."""
    if task.images and not model.has_images:
        return "the model embeds texts only, and the benchmark needs images"
    try:
        space.geometry.parts(model.dim)
        task.check(model, space)
    except InputError as error:
        return _reason(error)
    return None


def _reason(error: Exception) -> str:
    return str(error).rstrip(".") if isinstance(error, HiergeoError) else described(error)


def _work(plan: SuitePlan, entry: BenchmarkEntry, space: Space, fingerprint: str) -> str:
    """The hash of everything that the numbers of a cell depend on; what options name enters by `content_of`."""
    root = None if space.root is None else sha256(space.root.double().cpu().numpy().tobytes()).hexdigest()
    named = {key: content_of(value) for key, value in entry.settled.items() if isinstance(value, str)}
    facts = [
        fingerprint,
        [space.geometry.spec, space.centre, root, space.min_radius],
        [entry.name, entry.settled, entry.task.protocol, named],
        [plan.seed, plan.samples, plan.dtype, __version__],
    ]
    return sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def content_of(option: str) -> str | None:
    """The hash of what an option names: of a file its content, of a folder the names, sizes and times of its files.

    None where it names neither. A folder is named by a path with a separator, such as ``./data``, since bare words,
    such as ``demo``, name datasets.
    """
    try:
        path = Path(option).expanduser()
        if path.is_file():
            stat = path.stat()
            return _file_hash(path, stat.st_size, stat.st_mtime_ns)
        if not (("/" in option or os.sep in option) and path.is_dir()):
            return None
        digest = sha256()
        for file in sorted(each for each in path.rglob("*") if each.is_file()):
            stat = file.stat()
            digest.update(repr((file.relative_to(path).as_posix(), stat.st_size, stat.st_mtime_ns)).encode())
        return digest.hexdigest()
    except (OSError, ValueError, RuntimeError):
        return None


@lru_cache
def _file_hash(path: Path, size: int, modified: int) -> str:
    """The hash of a file, taken again when its size or its time of modification, nanoseconds, are others."""
    return file_sha256(path)


def _spread(plan: SuitePlan, out: Path, cells: Sequence[Place], *, overwrite: bool, progress: bool) -> None:
    """Measure cells by Ray tasks, one for each model and benchmark.

    The first task of a model trains it; where there are such models, those tasks are done before any other starts.

    Each task asks for a GPU where the cluster has some and the plan's device is not the CPU. Every machine needs the
    suite's folder, at the same path.

    Raises:
        UnavailableError: Ray is not installed.
    """
    with cluster(plan.device) as (ray, _, gpus):
        task = ray.remote(num_cpus=1, num_gpus=int(gpus > 0))(_task)
        suite = plan.as_table(), str(out.resolve()), overwrite
        groups = [list(group) for _, group in groupby(cells, lambda cell: (cell.model, cell.benchmark))]
        first = {group[0].model: group for group in reversed(groups) if plan.model(group[0].model).train is not None}
        others = [group for group in groups if group is not first.get(group[0].model)]
        for wave in ([*first.values()], others):
            left = [task.remote(*suite, [tuple(cell) for cell in group]) for group in wave]
            for _ in track(list(left), "measuring cells", enabled=progress):
                done, left = ray.wait(left, num_returns=1)
                ray.get(done)


def _task(table: dict[str, Any], out: str, overwrite: bool, cells: list[tuple[str, str, str]]) -> None:
    """What a task of Ray does."""
    runner = Runner(of_table(table), Path(out), overwrite=overwrite)
    for cell in cells:
        runner.run(Place(*cell))
