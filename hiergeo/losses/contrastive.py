"""Contrast by geodesic distance: each x is nearest to its own y, and each y to its own x."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from hiergeo._core.errors import InputError
from hiergeo.geometry import Space
from hiergeo.losses._checks import Reduction, check_embeddings, check_equal_shapes, check_number, check_reduction


def contrastive_loss(
    space: Space, x: Tensor, y: Tensor, temperature: float | Tensor = 0.07, *, reduction: Reduction = "mean"
) -> Tensor:
    """Symmetric InfoNCE with the logits -d(x_i, y_j) / temperature, nats.

    The mean of the cross-entropies of rows and of columns, row i belonging to column i. All distances come from one
    call of `space.pairwise_distance`, so from the native kernels where there are some.

    Args:
        space: where distances are taken.
        x: (N, D).
        y: (N, D), y_i the match of x_i and every other one a negative.
        temperature: > 0, geodesic units; a 0-dim tensor may be learnt (keep it positive, for example as the
            exponential of a parameter).
        reduction: "mean" or "sum" over the N pairs, or "none".

    Returns:
        A 0-dim tensor >= 0, or with "none" (N,), the loss of each pair.

    Raises:
        InputError: shapes that differ or are not (N, D), NaN or Inf, a temperature that is not a positive number.

    Source: Radford et al. (ICML 2021) with the logits of Desai et al., MERU (ICML 2023).
    """
    check_reduction(reduction)
    check_embeddings(x=x, y=y)
    check_equal_shapes(x=x, y=y)
    if x.ndim != 2:
        raise InputError(f"x and y must be (N, D), not shape {tuple(x.shape)}.")
    check_number("temperature", temperature, positive=True)
    logits = -space.pairwise_distance(x, y) / temperature
    match = torch.arange(len(x), device=logits.device)
    return (
        cross_entropy(logits, match, reduction=reduction) + cross_entropy(logits.mT, match, reduction=reduction)
    ) / 2
