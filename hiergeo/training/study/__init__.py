"""Studies: heads of several geometries trained alike on the same features, with intervals over items and seeds."""

from hiergeo.training.study.design import StudyPlan, StudySettings
from hiergeo.training.study.result import HeadRun, Study, StudyCell
from hiergeo.training.study.running import run_study

__all__ = [
    "StudyPlan",
    "StudySettings",
    "run_study",
]
