"""Protocols that tie a model, a dataset and a space to one result."""

from hiergeo.evaluation.comparison import Comparison, compare
from hiergeo.evaluation.embedded import Compute, Embedded, embed
from hiergeo.evaluation.matching import retrieve
from hiergeo.evaluation.measuring import evaluate
from hiergeo.evaluation.protocols import PROTOCOLS, Protocol, View
from hiergeo.evaluation.result import Result

__all__ = [
    "Embedded",
    "Protocol",
    "View",
]
