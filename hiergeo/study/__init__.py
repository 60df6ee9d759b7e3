"""An honest comparison of geometries: heads trained alike on the same features, with intervals over items and seeds."""

from hiergeo.study.conduct import run_study
from hiergeo.study.plan import Plan
from hiergeo.study.result import Cell, Contrast, Run, Study

__all__ = ["Cell", "Contrast", "Plan", "Run", "Study", "run_study"]
