"""Suites: any models in any spaces on any benchmarks, one resumable table with paired intervals."""

from hiergeo.adapters.cache import cached
from hiergeo.training.suite.cells import Cell, Place
from hiergeo.training.suite.leaderboard import Leaderboard, read
from hiergeo.training.suite.plan import (
    BenchmarkEntry,
    ModelEntry,
    SuitePlan,
    Training,
    parse_plan,
    read_plan,
    shipped_plan,
)
from hiergeo.training.suite.running import run

__all__ = [
    "BenchmarkEntry",
    "Cell",
    "Leaderboard",
    "ModelEntry",
    "Place",
    "SuitePlan",
    "Training",
    "cached",
    "parse_plan",
    "read",
    "read_plan",
    "run",
    "shipped_plan",
]
