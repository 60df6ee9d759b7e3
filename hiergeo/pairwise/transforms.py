"""How gradients and `vmap` pass through the operators of `hiergeo.pairwise.ops`.

Only operands are kept for a backward pass, which is an operator of its own and recomputes pairs, and for sums of all
energies their gradients: memory is O((N + M) D) beside the gradient that comes from above.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.library import CustomOpDef

from hiergeo._numerics import no_second_order, pair_dtype, saturated
from hiergeo.errors import UnavailableError

OPERATORS = torch.ops.hiergeo

CURVATURE, APERTURE = 4, 5
"""Where operators on pairs take their curvature and their aperture, after the directions and radii of x and y."""


def differentiate_pairs(operator: CustomOpDef) -> None:
    """Gradients of stored results: operands are points, curvature, aperture, quantity and what has no gradient."""

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[: APERTURE + 1])
        ctx.quantity, *ctx.rest = inputs[APERTURE + 1 :]

    def pull(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        operands = ctx.saved_tensors
        found = OPERATORS.pair_backward(*operands, upstream, ctx.quantity)
        return *_wanted(ctx, operands, found), None, *(None for _ in ctx.rest)

    operator.register_autograd(pull, setup_context=keep)


def differentiate_sum(operator: CustomOpDef) -> None:
    """Gradients of sums of energies over y: those of stored energies whose upstream is the same along a row."""

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    def pull(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        operands = ctx.saved_tensors
        ux, _, uy, ry, *_ = operands
        row = upstream.to(pair_dtype(ux, uy)).unsqueeze(-1)
        found = OPERATORS.pair_backward(*operands, row.expand(*upstream.shape, ry.shape[-1]), "energy")
        return _wanted(ctx, operands, found)

    operator.register_autograd(pull, setup_context=keep)


def differentiate_total(operator: CustomOpDef) -> None:
    """Gradients of the sum of all energies: those that were formed beside it, or formed now, times one number."""

    def keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        _, *found = output
        *operands, ctx.margin, gradients = inputs
        ctx.mark_non_differentiable(*found)
        ctx.save_for_backward(*operands, *(found if gradients else ()))

    def pull(ctx: Any, upstream: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        operands, found = saved[: APERTURE + 1], saved[APERTURE + 1 :]
        gradients = OPERATORS.energy_total_backward(*operands, ctx.margin, upstream, list(found))
        return *_wanted(ctx, operands, gradients), None, None

    operator.register_autograd(pull, setup_context=keep)


def differentiate_min(operator: CustomOpDef) -> None:
    """Gradients of the least energy: those of each x with the one y that reached it."""

    def keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*inputs, *output)

    def pull(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        *operands, values, indices = ctx.saved_tensors
        ux, rx, uy, ry, curvature, _ = operands
        weight = torch.where(values > 0, upstream, 0.0)
        place, rays = indices.clamp_min(0), indices.clamp_min(0).unsqueeze(-1).expand_as(ux)
        nearest = uy.gather(-2, rays), ry.gather(-1, place)
        by_ux, by_rx, by_uy, by_ry, by_k = OPERATORS.row_backward(ux, rx, *nearest, curvature, weight, "exterior_angle")
        scattered = (
            torch.zeros_like(uy).scatter_add(-2, rays, by_uy),
            torch.zeros_like(ry).scatter_add(-1, place, by_ry),
        )
        return _wanted(ctx, operands, (by_ux, by_rx, *scattered, by_k, -weight))

    operator.register_autograd(pull, setup_context=keep)


def refuse_second_order(operator: CustomOpDef) -> None:
    """Backward operators have no derivatives of their own."""
    operator.register_autograd(no_second_order)


def map_batches(operator: CustomOpDef) -> None:
    """`vmap` becomes one more leading dimension; curvatures are the same for all."""

    def rule(info: Any, dims: tuple[Any, ...], *operands: Any) -> tuple[Any, Any]:
        if any(dim is not None for dim in _listed(dims[CURVATURE])):
            raise UnavailableError("vmap over curvatures is not available: loop over them.")
        moved = [
            operand if place == CURVATURE else _in_front(operand, dim, info.batch_size)
            for place, (operand, dim) in enumerate(zip(operands, dims, strict=True))
        ]
        result = operator(*moved)
        return result, 0 if isinstance(result, Tensor) else tuple(0 for _ in result)

    operator.register_vmap(rule)


def refuse_vmap(operator: CustomOpDef) -> None:
    """`vmap` over an operator without leading dimensions."""

    def rule(info: Any, dims: tuple[int | None, ...], *operands: Any) -> tuple[Any, Any]:
        raise UnavailableError(f"vmap over {operator._opoverload.name()} is not available: loop instead.")

    operator.register_vmap(rule)


def _wanted(ctx: Any, operands: Sequence[Tensor], gradients: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """Gradients in the dtypes of the operands that need one; those by the curvature summed over the batch.

    `operands` are saved tensors of `ctx`: a backward pass reads those once, as checkpoints demand.
    """
    shaped = [*gradients[:CURVATURE], gradients[CURVATURE].sum(), gradients[APERTURE]]
    return tuple(
        saturated(gradient, operand.dtype) if needed else None
        for gradient, operand, needed in zip(shaped, operands, ctx.needs_input_grad, strict=False)
    )


def _in_front(operand: Any, dim: Any, size: int) -> Any:
    """An operand, or each in a list of them, with the mapped dimension first; what is no tensor as it is."""
    if isinstance(operand, list | tuple):
        return [_in_front(part, along, size) for part, along in zip(operand, dim, strict=True)]
    if not isinstance(operand, Tensor):
        return operand
    return operand.expand(size, *operand.shape) if dim is None else operand.movedim(dim, 0)


def _listed(dims: Any) -> list[int | None]:
    return list(dims) if isinstance(dims, list | tuple) else [dims]
