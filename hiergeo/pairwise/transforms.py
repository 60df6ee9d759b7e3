"""Operators of `torch.ops.hiergeo` with first derivatives and `vmap`, by the public interface of torch.

An operator is called through a `torch.autograd.Function`, which `torch.func` nests and `torch.compile` traces. Where an
operator has no derivative, its backward pass refuses rather than dropping the gradient: so do those that form
derivatives (there are no second ones), searches, and results written to a tensor. None has a forward-mode derivative.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor
from torch.library import CustomOpDef, custom_op

from hiergeo._core.errors import UnavailableError
from hiergeo._core.numerics import has_tangent
from hiergeo.pairwise.interface import REGISTRY

CURVATURE = 4
"""Position of the curvature among the operands, after the directions and radii of x and y."""

NOTHING = (None, None, None)
"""The gradients of what directions were rounded from."""

SECOND_ORDER = (
    "second derivatives of angles and distances are not available: leave out create_graph, hessians and the like."
)

FORWARD_MODE = (
    "forward-mode derivatives (jvp, jacfwd, forward_ad) are not available: use backward, torch.func.grad or jacrev."
)


class Derivative(NamedTuple):
    """The backward pass of an operator.

    Attributes:
        keep: stores what it needs: context, operands and output, as `setup_context` of `torch.autograd.Function`.
        pull: the gradients of all operands, lists of tensors spread out: context and gradients of the output.
    """

    keep: Callable[[Any, tuple[Any, ...], Any], None]
    pull: Callable[..., tuple[Any, ...]]


class Operator:
    """An operator of `torch.ops.hiergeo`; calling it records its derivative, and `base` is the bare operator.

    Attributes:
        name: in `torch.ops.hiergeo`.
        base: the operator without a derivative, whose backward pass raises.
        operands: names of the operands.
    """

    def __init__(
        self,
        name: str,
        schema: str,
        compute: Callable[..., Any],
        fake: Callable[..., Any],
        derivative: Derivative | None = None,
        *,
        refusal: str | None = None,
        batches: bool = True,
    ) -> None:
        """Register the operator.

        Args:
            name: of the operator.
            schema: its operands and results, as torch writes them.
            compute: its results.
            fake: their shapes and dtypes, as empty tensors.
            derivative: its backward pass; None if it has none.
            refusal: what the backward pass says instead; None names the operator.
            batches: whether `vmap` becomes a leading dimension; refused otherwise.
        """
        self.name = name
        self.operands = [operand.split()[-1] for operand in schema[1 : schema.index(") ->")].split(", ")]
        self._writes, self._lists, self._batches = "(a!)" in schema, "[]" in schema.split(" ->")[0], batches
        self._refusal = refusal or f"hiergeo::{name} has no derivative: detach its operands."
        self.base: CustomOpDef = custom_op(
            f"hiergeo::{name}", compute, mutates_args=("out",) if self._writes else (), schema=schema
        )
        self.base.register_fake(fake)
        self.base.register_vmap(lambda info, dims, *operands: self._mapped(self.base, info.batch_size, dims, operands))
        if not self._writes:
            self.base.register_autograd(self._refuse)
            self._function = _function(self, derivative or _refused(self._refusal))
        REGISTRY[name] = self

    def __call__(self, *operands: Any) -> Any:
        if self._writes:
            for operand in operands:
                if isinstance(operand, Tensor) and has_tangent(operand):
                    raise UnavailableError(FORWARD_MODE)
                if isinstance(operand, Tensor) and operand.requires_grad and torch.is_grad_enabled():
                    self._refuse()
            return self.base(*operands)
        if torch.compiler.is_compiling():
            from hiergeo.pairwise.compiled import in_graph

            return in_graph(self.name, *operands)
        if not self._lists:
            return self._function.apply(None, *operands)
        return self.recorded(*operands)

    def recorded(self, *operands: Any) -> Any:
        """The results, with their derivative recorded."""
        if not self._lists:
            return self._function.apply(None, *operands)
        sizes = tuple([len(part) if isinstance(part, list | tuple) else None for part in operands])
        return self._function.apply(sizes, *_flattened(operands))

    def _refuse(self, *_: Any) -> NoReturn:
        raise UnavailableError(self._refusal)

    def mapped(self, size: int, dims: Sequence[Any], operands: Sequence[Any]) -> tuple[Any, Any]:
        """The results of a batch of `size` and their mapped dimensions, in the terms of `vmap`."""
        return self._mapped(self, size, dims, operands)

    def _mapped(
        self, operator: Callable[..., Any], size: int, dims: Sequence[Any], operands: Sequence[Any]
    ) -> tuple[Any, Any]:
        if not self._batches:
            raise UnavailableError(f"vmap over hiergeo::{self.name} is not available: loop instead.")
        result = operator(*self._in_front(size, dims, operands))
        return result, 0 if isinstance(result, Tensor) else type(result)(0 for _ in result)

    def _in_front(self, size: int, dims: Sequence[Any], operands: Sequence[Any]) -> list[Any]:
        """The operands with the mapped dimension first; curvatures are the same for all.

        Points around several origins are measured on their directions.
        """
        if "curvature" in self.operands and any(dim is not None for dim in _listed(dims[CURVATURE])):
            raise UnavailableError("vmap over curvatures is not available: loop over them.")
        moved = [
            operand if name in ("curvature", "origin") else _moved(operand, dim, size)
            for name, operand, dim in zip(self.operands, operands, dims, strict=True)
        ]
        if "exact" in self.operands:
            index = self.operands.index("exact")
            count = 2 * len(operands[index]) // 3
            around_one = all(dim is None for dim in _listed(dims[index] or [])[count:])
            moved[index] = [*moved[index][:count], *operands[index][count:]] if around_one else []
        elif "origin" in self.operands and dims[self.operands.index("origin")] is not None:
            first = self.operands.index("vx")
            moved[first : first + len(NOTHING)] = NOTHING
        return moved


def _function(operator: Operator, derivative: Derivative) -> Any:
    """The autograd function of the lengths of the lists among the operands, and of all operands, spread out."""

    class Derived(torch.autograd.Function):
        @staticmethod
        def forward(sizes: tuple[int | None, ...] | None, *flat: Any) -> Any:
            output = operator.base(*(flat if sizes is None else _nested(sizes, flat)))
            return tuple(output) if isinstance(output, list) else output

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            sizes, *flat = inputs
            derivative.keep(ctx, tuple(flat) if sizes is None else _nested(sizes, flat), output)

        @staticmethod
        def backward(ctx: Any, *upstream: Any) -> Any:
            return None, *derivative.pull(ctx, *upstream)

        @staticmethod
        def jvp(*_: Any) -> NoReturn:
            raise UnavailableError(FORWARD_MODE)

        @staticmethod
        def vmap(info: Any, dims: tuple[Any, ...], sizes: tuple[int | None, ...] | None, *flat: Any) -> Any:
            return operator.mapped(info.batch_size, _nested(sizes, dims[1:]), _nested(sizes, flat))

    return Derived


def _refused(reason: str) -> Derivative:
    """A backward pass that raises; in compiled code once it runs, and not where it is traced."""

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*[x if isinstance(x, Tensor) else None for x in _flattened(inputs)])

    def pull(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        given = next(part for part in upstream if part is not None)
        if type(given) is Tensor:
            raise UnavailableError(reason)
        return tuple(
            refuse(operand, given, reason) if wanted else None
            for operand, wanted in zip(ctx.saved_tensors, ctx.needs_input_grad[1:], strict=True)
        )

    return Derivative(keep, pull)


@custom_op("hiergeo::refuse", mutates_args=(), schema="(Tensor like, Tensor upstream, str reason) -> Tensor")
def refuse(*operands: Any) -> Tensor:
    """Raise UnavailableError instead of a gradient of the shape of `like`."""
    raise UnavailableError(operands[2])


@refuse.register_fake
def _(*operands: Any) -> Tensor:
    return torch.empty_like(operands[0])


def _flattened(operands: Iterable[Any]) -> list[Any]:
    """The operands with their lists of tensors spread out."""
    flat: list[Any] = []
    for part in operands:
        if isinstance(part, list | tuple):
            flat.extend(part)
        else:
            flat.append(part)
    return flat


def _nested(sizes: Sequence[int | None] | None, flat: Sequence[Any]) -> tuple[Any, ...]:
    """Inverse of `_flattened`; `sizes` are the lengths of the lists, None where there is no list."""
    if sizes is None:
        return tuple(flat)
    nested: list[Any] = []
    start = 0
    for size in sizes:
        nested.append(flat[start] if size is None else list(flat[start : start + size]))
        start += 1 if size is None else size
    return tuple(nested)


def _moved(operand: Any, dim: Any, size: int) -> Any:
    """An operand, or each in a list of them, with the mapped dimension first; what is no tensor as it is."""
    if isinstance(operand, list | tuple):
        return [_moved(part, along, size) for part, along in zip(operand, dim, strict=True)]
    if not isinstance(operand, Tensor):
        return operand
    return operand.expand(size, *operand.shape) if dim is None else operand.movedim(dim, 0)


def _listed(dims: Any) -> list[int | None]:
    return list(dims) if isinstance(dims, list | tuple) else [dims]
