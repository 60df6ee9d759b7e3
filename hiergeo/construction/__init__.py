"""Chains of captions, from general to specific and with contradicting negatives, made out of captions of one's own."""

from hiergeo.construction.build_plan import BuildPlan, read_plan
from hiergeo.construction.building import NothingLeftError, build
from hiergeo.construction.card import Built
from hiergeo.construction.grading import quality

__all__ = ["BuildPlan", "build", "quality"]
