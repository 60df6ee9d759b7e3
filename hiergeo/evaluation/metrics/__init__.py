"""Metrics: pure functions from arrays to numbers, uncertainty of paired measurements, and the records of metrics."""

from hiergeo.evaluation.metrics.ladders import (
    ladder,
    ladder_metrics,
    ladder_precision_recall,
    ladder_scores,
)
from hiergeo.evaluation.metrics.order import tau_d, tau_d_rows, tied_share
from hiergeo.evaluation.metrics.ranking import (
    CHANCE,
    RankCorrelation,
    Ranking,
    Roc,
    auroc,
    average_precision,
    pep_scores,
    reconstruction,
    similarity_drift,
)
from hiergeo.evaluation.metrics.registry import RADIAL, Metric, find_metric
from hiergeo.evaluation.metrics.resampling import (
    SMALL_SAMPLE,
    Interval,
    SignTest,
    bootstrap_draws,
    bootstrap_mean,
    crossed_draws,
    holm,
    interval_of,
    percentile_interval,
    proportion_interval,
    resamples,
    share_interval,
    sign_test,
    simultaneous_intervals,
)
from hiergeo.evaluation.metrics.taxonomies import taxonomy_scores
from hiergeo.evaluation.metrics.trees import TREE_METRICS, Tree, tree_scores

__all__ = [
    "Metric",
    "auroc",
    "average_precision",
    "find_metric",
    "ladder",
    "ladder_scores",
    "pep_scores",
    "reconstruction",
    "tau_d",
    "taxonomy_scores",
    "tree_scores",
]
