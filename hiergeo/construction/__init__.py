"""Chains of captions, from general to specific and with contradicting negatives, made out of captions of one's own."""

from hiergeo.construction.conduct import Built, NothingLeftError, build
from hiergeo.construction.plan import BuildPlan, read_plan

__all__ = ["BuildPlan", "Built", "NothingLeftError", "build", "read_plan"]
