"""How derivatives and `vmap` pass through an operator: it records one level and is called again for those below."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor
from torch._functorch.autograd_function import enable_single_level_autograd_function
from torch.autograd import forward_ad
from torch.autograd.function import _SingleLevelFunction
from torch.library import CustomOpDef

from hiergeo._core.errors import UnavailableError
from hiergeo._core.numerics import no_second_order

CURVATURE = 4
"""Position of the curvature among the operands, after the directions and radii of x and y."""

NOTHING = (None, None, None)
"""The gradients of what directions were rounded from."""

Keep = Callable[[Any, tuple[Any, ...], Any], None]
Derivative = Callable[..., Any]

_KERNELS = torch.library.Library("hiergeo", "IMPL")


def refuse_second_order(operator: CustomOpDef) -> None:
    """Operators that form derivatives have none of their own."""
    derive(operator, lambda *_: None, no_second_order, no_second_order)


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
        derive(operator, lambda *_: None, refuse, refuse)


def derive(operator: CustomOpDef, keep: Keep, pull: Derivative, push: Derivative) -> None:
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


def _in_front(operand: Any, dim: Any, size: int) -> Any:
    """An operand, or each in a list of them, with the mapped dimension first; what is no tensor as it is."""
    if isinstance(operand, list | tuple):
        return [_in_front(part, along, size) for part, along in zip(operand, dim, strict=True)]
    if not isinstance(operand, Tensor):
        return operand
    return operand.expand(size, *operand.shape) if dim is None else operand.movedim(dim, 0)


def _listed(dims: Any) -> list[int | None]:
    return list(dims) if isinstance(dims, list | tuple) else [dims]
