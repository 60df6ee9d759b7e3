"""Running a suite: cells one after another, each in a file of its own, by any number of workers on one folder.

What goes wrong in a cell is a reason in its file, and the others go on.
"""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from hiergeo import adapters, datasets
from hiergeo._core.devices import resolve_device
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError, described, warn
from hiergeo._core.jobs import Share, intact, under_locks
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.progress import track
from hiergeo._core.storage import documents
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.locks import FOREVER, locked
from hiergeo._core.version import __version__
from hiergeo.adapters import Model
from hiergeo.adapters.store import cached
from hiergeo.evaluation.benchmarks import measure
from hiergeo.evaluation.measuring import check_readable
from hiergeo.geometry import Space, parse
from hiergeo.training import HeadModel, TowerRecipe, fine_tune, from_hierarchy
from hiergeo.training.saving import trained_once
from hiergeo.training.suite.cells import FOLDER, Cell, Place, read_cell
from hiergeo.training.suite.leaderboard import PLAN, Leaderboard, read
from hiergeo.training.suite.plan import NATIVE, BenchmarkEntry, ModelEntry, SuitePlan, Training, read_plan

CACHE, TRAINED = "cache", "models"
"""Folders of embeddings and of trained models in that of a suite."""


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
        progress: draw a bar for work that outlasts a second.

    Raises:
        InputError: the plan cannot be used, or `out` holds finished cells of which it says something else.
        UnavailableError: `out` cannot be written.
    """
    plan = plan if isinstance(plan, SuitePlan) else read_plan(plan)
    worker_share = Share.parse(worker)
    out = path_of(out)
    plan.check()
    cells = share_of(worker_share, plan.cells)
    runner = Runner(plan, out, overwrite=overwrite)
    runner.claim()
    done = under_locks(cells, runner.path, runner.run)
    for _ in track(done, "measuring cells", enabled=progress, total=len(cells), note=lambda: runner.doing):
        pass
    return read(out)


class Loaded(NamedTuple):
    """A model of a suite with cached embeddings, its fingerprint and its native space."""

    model: Model
    fingerprint: str
    native: Space

    def space(self, spec: str) -> Space:
        """The space of a spec, or of ``native``."""
        return self.native if spec == NATIVE else Space(spec)


class Runner:
    """Measures cells of a plan into the folder of a suite; `doing` is what is being measured, in words."""

    def __init__(self, plan: SuitePlan, out: Path, *, overwrite: bool) -> None:
        self.plan, self.out, self.overwrite, self.doing = plan, out, overwrite, ""
        self._model: tuple[str, Loaded | Exception] = "", InputError("nothing is loaded yet.")

    def path(self, key: Place) -> Path:
        """The file of a cell."""
        return self.out / FOLDER / key.file

    def claim(self) -> None:
        """Write the plan into the folder. Raises InputError where finished cells of another would be replaced."""
        with locked(self.out / PLAN, FOREVER):
            lost = [key for key in self.plan.cells if self._is_protected(key, self._finished(key))]
            if lost:
                raise InputError(
                    f"{self.out} holds {len(lost)} cells of another plan that this one would measure again: replace "
                    "them (--overwrite), or choose another folder."
                )
            documents.write(self.out / PLAN, {"plan": self.plan.as_table()})

    def run(self, key: Place) -> None:
        """Measure a cell and write it, unless it is finished; the caller holds its lock.

        Raises:
            InputError: it is finished by another plan, which was run in the meantime, and may not be replaced.
        """
        self.doing = " · ".join(key)
        finished = self._finished(key)
        if self._is_protected(key, finished):
            raise InputError(
                f"another plan has been run in {self.out} meanwhile and measured {self.doing}: replace its cells "
                "(--overwrite), or choose another folder."
            )
        cell = self._outcome(key, finished)
        if cell is not finished:
            documents.write(self.path(key), cell.as_dict(), indent=None)

    def _finished(self, key: Place) -> Cell | None:
        cell = intact(self.path(key), read_cell)
        return cell if cell is not None and cell.status == "done" else None

    def _is_protected(self, key: Place, finished: Cell | None) -> bool:
        """Whether a finished cell is of another plan and may not be replaced."""
        return finished is not None and finished.plan != self.plan.digest(key) and not self.overwrite

    def _outcome(self, key: Place, finished: Cell | None) -> Cell:
        """What becomes of a cell: the finished one, where its work is still the same."""
        entry, model = self.plan.benchmark(key.benchmark), self.plan.model(key.model)
        empty = Cell(key, "failed", plan=self.plan.digest(key))
        loaded = self._load(key.model)
        if isinstance(loaded, Exception):
            if finished is not None and finished.plan == empty.plan:
                warn(f"{key.model} cannot be loaded, so its finished cell is kept unchecked: {_reason(loaded)}.")
                return finished
            skipped = model.optional and isinstance(loaded, HiergeoError)
            hint = "" if skipped or not isinstance(loaded, UnavailableError) else " (optional = true leaves it out)"
            return empty.without("skipped" if skipped else "failed", _reason(loaded) + hint)
        try:
            return self._cell(replace(empty, protocol=entry.task.protocol), entry, loaded, finished)
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

    def _cell(self, empty: Cell, entry: BenchmarkEntry, loaded: Loaded, finished: Cell | None) -> Cell:
        """The cell: the finished one where its work is the same, measured otherwise."""
        plan, task, model, space = self.plan, entry.task, loaded.model, loaded.space(empty.key.space)
        work = _work(plan, entry, space, loaded.fingerprint)
        if finished is not None and finished.work == work:
            return finished if finished.plan == empty.plan else replace(finished, plan=empty.plan)
        with suppress(UnavailableError):  # it may be of data that these options do not need
            task.load()
        if task.images and not model.has_images:
            return empty.without("skipped", "the model embeds texts only, and the benchmark needs images")
        try:
            check_readable(model, space.geometry)
            task.check(model, space)
        except InputError as error:
            return empty.without("skipped", _reason(error))
        start = time.monotonic()
        how = {name: getattr(plan, name) for name in ("seed", "samples", "dtype", "batch_size")}
        result = measure(model, task, space, device=resolve_device(plan.device), **how)
        begun = replace(empty, work=work, fingerprint=loaded.fingerprint)
        return begun.measured(result, task.metrics, time.monotonic() - start)


def _reason(error: Exception) -> str:
    return str(error).rstrip(".") if isinstance(error, HiergeoError) else described(error)


def _work(plan: SuitePlan, entry: BenchmarkEntry, space: Space, fingerprint: str) -> str:
    """The hash of everything that the numbers of a cell depend on."""
    root = None if space.root is None else sha256(space.root.cpu().double().numpy().tobytes()).hexdigest()
    facts = [
        fingerprint,
        [space.geometry.spec, space.geometry.kind, space.centre, root, space.min_radius],
        [entry.name, entry.settled, entry.task.protocol, entry.contents],
        [plan.seed, plan.samples, plan.dtype, __version__],
    ]
    return sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def load_model(entry: ModelEntry, out: Path, device: str) -> Loaded:
    """Load a model of a plan, after its training into the folder of a suite where that has not been done."""
    model = adapters.load(entry.spec, device=device)
    geometry = getattr(model, "trained_in", None)
    if entry.train is not None:
        model, geometry = _trained(model, entry.train, out, device)
    native = model.native_space() or Space(geometry or "euclidean")
    return Loaded(cached(model, out / CACHE), model.fingerprint(), native)


def _trained(base: Model, train: Training, out: Path, device: str) -> tuple[Model, str]:
    """A model as its training left it, which is done once, and the spec of the geometry that it ended in."""
    geometry = parse(train.geometry)
    hierarchy = datasets.load(train.data, train.split, rows=train.rows)
    if isinstance(recipe := train.recipe, TowerRecipe):
        settings = json.dumps([base.fingerprint(), train.model_dump(), __version__], sort_keys=True, default=str)
        folder = out / TRAINED / f"{train.kind}-{sha256(settings.encode()).hexdigest()[:16]}"
        with locked(folder.with_suffix(".training"), FOREVER):
            tuned = fine_tune(base, hierarchy, folder, geometry, recipe)
            model, diverged = adapters.load(tuned.spec, device=device), tuned.diverged
            learnt = tuned.geometry or geometry
    else:
        chains = from_hierarchy(hierarchy, cached(base, out / CACHE)).to(resolve_device(device))
        trained = trained_once(out / TRAINED, chains, geometry, recipe)
        learnt, diverged = trained.geometry, trained.diverged
        model = HeadModel(base, trained.head, trained_in=learnt.fixed().spec, learnt=learnt.learnt)
    if diverged:
        raise InputError(f"its training diverged: {diverged}.")
    return model, learnt.fixed().spec
