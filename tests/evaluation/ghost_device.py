"""A device that is not the CPU but computes there, and refuses whatever a real accelerator would do behind one's back.

`GhostTensor` claims to lie on `GHOST`; its numbers are in an ordinary tensor inside it. While `Ghost` is active, every
operator of torch passes through it, and it refuses

- operators on tensors of both devices, unless the one on the CPU has no dimensions (a number),
- implicit transfers: assignments and indices from the other device, results written to it,
- random numbers that are drawn on the ghost with a generator of the CPU,
- whatever makes Python wait for the device within the chunks of `PlainPairs`,
- float64, where the ghost is among `numerics.WITHOUT_FLOAT64`.

Explicit transfers (``.to``, ``.cpu``) and numbers that are read (``float(x)``, ``.tolist``) are meant.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only, tree_unflatten

import hiergeo
from hiergeo._core import numerics
from hiergeo.pairwise.portable import PlainPairs
from tests.tools.waits import is_waited_for

GHOST = torch.device("privateuseone", 0)
CPU = torch.device("cpu")

COPIES = {"aten::_to_copy"}

PACKAGE = str(Path(hiergeo.__file__).parent)


OPEN: list[PlainPairs] = []
"""The pairs whose chunks are walked at the moment."""


class Mixed(AssertionError):
    """Tensors of two devices met in one operator, or the device was used as it must not be."""


@contextmanager
def as_a_device(without_float64: bool) -> Iterator[None]:
    """What the ghost needs of torch and hiergeo: watched chunks, and no tensors without versions."""
    rows = PlainPairs.rows

    def watched(self: PlainPairs) -> Iterator[slice]:
        OPEN.append(self)
        try:
            yield from rows(self)
        finally:
            OPEN.pop()

    with pytest.MonkeyPatch.context() as patch, Ghost():
        patch.setattr(PlainPairs, "rows", watched)
        for name in ("__enter__", "__exit__"):
            patch.setattr(torch.inference_mode, name, getattr(torch.no_grad, name))
        patch.setattr(torch.get_device_module(GHOST), "get_rng_state", lambda *_: torch.get_rng_state(), raising=False)
        patch.setattr(torch.get_device_module(GHOST), "set_rng_state", lambda *_: None, raising=False)
        if without_float64:
            numerics.WITHOUT_FLOAT64.add(GHOST.type)
        try:
            yield
        finally:
            numerics.WITHOUT_FLOAT64.discard(GHOST.type)


class GhostTensor(Tensor):
    """A tensor on the ghost device."""

    inner: Any

    @staticmethod
    def __new__(cls, inner: Tensor) -> "GhostTensor":
        made = Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=GHOST,
            requires_grad=inner.requires_grad,
        )
        made.inner = inner.detach()
        return made

    def __repr__(self) -> str:  # type: ignore[override]  # torch's takes what it prints
        return f"GhostTensor({self.inner})"

    def tolist(self) -> Any:
        """Numbers of Python, which is a transfer that is spelled out."""
        return self.cpu().tolist()

    __torch_function__: Any = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]  # torch declares an instance method
        return dispatched(func, args, kwargs or {}, None)


class Ghost(TorchDispatchMode):
    """While it is active the ghost device is there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatched(func, args, kwargs or {}, self)


def dispatched(func: Any, args: Any, kwargs: Any, ghost: Ghost | None) -> Any:
    """Run an operator on the numbers inside ghosts, or refuse it."""
    name = func._schema.name
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
        with ghost or nullcontext():
            return func.decompose(*args, **kwargs)
    flat, form = tree_flatten((args, kwargs))
    ghosts = [x for x in flat if isinstance(x, GhostTensor)]
    strangers = [x for x in flat if isinstance(x, Tensor) and not isinstance(x, GhostTensor) and x.ndim > 0]
    wanted = kwargs.get("device")
    lands = (ghosts != []) if wanted is None else torch.device(wanted).type == GHOST.type
    if name not in COPIES and ghosts and strangers:
        raise Mixed(f"{name} of {_words(flat)} in {asker()}")
    if name not in COPIES and ghosts and not lands:
        raise Mixed(f"{name} leaves the ghost for the CPU in {asker()}")
    if not ghosts and not lands:
        return func(*args, **kwargs)
    if OPEN and ((ghosts and not lands) or is_waited_for(func, args, kwargs)):
        raise Mixed(f"{name} makes Python wait within a chunk in {asker()}")
    if name.startswith("hiergeo::"):
        return _own(name, args, kwargs, ghost)
    if kwargs.get("generator") is not None:
        raise Mixed(f"{name} draws on the ghost with a generator of the CPU in {asker()}")
    inside = [x.inner if isinstance(x, GhostTensor) else x for x in flat]
    plain_args, plain_kwargs = tree_unflatten(inside, form)
    if wanted is not None:
        plain_kwargs["device"] = CPU
    found = func(*plain_args, **plain_kwargs)
    if not lands:
        return found
    made = [x for x in tree_flatten(found)[0] if isinstance(x, Tensor)]
    if GHOST.type in numerics.WITHOUT_FLOAT64 and any(x.dtype == torch.float64 for x in made):
        raise Mixed(f"{name} makes float64 of {_words(flat)} in {asker()}")
    return return_and_correct_aliasing(func, args, kwargs, tree_map_only(Tensor, _wrapped, found))


def _own(name: str, args: Any, kwargs: Any, ghost: Ghost | None) -> Any:
    """An operator of hiergeo in Python, run on the ghosts themselves, so that what it does inside is seen too."""
    from torch._library.custom_ops import OPDEFS

    run = OPDEFS[name]._init_fn
    with ghost or nullcontext():
        return run(*args, **kwargs)


def _wrapped(x: Tensor) -> GhostTensor:
    return x if isinstance(x, GhostTensor) else GhostTensor(x)


def asker() -> str:
    """The innermost function of hiergeo on the stack, as module.function."""
    return next(_frames(), "no function of hiergeo")


def _frames() -> Iterator[str]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(PACKAGE) and not frame.f_code.co_name.startswith("<"):
            module = ".".join(Path(file).relative_to(PACKAGE).with_suffix("").parts)
            yield f"{module}.{frame.f_code.co_name}"
        frame = frame.f_back


def _words(flat: list[Any]) -> str:
    return ", ".join(f"{tuple(x.shape)} on {x.device}" for x in flat if isinstance(x, Tensor))
