"""Pure functions from arrays to numbers; nothing here knows of models, spaces or files."""

from hiergeo.metrics.bootstrap import (
    Interval,
    bootstrap_draws,
    bootstrap_mean,
    bootstrap_statistic,
    paired_difference,
    percentile_interval,
    resamples,
)
from hiergeo.metrics.crossed import crossed_draws, simultaneous_intervals
from hiergeo.metrics.drift import Drift, similarity_drift
from hiergeo.metrics.ladders import any_hit, ladder, ladder_precision_recall, ladder_scores
from hiergeo.metrics.order import tau_d, tau_d_rows, tied_share
from hiergeo.metrics.ranking import Ranking, Roc, auroc, average_precision, roc_curve, tie_share
from hiergeo.metrics.reconstruction import Reconstruction, reconstruction
from hiergeo.metrics.retrieval import recall_at, retrieval_hits
from hiergeo.metrics.zero_shot import ZeroShot, accuracies, zero_shot, zero_shot_hits

__all__ = [
    "Drift",
    "Interval",
    "Ranking",
    "Reconstruction",
    "Roc",
    "ZeroShot",
    "accuracies",
    "any_hit",
    "auroc",
    "average_precision",
    "bootstrap_draws",
    "bootstrap_mean",
    "bootstrap_statistic",
    "crossed_draws",
    "ladder",
    "ladder_precision_recall",
    "ladder_scores",
    "paired_difference",
    "percentile_interval",
    "recall_at",
    "reconstruction",
    "resamples",
    "retrieval_hits",
    "roc_curve",
    "similarity_drift",
    "simultaneous_intervals",
    "tau_d",
    "tau_d_rows",
    "tie_share",
    "tied_share",
    "zero_shot",
    "zero_shot_hits",
]
