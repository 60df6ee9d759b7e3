"""Cells of a suite spread over a cluster by Ray; every machine needs the suite's folder, at the same path."""

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from hiergeo._core import extras
from hiergeo._core.progress import track
from hiergeo.training.suite.cells import Place
from hiergeo.training.suite.plan import SuitePlan
from hiergeo.training.suite.reading import of_table
from hiergeo.training.suite.runner import Runner


def spread(plan: SuitePlan, out: Path, cells: Sequence[Place], *, progress: bool) -> None:
    """Measure cells by Ray tasks: models are trained first, then every model and benchmark is one task.

    A running cluster is joined (``RAY_ADDRESS``, `ray.init`); where there is none, Ray starts on this machine. Each
    task asks for a GPU where the cluster has some and the plan's device is not the CPU.

    Raises:
        UnavailableError: Ray is not installed.
    """
    ray = _ray()
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False)
    try:
        wanted = {"num_cpus": 1, "num_gpus": int(_has_gpus(ray, plan.device))}
        work = ray.remote(**wanted)(_work)
        table, place = plan.as_table(), str(out.resolve())
        trained = [[each.name] for each in plan.models if each.train is not None]
        _await(ray, [work.remote(table, place, names, []) for names in trained], "training", progress)
        groups = [list(held) for _, held in groupby(cells, lambda cell: (cell.model, cell.benchmark))]
        tasks = [work.remote(table, place, [], [tuple(cell) for cell in held]) for held in groups]
        _await(ray, tasks, "measuring", progress)
    finally:
        if started:
            ray.shutdown()


def _work(table: dict[str, Any], out: str, models: list[str], cells: list[tuple[str, str, str]]) -> None:
    """What a task does: load, and so train, some models, then measure some cells."""
    runner = Runner(of_table(table), Path(out))
    for name in models:
        runner.prepare(name)
    for cell in cells:
        runner.run(Place(*cell))


def _await(ray: Any, tasks: list[Any], label: str, progress: bool) -> None:
    left = list(tasks)
    for _ in track(tasks, label, enabled=progress):
        done, left = ray.wait(left, num_returns=1)
        ray.get(done)


def _has_gpus(ray: Any, device: str) -> bool:
    return device != "cpu" and ray.cluster_resources().get("GPU", 0) > 0


def _ray() -> Any:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    return extras.require("ray", "--ray")
