"""Derivatives and `vmap` of the operators: how they pass through autograd, `torch.func` and `torch.compile`.

Only operands are kept for a backward pass, which is an operator of its own and recomputes pairs; sums of all energies
also keep the gradients that were formed with them. Memory is O((N + M) D) beside the gradient that comes from above.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch._functorch.autograd_function import enable_single_level_autograd_function
from torch.autograd import forward_ad
from torch.autograd.function import _SingleLevelFunction
from torch.library import CustomOpDef

from hiergeo._core.errors import UnavailableError
from hiergeo._core.numerics import no_second_order, pair_dtype, saturated, widest

OPERATORS = torch.ops.hiergeo

CURVATURE, APERTURE = 4, 5
"""Positions of the curvature and the aperture among the operands, after the directions and radii of x and y."""

EXACT, OWN = 6, 9
"""Positions of what directions were rounded from, which has no derivative since points have it, and of what follows."""

Keep = Callable[[Any, tuple[Any, ...], Any], None]
Derivative = Callable[..., Any]

_KERNELS = torch.library.Library("hiergeo", "IMPL")


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

    _derive(operator, keep, pull, push)


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

    _derive(operator, keep, pull, push)


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

    _derive(operator, keep, pull, push)


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

    _derive(operator, keep, pull, push)


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

    _derive(operator, keep, pull, push)


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

    _derive(operator, keep, pull, push)


def differentiate_widening(operator: CustomOpDef) -> None:
    """Derivatives of a wider dtype: gradients are brought into the range of the narrower one."""

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.narrow, ctx.wide = inputs[0].dtype, output.dtype

    def pull(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        return saturated(upstream, ctx.narrow), None

    def push(ctx: Any, _: list[Any], *tangents: Any) -> Tensor:
        tangent: Tensor = tangents[0].to(ctx.wide)
        return tangent

    _derive(operator, keep, pull, push)
    operator.register_vmap(lambda info, dims, x, dtype: (operator(x, dtype), dims[0]))


def refuse_second_order(operator: CustomOpDef) -> None:
    """Operators that form derivatives have none of their own."""
    _derive(operator, lambda *_: None, no_second_order, no_second_order)


def refuse_derivatives(operator: CustomOpDef) -> None:
    """Operators that search, or write into a tensor that they are given, refuse derivatives rather than drop them."""

    def refuse(*_: object) -> None:
        raise UnavailableError(f"{_name(operator)} has no derivative: detach its operands.")

    def kernel(keys: Any, *inputs: Any) -> Any:
        flat, _ = _flattened(inputs)
        if _is_recorded(flat) or _has_tangent(flat):
            refuse()
        return _below(operator._opoverload, keys, inputs)

    if operator._opoverload._schema.is_mutable:
        _replace_autograd(operator, kernel)
    else:
        _derive(operator, lambda *_: None, refuse, refuse)


def _derive(operator: CustomOpDef, keep: Keep, pull: Derivative, push: Derivative) -> None:
    """Give an operator first derivatives that nest in every transform of `torch.func`.

    `CustomOpDef.register_autograd` is not enough: its backward pass raises inside `torch.func` and it silently drops
    the tangents of forward-mode AD. Like the autograd kernels of torch itself, this one records a single level of
    derivatives and leaves the levels below it to the operator called again.

    Args:
        operator: the operator.
        keep: keeps what the derivatives need, as `setup_context` of `torch.autograd.Function`.
        pull: the backward pass, as `backward` there.
        push: the forward derivative: as `jvp` there, with what was kept, without its tangents, before the tangents.
    """
    overload = operator._opoverload

    class Derived(_SingleLevelFunction):
        @staticmethod
        def forward(ctx: Any, keys: Any, modes: tuple[bool, bool], listed: Any, *flat: Any) -> Any:
            inputs = _nested(listed, flat)
            with torch.set_grad_enabled(modes[0]), forward_ad._set_fwd_grad_enabled(modes[1]):
                output = _below(overload, keys, inputs)
            keep(ctx, inputs, output)
            return output

        @staticmethod
        def backward(ctx: Any, *upstream: Any) -> Any:
            return None, None, None, *pull(ctx, *upstream)

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            kept = [None if x is None else forward_ad.unpack_dual(x, level=0).primal for x in ctx.saved_tensors]
            with forward_ad._set_fwd_grad_enabled(True):  # levels below may have tangents of their own
                return push(ctx, kept, *tangents[3:])

    def kernel(keys: Any, *inputs: Any) -> Any:
        flat, listed = _flattened(inputs)
        if not (_is_recorded(flat) or _has_tangent(flat)):
            return _below(overload, keys, inputs)
        modes = torch.is_grad_enabled(), torch._C._is_fwd_grad_enabled()
        with enable_single_level_autograd_function():
            return cast(Any, Derived).apply(keys, modes, listed, *flat)

    _replace_autograd(operator, kernel)


def _replace_autograd(operator: CustomOpDef, kernel: Callable[..., Any]) -> None:
    """Put `kernel` in the place of the autograd kernel that `custom_op` registered."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch warns once that a kernel is replaced
        name = operator._opoverload._schema.name.split("::")[1]
        _KERNELS.impl(name, kernel, "Autograd", with_keyset=True, allow_override=True)


def _below(overload: Any, keys: Any, inputs: tuple[Any, ...]) -> Any:
    """Call an operator below its autograd kernel."""
    with torch._C._AutoDispatchBelowAutograd():
        return overload.redispatch(keys & torch._C._after_autograd_keyset, *inputs)


def _is_recorded(operands: Iterable[Any]) -> bool:
    """Whether autograd records what is done with these operands, at the current level."""
    return torch.is_grad_enabled() and torch._C._any_requires_grad(*operands)


def _has_tangent(operands: Iterable[Any]) -> bool:
    """Whether an operand carries a tangent of forward-mode AD at the current level."""
    somewhere = forward_ad._current_level >= 0 or torch._C._are_functorch_transforms_active()
    if not (somewhere and torch._C._is_fwd_grad_enabled()):
        return False
    tensors = (x for x in operands if isinstance(x, Tensor) and x.is_floating_point())
    return any(forward_ad.unpack_dual(x, level=0).tangent is not None for x in tensors)


def _flattened(inputs: tuple[Any, ...]) -> tuple[list[Any], list[int | None]]:
    """The inputs with their lists of tensors spread out, and how long each list was (None: no list)."""
    listed = [len(part) if isinstance(part, list | tuple) else None for part in inputs]
    flat = [x for part, size in zip(inputs, listed, strict=True) for x in ([part] if size is None else part)]
    return flat, listed


def _nested(listed: list[int | None], flat: Iterable[Any]) -> tuple[Any, ...]:
    """Inverse of `_flattened`."""
    parts = iter(flat)
    return tuple(next(parts) if size is None else [next(parts) for _ in range(size)] for size in listed)


def map_batches(operator: CustomOpDef) -> None:
    """`vmap` becomes one more leading dimension; curvatures are the same for all.

    Points around several origins are measured on their directions.
    """
    names = [argument.name for argument in operator._opoverload._schema.arguments]

    def rule(info: Any, dims: tuple[Any, ...], *operands: Any) -> tuple[Any, Any]:
        if any(dim is not None for dim in _listed(dims[CURVATURE])):
            raise UnavailableError("vmap over curvatures is not available: loop over them.")
        moved = [
            operand if name in ("curvature", "origin") else _in_front(operand, dim, info.batch_size)
            for name, operand, dim in zip(names, operands, dims, strict=True)
        ]
        if "exact" in names:
            place = names.index("exact")
            count = 2 * len(operands[place]) // 3
            around_one = all(dim is None for dim in _listed(dims[place] or [])[count:])
            moved[place] = [*moved[place][:count], *operands[place][count:]] if around_one else []
        elif dims[names.index("origin")] is not None:
            first = names.index("vx")
            moved[first : first + len(NOTHING)] = NOTHING
        result = operator(*moved)
        return result, 0 if isinstance(result, Tensor) else type(result)(0 for _ in result)

    operator.register_vmap(rule)


def refuse_vmap(operator: CustomOpDef) -> None:
    """`vmap` over an operator without leading dimensions."""

    def rule(info: Any, dims: tuple[int | None, ...], *operands: Any) -> tuple[Any, Any]:
        raise UnavailableError(f"vmap over {_name(operator)} is not available: loop instead.")

    operator.register_vmap(rule)


def _name(operator: CustomOpDef) -> str:
    return operator._opoverload.name()


def _keep(ctx: Any, *tensors: Tensor | None) -> None:
    """Keep tensors for both kinds of derivative."""
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)


NOTHING = (None, None, None)
"""The gradients of what directions were rounded from."""


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


def _in_front(operand: Any, dim: Any, size: int) -> Any:
    """An operand, or each in a list of them, with the mapped dimension first; what is no tensor as it is."""
    if isinstance(operand, list | tuple):
        return [_in_front(part, along, size) for part, along in zip(operand, dim, strict=True)]
    if not isinstance(operand, Tensor):
        return operand
    return operand.expand(size, *operand.shape) if dim is None else operand.movedim(dim, 0)


def _listed(dims: Any) -> list[int | None]:
    return list(dims) if isinstance(dims, list | tuple) else [dims]
