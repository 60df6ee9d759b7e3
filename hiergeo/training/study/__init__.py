"""Studies: heads of several geometries trained alike on the same features, with intervals over items and seeds."""

from hiergeo.training.study.conduct import run_study
from hiergeo.training.study.plan import Plan, StudySettings
from hiergeo.training.study.result import Cell, HeadRun, Study

__all__ = ["Cell", "HeadRun", "Plan", "Study", "StudySettings", "run_study"]
