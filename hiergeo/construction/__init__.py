"""Chains of captions, from general to specific and with contradicting negatives, made out of captions of one's own."""

from hiergeo.construction.appraisal import Appraisal, appraise, hierarcaps_baselines
from hiergeo.construction.conduct import Built, NothingLeftError, build
from hiergeo.construction.grading import Quality, quality
from hiergeo.construction.plan import BuildPlan, read_plan

__all__ = [
    "Appraisal",
    "BuildPlan",
    "Built",
    "NothingLeftError",
    "Quality",
    "appraise",
    "build",
    "hierarcaps_baselines",
    "quality",
    "read_plan",
]
