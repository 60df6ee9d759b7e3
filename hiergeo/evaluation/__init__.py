"""Protocols that tie a model, a dataset and a space to one result."""

from hiergeo.evaluation.comparison import RADIAL, Comparison, compare
from hiergeo.evaluation.evaluate import PROTOCOLS, evaluate
from hiergeo.evaluation.result import Result
from hiergeo.evaluation.zero_shot import classify

__all__ = ["PROTOCOLS", "RADIAL", "Comparison", "Result", "classify", "compare", "evaluate"]
