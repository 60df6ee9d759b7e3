"""Suites: any models in any spaces on any benchmarks, one resumable table with paired intervals."""

from hiergeo.training.suite.cells import Place
from hiergeo.training.suite.leaderboard import Leaderboard, read
from hiergeo.training.suite.plan import (
    SuitePlan,
    parse_plan,
    read_plan,
    shipped_plan,
)
from hiergeo.training.suite.running import run

__all__ = [
    "SuitePlan",
    "parse_plan",
    "read",
    "run",
]
