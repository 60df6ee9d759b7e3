"""Losses of hierarchies in every geometry, for any training loop.

Embeddings are tensors (float64, float32, bfloat16 or float16; the narrow ones are computed in float32), which a `Space`
measures. The result is a 0-dim tensor, or one value a row, with gradients to the embeddings, the root and a learnable
curvature. Values and gradients are finite for any finite input: coincident points, points at the root and antipodes
have the gradient 0. In a product of spaces an exterior angle is the largest over the factors, as its margin is the
smallest.
"""

from hiergeo.losses.chains import radius_order_loss, transitivity_loss
from hiergeo.losses.cones import (
    INTER_MODAL,
    INTRA_MODAL,
    CompositionalLoss,
    Relation,
    adaptive_entailment_loss,
    compositional_entailment_loss,
    entailment_loss,
    max_margin_loss,
)
from hiergeo.losses.contrastive import contrastive_loss, siglip_loss
from hiergeo.losses.curvature import check_curvature, clamp_curvature
from hiergeo.losses.published import hycoclip_loss, uncha_loss
from hiergeo.losses.re import RELoss, batch_hard, batch_hard_over_ranks, prior_loss, re_loss

__all__ = [
    "INTER_MODAL",
    "INTRA_MODAL",
    "RELoss",
    "Relation",
    "adaptive_entailment_loss",
    "batch_hard_over_ranks",
    "clamp_curvature",
    "compositional_entailment_loss",
    "contrastive_loss",
    "entailment_loss",
    "hycoclip_loss",
    "max_margin_loss",
    "radius_order_loss",
    "re_loss",
    "siglip_loss",
    "transitivity_loss",
    "uncha_loss",
]
