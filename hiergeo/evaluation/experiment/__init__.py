"""Experiments: runs of models in spaces with seeds on a dataset, their board, and how they differ.

Comparisons, studies and suites compute these once; pages, tables and plots render them.
"""

from hiergeo.evaluation.answers import Conclusion
from hiergeo.evaluation.experiment.board import Board, Caution
from hiergeo.evaluation.experiment.contrasts import ALPHA, FLAT_BEND, BeforeAfter, Contrast, Run, SpaceFacts

__all__ = [
    "Board",
    "Contrast",
]
