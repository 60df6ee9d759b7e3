"""The backward pass of each operator: what it keeps, and how gradients of the output become those of the operands.

Only operands are kept for a backward pass, which is an operator of its own and recomputes pairs; sums of all energies
also keep the gradients that were formed with them. Memory is O((N + M) D) beside the gradient that comes from above.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from hiergeo._core.numerics import pair_dtype, saturated
from hiergeo.pairwise.interface import REGISTRY
from hiergeo.pairwise.quantity import named, of_factors
from hiergeo.pairwise.transforms import CURVATURE, NOTHING, Derivative

APERTURE = 5
"""Position of the aperture among the operands, after the curvature."""

OWN = 9
"""Position of what follows the operands that all operators on the pairs of one space share."""

Gradients = tuple[Tensor | None, ...]


def _keep_pairs(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:OWN])
    ctx.quantity, *ctx.rest = inputs[OWN:]


def _pull_pairs(ctx: Any, upstream: Tensor) -> Gradients:
    operands = ctx.saved_tensors
    gradients = REGISTRY["pair_backward"](*operands, upstream, ctx.quantity, ctx.needs_input_grad[1 + CURVATURE])
    return *_wanted(ctx, operands, gradients), *NOTHING, None, *(None for _ in ctx.rest)


PAIRS = Derivative(_keep_pairs, _pull_pairs)
"""That of stored results."""


def _keep_products(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *operands, exact, ctx.quantity, _ = inputs
    ctx.sizes = [len(parts) for parts in (*operands, exact)]
    ctx.save_for_backward(*(part for parts in (*operands, exact) for part in parts))


def _pull_products(ctx: Any, upstream: Tensor) -> Gradients:
    flat, count, conic = list(ctx.saved_tensors), ctx.sizes[0], bool(ctx.sizes[APERTURE])
    leading = CURVATURE + 1 + conic
    factors = []
    for f in range(count):
        points = flat[f : leading * count : count]
        exact = flat[leading * count + f :: count] or NOTHING
        factors.append([*points, *([] if conic else [None]), *exact])
    values = [REGISTRY["pair_store"](*operands, ctx.quantity, None) for operands in factors]
    weights = of_factors(named(ctx.quantity), values, upstream.to(values[0].dtype))
    gradients = []
    by_curvature = any(ctx.needs_input_grad[1 + CURVATURE * count : 1 + (CURVATURE + 1) * count])
    for operands, weight in zip(factors, weights, strict=True):
        by_operand = REGISTRY["pair_backward"](*operands, weight, ctx.quantity, by_curvature)
        gradients.append([*by_operand[:CURVATURE], by_operand[CURVATURE].sum(), by_operand[APERTURE]][:leading])
    ordered = [by_factor[index] for index in range(leading) for by_factor in gradients]
    shaped = [saturated(gradient, operand.dtype) for gradient, operand in zip(ordered, flat, strict=False)]
    return *shaped, *(None for _ in flat[leading * count :]), None, None


PRODUCTS = Derivative(_keep_products, _pull_products)
"""That of stored results in a product of spaces."""


def _keep_rows(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _, *opening = output
    *points, ctx.quantity = inputs
    ctx.mark_non_differentiable(*opening)
    ctx.save_for_backward(*points, *opening)


def _pull_rows(ctx: Any, upstream: Tensor, *_: Tensor) -> Gradients:
    *points, versine, coversine = ctx.saved_tensors
    gradients = REGISTRY["row_backward"](*points, upstream, ctx.quantity, versine, coversine)
    return *_wanted(ctx, points[:APERTURE], gradients), *NOTHING, None


ROWS = Derivative(_keep_rows, _pull_rows)
"""That of a law row by row."""


def _keep_sums(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _pull_sums(ctx: Any, upstream: Tensor) -> Gradients:
    operands = ctx.saved_tensors
    ux, _, uy, ry, *_ = operands
    row = upstream.to(pair_dtype(ux, uy)).unsqueeze(-1)
    row, by_curvature = row.expand(*upstream.shape, ry.shape[-1]), ctx.needs_input_grad[1 + CURVATURE]
    gradients = REGISTRY["pair_backward"](*operands, row, "energy", by_curvature)
    return *_wanted(ctx, operands, gradients), *NOTHING


SUMS = Derivative(_keep_sums, _pull_sums)
"""That of sums of energies over y: as of stored energies with an equal `upstream` along a row."""


def _keep_total(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _, *formed = output
    *operands, ctx.margin, gradients = inputs
    ctx.mark_non_differentiable(*formed)
    ctx.save_for_backward(*operands, *(formed if gradients else ()))


def _pull_total(ctx: Any, upstream: Tensor, *_: Tensor) -> Gradients:
    saved = ctx.saved_tensors
    operands, formed = saved[:OWN], saved[OWN:]
    gradients = REGISTRY["energy_total_backward"](*operands, ctx.margin, upstream, list(formed))
    return *_wanted(ctx, operands, gradients), *NOTHING, None, None


TOTAL = Derivative(_keep_total, _pull_total)
"""That of the sum of all energies: gradients that were formed with it, or are formed now, times a number."""


def _keep_least(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(*inputs, *output)


def _pull_least(ctx: Any, upstream: Tensor, _: Tensor) -> Gradients:
    *operands, values, indices = ctx.saved_tensors
    ux, rx, uy, ry, curvature, _, vx, vy, origin = operands
    weight = torch.where(values > 0, upstream, 0.0)
    index = indices.clamp_min(0)
    along = index.unsqueeze(-1).expand_as(ux)
    nearest = uy.gather(-2, along), ry.gather(-1, index)
    exact = vx, None if vy is None else vy.gather(-2, along), origin
    points = ux, rx, *nearest, curvature, *exact
    by_ux, by_rx, by_uy, by_ry, by_k = REGISTRY["row_backward"](*points, weight, "exterior_angle", None, None)
    scattered = (
        torch.zeros_like(uy).scatter_add(-2, along, by_uy),
        torch.zeros_like(ry).scatter_add(-1, index, by_ry),
    )
    return *_wanted(ctx, operands, (by_ux, by_rx, *scattered, by_k, -weight)), *NOTHING


LEAST = Derivative(_keep_least, _pull_least)
"""That of the least energy: as of each x with the one y that reached it."""


def _keep_contrast(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *points, _, exact, scale, bias, labels_x, labels_y, squared, reduction, quantity = inputs
    ctx.settings, ctx.factors = (squared, reduction, quantity), len(points[0])
    flat = [part for parts in points for part in parts]
    ctx.save_for_backward(scale, bias, labels_x, labels_y, *output[:2], *flat, *exact)


def _pull_contrast(ctx: Any, *upstream: Tensor) -> Gradients:
    scale, bias, labels_x, labels_y, rows, columns, *flat = ctx.saved_tensors
    count = ctx.factors
    points = [list(flat[index * count : (index + 1) * count]) for index in range(CURVATURE + 1)]
    exact, logits = list(flat[(CURVATURE + 1) * count :]), (scale, bias, labels_x, labels_y)
    backward = REGISTRY["pair_contrast_backward"]
    by_curvature = any(ctx.needs_input_grad[1 + CURVATURE * count : 1 + (CURVATURE + 1) * count])
    operands = *points, [], exact, rows, columns, list(upstream), *logits, *ctx.settings
    *pulled, by_scale, by_bias = backward(*operands, by_curvature)
    by_points = [pulled[index :: CURVATURE + 1] for index in range(CURVATURE + 1)]
    by_points[CURVATURE] = [gradient.sum() for gradient in by_points[CURVATURE]]
    gradients = [
        saturated(gradient, operand.dtype)
        for gradient, operand in zip((part for parts in by_points for part in parts), flat, strict=False)
    ]
    numbers = saturated(by_scale, scale.dtype), saturated(by_bias, bias.dtype)
    return *gradients, *(None for _ in exact), *numbers, None, None, *(None for _ in ctx.settings)


CONTRAST = Derivative(_keep_contrast, _pull_contrast)
"""That of reduced logits of every pair, by the points of each factor, scale and bias."""


def _keep_widening(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.narrow = inputs[0].dtype


def _pull_widening(ctx: Any, upstream: Tensor) -> Gradients:
    return saturated(upstream, ctx.narrow), None


WIDENING = Derivative(_keep_widening, _pull_widening)
"""That of a wider dtype: gradients are brought into the range of the narrower one."""


def _wanted(ctx: Any, operands: Iterable[Tensor], gradients: Sequence[Tensor]) -> Gradients:
    """Gradients in the dtypes of the operands that need one; those by the curvature summed over the batch.

    `operands` are saved tensors of `ctx`, which checkpoints allow a backward pass to read only once.
    """
    needed = ctx.needs_input_grad[1:]
    shaped = [*gradients[:CURVATURE], gradients[CURVATURE].sum(), *gradients[APERTURE:]]
    wanted: list[Tensor | None] = []
    for gradient, operand, is_needed in zip(shaped, operands, needed, strict=False):
        wanted.append(saturated(gradient, operand.dtype) if is_needed else None)
    return tuple(wanted)
