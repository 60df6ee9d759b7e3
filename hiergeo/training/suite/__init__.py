"""Suites: any models in any spaces on any benchmarks, one resumable table with paired intervals."""

from pathlib import Path

from hiergeo.training.suite.cells import Cell, Place
from hiergeo.training.suite.conduct import ALL, Shard, conduct, is_begun
from hiergeo.training.suite.embedding_cache import Cached, cached
from hiergeo.training.suite.leaderboard import Leaderboard, read
from hiergeo.training.suite.plan import BenchmarkEntry, ModelEntry, SuitePlan, Training
from hiergeo.training.suite.reading import parse_plan, read_plan, shipped_plan

__all__ = [
    "BenchmarkEntry",
    "Cached",
    "Cell",
    "Leaderboard",
    "ModelEntry",
    "Place",
    "Shard",
    "SuitePlan",
    "Training",
    "cached",
    "is_begun",
    "parse_plan",
    "read",
    "read_plan",
    "run",
    "shipped_plan",
]


def run(
    plan: SuitePlan | Path | str,
    out: Path | str,
    *,
    resume: bool = False,
    shard: str | tuple[int, int] | None = None,
    ray: bool = False,
    progress: bool = False,
) -> Leaderboard:
    """Measure every model of a plan in each of its spaces on every benchmark, and read the table.

    Every cell is one JSON file, written when it is measured. What goes wrong in a cell is a reason in its file; the
    others go on.

    Args:
        plan: a plan, its TOML file, or the name of one that is shipped: ``demo``, ``paper``.
        out: the folder of cells, cached embeddings and trained models; other machines can share it.
        resume: keep finished cells whose model, space, benchmark and settings are the same, and measure the others.
        shard: part I of N of the cells, ``"2/8"`` or ``(2, 8)``; None is all of them.
        ray: spread the cells over a cluster of Ray (extra ``ray``).
        progress: draw a bar for work that outlasts a second.

    Raises:
        InputError: the plan cannot be used, or `out` holds a suite and is not to be resumed.
        UnavailableError: another process measures the same cells into `out`, or it cannot be written.
    """
    made = plan if isinstance(plan, SuitePlan) else read_plan(plan)
    part = ALL if shard is None else Shard.parse(shard if isinstance(shard, str) else "/".join(map(str, shard)))
    conduct(made, out, resume=resume, shard=part, ray=ray, progress=progress)
    return read(out)
