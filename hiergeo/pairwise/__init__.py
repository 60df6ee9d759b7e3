"""Scores of every pair of two point sets: angles, distances, cone margins, membership, top-k and ladders.

All functions take points in polar form and a signed curvature K and never see a geometry. Points carry leading batch
dimensions unless a function says otherwise; directions may be float64, float32, bfloat16 or float16 (the narrow ones
are computed in float32). A point with NaN or Inf gives NaN in its row and column and is never counted, a member or in
a top-k. Native kernels compute where there are some for the device of the points, plain PyTorch elsewhere
(`kernel_info` says which and why); scores and their gradients work under `torch.compile`, autocast and `torch.vmap`.

Distances, margins and searches also work in products of spaces: where a function takes `Points` and a `Curvature`, give
one `Polar` and one number, or a sequence of each with an entry for every factor. Distances of the factors combine by
`combine`, margins by their minimum.
"""

from hiergeo.pairwise.logits import Contrast
from hiergeo.pairwise.quantity import combined, half_aperture, least
from hiergeo.pairwise.resolver import check_kernels, kernel_info
from hiergeo.pairwise.scores import (
    cone_margin,
    contrast,
    distance,
    energy,
    energy_mean,
    energy_min,
    energy_sum,
    energy_total,
    exterior_angle,
    hinge_sum,
    hinge_total,
)
from hiergeo.pairwise.searches import (
    By,
    Members,
    Side,
    cone_count,
    cone_members,
    cone_topk,
    count_within,
    ladder,
    nearest_ladder,
    rank,
    shadowed,
    topk,
)
from hiergeo.pairwise.settings import backend

__all__ = [
    "cone_count",
    "cone_margin",
    "cone_members",
    "cone_topk",
    "contrast",
    "distance",
    "energy",
    "energy_mean",
    "exterior_angle",
    "kernel_info",
    "ladder",
]
