"""The derivatives of each operator: what a backward pass keeps, how it pulls gradients and pushes tangents.

Only operands are kept for a backward pass, which is an operator of its own and recomputes pairs; sums of all energies
also keep the gradients that were formed with them. Memory is O((N + M) D) beside the gradient that comes from above.
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.library import CustomOpDef

from hiergeo._core.numerics import pair_dtype, saturated, widest
from hiergeo.pairwise.transforms import CURVATURE, NOTHING, derive

OPERATORS = torch.ops.hiergeo

APERTURE = 5
"""Position of the aperture among the operands, after the curvature."""

EXACT, OWN = 6, 9
"""Positions of what directions were rounded from, which has no derivative since points have it, and of what follows."""


def differentiate_pairs(operator: CustomOpDef) -> None:
    """Derivatives of stored results: operands are points, curvature, aperture, quantity and what has none."""

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _keep(ctx, *inputs[:OWN])
        ctx.quantity, *ctx.rest = inputs[OWN:]
        ctx.dtype = output.dtype

    def pull(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        operands = ctx.saved_tensors
        found = OPERATORS.pair_backward(*operands, upstream, ctx.quantity)
        return *_wanted(ctx, operands, found), *NOTHING, None, *(None for _ in ctx.rest)

    def push(ctx: Any, operands: list[Any], *tangents: Any) -> Tensor:
        along = _tangents(operands[:EXACT], tangents)
        return OPERATORS.pair_forward(*operands, *along, ctx.quantity, None, False).to(ctx.dtype)

    derive(operator, keep, pull, push)


def differentiate_rows(operator: CustomOpDef) -> None:
    """Derivatives row by row: forward they are the gradients of each row times the tangents of its points."""

    def keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        value, *opening = output
        *points, ctx.quantity = inputs
        ctx.mark_non_differentiable(*opening)
        _keep(ctx, *points, *opening)
        ctx.dtype = value.dtype

    def pull(ctx: Any, upstream: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        *points, versine, coversine = ctx.saved_tensors
        found = OPERATORS.row_backward(*points, upstream, ctx.quantity, versine, coversine)
        return *_wanted(ctx, points[:APERTURE], found), *NOTHING, None

    def push(ctx: Any, operands: list[Any], *tangents: Any) -> tuple[Tensor, None, None]:
        *points, versine, coversine = operands
        moved = _row_forward(points, tangents, ctx.quantity, versine, coversine)
        return moved.to(ctx.dtype), None, None

    derive(operator, keep, pull, push)


def differentiate_sum(operator: CustomOpDef) -> None:
    """Derivatives of sums of energies over y: gradients are those of stored energies, `upstream` equal along a row."""

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _keep(ctx, *inputs)

    def pull(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        operands = ctx.saved_tensors
        ux, _, uy, ry, *_ = operands
        row = upstream.to(pair_dtype(ux, uy)).unsqueeze(-1)
        found = OPERATORS.pair_backward(*operands, row.expand(*upstream.shape, ry.shape[-1]), "energy")
        return *_wanted(ctx, operands, found), *NOTHING

    def push(ctx: Any, operands: list[Any], *tangents: Any) -> Tensor:
        return OPERATORS.pair_forward(*operands, *_tangents(operands[:EXACT], tangents), "energy", None, True)

    derive(operator, keep, pull, push)


def differentiate_total(operator: CustomOpDef) -> None:
    """Derivatives of the sum of all energies: gradients that were formed with it, or are formed now, times a number."""

    def keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        _, *found = output
        *operands, ctx.margin, gradients = inputs
        ctx.mark_non_differentiable(*found)
        _keep(ctx, *operands, *(found if gradients else ()))

    def pull(ctx: Any, upstream: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        operands, found = saved[:OWN], saved[OWN:]
        gradients = OPERATORS.energy_total_backward(*operands, ctx.margin, upstream, list(found))
        return *_wanted(ctx, operands, gradients), *NOTHING, None, None

    def push(ctx: Any, operands: list[Any], *tangents: Any) -> tuple[Tensor | None, ...]:
        operands = operands[:OWN]
        along = _tangents(operands[:EXACT], tangents)
        rows = OPERATORS.pair_forward(*operands, *along, "energy", ctx.margin, True)
        return rows.sum(-1), *(None for _ in along)

    derive(operator, keep, pull, push)


def _places(indices: Tensor, ux: Tensor) -> tuple[Tensor, Tensor]:
    """Indices (..., N) into y for gathering radii, and repeated along (..., N, D) for directions; -1 becomes 0."""
    place = indices.clamp_min(0)
    return place, place.unsqueeze(-1).expand_as(ux)


def _paired(exact: Sequence[Tensor | None], rays: Tensor) -> Sequence[Tensor | None]:
    """What directions of x and of those y were rounded from."""
    vx, vy, origin = exact
    return exact if vy is None else (vx, vy.gather(-2, rays), origin)


def differentiate_min(operator: CustomOpDef) -> None:
    """Derivatives of the least energy: those of each x with the one y that reached it."""

    def keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        _keep(ctx, *inputs, *output)

    def pull(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        *operands, values, indices = ctx.saved_tensors
        ux, rx, uy, ry, curvature, _, *exact = operands
        weight = torch.where(values > 0, upstream, 0.0)
        place, rays = _places(indices, ux)
        points = ux, rx, uy.gather(-2, rays), ry.gather(-1, place), curvature, *_paired(exact, rays)
        found = OPERATORS.row_backward(*points, weight, "exterior_angle", None, None)
        by_ux, by_rx, by_uy, by_ry, by_k = found
        scattered = (
            torch.zeros_like(uy).scatter_add(-2, rays, by_uy),
            torch.zeros_like(ry).scatter_add(-1, place, by_ry),
        )
        return *_wanted(ctx, operands, (by_ux, by_rx, *scattered, by_k, -weight)), *NOTHING

    def push(ctx: Any, operands: list[Any], *tangents: Any) -> tuple[Tensor, None]:
        *operands, values, indices = operands
        ux, rx, uy, ry, curvature, _, *exact = operands
        place, rays = _places(indices, ux)
        points = ux, rx, uy.gather(-2, rays), ry.gather(-1, place), curvature, *_paired(exact, rays)
        to_ux, to_rx, to_uy, to_ry, to_k, to_aperture = _tangents(operands[:EXACT], tangents)
        nearest = to_ux, to_rx, to_uy.gather(-2, rays), to_ry.gather(-1, place), to_k
        moved = _row_forward(points, nearest, "exterior_angle", None, None) - to_aperture
        return torch.where(values == 0, 0.0, moved).to(values.dtype), None

    derive(operator, keep, pull, push)


def differentiate_contrast(operator: CustomOpDef) -> None:
    """Derivatives of what logits of every pair are reduced to, by the points of each factor, scale and bias."""

    def keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        *points, _, exact, scale, bias, labels_x, labels_y, squared, reduction, quantity = inputs
        ctx.settings, ctx.factors = (squared, reduction, quantity), len(points[0])
        flat = [part for parts in points for part in parts]
        _keep(ctx, scale, bias, labels_x, labels_y, *output[:2], *flat, *exact)

    def split(ctx: Any, saved: Sequence[Any]) -> tuple[list[list[Tensor]], list[Tensor], list[Any], list[Any]]:
        """Points by operand, what they were rounded from, what the logits take, and what was found."""
        count = ctx.factors
        flat = saved[6:]
        points = [list(flat[place * count : (place + 1) * count]) for place in range(CURVATURE + 1)]
        return points, list(flat[(CURVATURE + 1) * count :]), list(saved[:4]), list(saved[4:6])

    def pull(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        points, exact, logits, found = split(ctx, ctx.saved_tensors)
        pulled = OPERATORS.pair_contrast_backward(*points, [], exact, *found, list(upstream), *logits, *ctx.settings)
        by_points = [pulled[place : -2 : CURVATURE + 1] for place in range(CURVATURE + 1)]
        by_points[CURVATURE] = [gradient.sum() for gradient in by_points[CURVATURE]]
        operands = (*(part for parts in points for part in parts), *logits[:2])
        gradients = (*(part for parts in by_points for part in parts), *pulled[-2:])
        shaped = [saturated(by, operand.dtype) for by, operand in zip(gradients, operands, strict=True)]
        nothing = [None] * (len(exact) + 2 + len(ctx.settings))
        return *shaped[:-2], *nothing[: len(exact)], *shaped[-2:], *nothing[len(exact) :]

    def push(ctx: Any, operands: list[Any], *tangents: Any) -> tuple[Tensor, ...]:
        points, exact, logits, found = split(ctx, operands)
        count, flat = ctx.factors, [part for parts in points for part in parts]
        along = [torch.zeros_like(part) if to is None else to for part, to in zip(flat, tangents, strict=False)]
        by_operand = [along[place * count : (place + 1) * count] for place in range(CURVATURE + 1)]
        batch = points[1][0].shape[:-1]
        by_operand[CURVATURE] = [to.expand(batch) for to in by_operand[CURVATURE]]
        numbers = tangents[len(flat) + len(exact) :][:2]
        scaled = [torch.zeros_like(part) if to is None else to for part, to in zip(logits, numbers, strict=False)]
        moved: tuple[Tensor, ...] = OPERATORS.pair_contrast_forward(
            *points, [], exact, *found, *by_operand, *scaled, *logits, *ctx.settings
        )
        return moved

    derive(operator, keep, pull, push)


def differentiate_widening(operator: CustomOpDef) -> None:
    """Derivatives of a wider dtype: gradients are brought into the range of the narrower one."""

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.narrow, ctx.wide = inputs[0].dtype, output.dtype

    def pull(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        return saturated(upstream, ctx.narrow), None

    def push(ctx: Any, _: list[Any], *tangents: Any) -> Tensor:
        tangent: Tensor = tangents[0].to(ctx.wide)
        return tangent

    derive(operator, keep, pull, push)
    operator.register_vmap(lambda info, dims, x, dtype: (operator(x, dtype), dims[0]))


def _keep(ctx: Any, *tensors: Tensor | None) -> None:
    """Keep tensors for both kinds of derivative."""
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)


def _tangents(operands: Iterable[Tensor | None], tangents: Iterable[Any]) -> list[Any]:
    """A tangent for every operand, 0 where there is none; those of the curvature have the shape of the batch."""
    found: list[Any] = [
        None if operand is None else torch.zeros_like(operand) if tangent is None else tangent
        for operand, tangent in zip(operands, tangents, strict=False)
    ]
    found[CURVATURE] = found[CURVATURE].expand(found[1].shape[:-1])
    return found


def _row_forward(
    points: Iterable[Tensor | None],
    tangents: Iterable[Any],
    quantity: str,
    versine: Tensor | None,
    coversine: Tensor | None,
) -> Tensor:
    """The forward derivative of a law row by row, (...), in the widest float."""
    ux, rx, uy, ry, curvature, *exact = cast(Any, points)
    one = torch.ones_like(rx, dtype=widest(rx.device))
    found = OPERATORS.row_backward(ux, rx, uy, ry, curvature, *exact, one, quantity, versine, coversine)
    moved = torch.zeros_like(one)
    for place, (gradient, tangent) in enumerate(zip(found, tangents, strict=False)):
        if tangent is not None:
            if place == CURVATURE:
                tangent = tangent.reshape((*tangent.shape, *[1] * (one.ndim - tangent.ndim)))
            along = gradient.to(one) * tangent.to(one.dtype)
            moved = moved + (along.sum(-1) if gradient.ndim > one.ndim else along)
    return moved


def _wanted(ctx: Any, operands: Iterable[Tensor], gradients: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:
    """Gradients in the dtypes of the operands that need one; those by the curvature summed over the batch.

    `operands` are saved tensors of `ctx`, which checkpoints allow a backward pass to read only once.
    """
    needed = ctx.needs_input_grad[3:]
    shaped = [*gradients[:CURVATURE], gradients[CURVATURE].sum(), *gradients[APERTURE:]]
    return tuple(
        saturated(gradient, operand.dtype) if wanted else None
        for gradient, operand, wanted in zip(shaped, operands, needed, strict=False)
    )
