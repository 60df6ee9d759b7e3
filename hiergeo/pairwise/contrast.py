"""Contrast of every pair with the others of its row and its column, in O(N + M) memory: InfoNCE and SigLIP."""

from typing import Literal

from torch import Tensor

from hiergeo._core.numerics import scalar, widest
from hiergeo.pairwise import checks, contrast_ops
from hiergeo.pairwise.logits import Contrast, Reduction
from hiergeo.pairwise.operands import Curvature, Points, pairs
from hiergeo.pairwise.operators import call
from hiergeo.pairwise.scores import DISTANCES


def contrast(
    px: Points,
    py: Points,
    curvature: Curvature,
    scale: float | Tensor,
    bias: float | Tensor = 0.0,
    labels: tuple[Tensor, Tensor] | None = None,
    *,
    squared: bool = False,
    reduction: Reduction = "logsumexp",
    combine: Literal["l1", "l2"] = "l2",
) -> Contrast:
    """The logits z = bias - scale d of every pair, reduced over rows and over columns in one sweep, float64.

    Nothing of the size N x M is stored, forward or backward. Gradients reach points, curvatures, scale and bias.

    Args:
        px: x, (..., N).
        py: y, (..., M).
        curvature: signed K; in a product of spaces that of each factor, as points are.
        scale: of distances, inverse geodesic units; a 0-dim tensor may be learnt.
        bias: added to every logit; a 0-dim tensor may be learnt.
        labels: int64 (..., N) and (..., M); pairs of equal ones match. None where the sums of what matches are not
            wanted.
        squared: z = bias - scale d^2 / 2. Of unit vectors in flat space that is bias - scale + scale cos.
        reduction: "logsumexp" of a row and of a column, or the sum of "softplus".
        combine: how distances in the factors of a product become one.

    Returns:
        `rows` (..., N) and `columns` (..., M), and the sums of the logits of matching pairs, `matched_rows` (..., N)
        and `matched_columns` (..., M), 0 without labels. Where nothing is on the other side, -inf of logsumexp.

    Source: the terms of Radford et al. (ICML 2021) and of Zhai et al. (ICCV 2023, eq. 1) with logits of distances.
    """
    checks.check_combine(combine)
    points = pairs(px, py, curvature)
    device = points.x[0].radius.device
    numbers = (scalar(number, device).to(widest(device)).expand(points.batch) for number in (scale, bias))
    shapes = points.frame.rows, points.frame.y[:-1]
    of_x, of_y = (None, None) if labels is None else (side.expand(s) for side, s in zip(labels, shapes, strict=True))
    rest = dict(zip(("scale", "bias"), numbers, strict=True)) | {"labels_x": of_x, "labels_y": of_y}
    quantity = DISTANCES[combine]
    made = contrast_ops.pair_contrast
    return Contrast(*call(made, points, [], **rest, squared=squared, reduction=reduction, quantity=quantity))
