"""The self-test of native kernels: a small problem through each of them, against the reference, before their first use.

It takes milliseconds and is made once a process for every device and setting of the kernels, at their first use.
"""

import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from hiergeo.pairwise.agreement import IN_TF32, kernels
from hiergeo.pairwise.case import Case
from hiergeo.pairwise.interface import PairBackend

VALUES, GRADIENTS = 1e-4, 1e-3
"""Largest errors of values, in radians or relative distance, and of gradients relative to the largest."""

DOUBLE = 1e-9
TF32 = 1e-2
"""Largest errors in float64, and of what is multiplied in TF32."""

LISTED = 3
"""How many failures a reason names; further ones are counted."""


@dataclass(frozen=True)
class KernelOutcome:
    """The result of one kernel on one problem.

    Attributes:
        kernel: its name.
        dtype: of the directions; those of x and y where they differ.
        factors: of the space.
        error: against the reference; infinite if the kernel raised or its result was invalid.
        bar: the largest error that passes.
        raised: the error that it raised, or empty.
    """

    kernel: str
    dtype: str
    factors: int
    error: float
    bar: float
    raised: str = ""

    @property
    def passed(self) -> bool:
        return self.error <= self.bar

    def __str__(self) -> str:
        what = f"raised {self.raised}" if self.raised else f"is off by {self.error:.2g}, more than {self.bar:g}"
        product = f", {self.factors} factors" if self.factors > 1 else ""
        return f"{self.kernel} ({self.dtype}{product}) {what}"


def compared(backend: PairBackend, case: Case, device: torch.device, tf32: bool) -> Iterator[KernelOutcome]:
    """Run every kernel on a problem."""
    dtypes = dict.fromkeys(str(dtype).removeprefix("torch.") for dtype in case.dtypes)
    for name, measure in kernels(case).items():
        raised = ""
        try:
            error = measure(backend, case, device)
        except Exception as failure:  # a kernel or driver may raise anything
            error, raised = (
                math.inf,
                f"{type(failure).__name__}: {str(failure).splitlines()[0] if str(failure) else ''}",
            )
        bar = _bar(name, case.dtype, tf32 and torch.float32 in case.dtypes)
        yield KernelOutcome(name, " x ".join(dtypes), len(case), error, bar, raised)


def _bar(kernel: str, dtype: torch.dtype, tf32: bool) -> float:
    if tf32 and kernel in IN_TF32:
        return TF32
    if dtype == torch.float64:
        return DOUBLE
    return GRADIENTS if kernel in ("backward", "contrast_backward", "energy_total") else VALUES


def cases(on_cuda: bool) -> Iterator[Case]:
    """The problems of the self-test: full and partial tiles, in every dtype with an implementation of its own.

    On CUDA rows are longer than one stage of the product.
    """
    dtypes = (torch.float32, torch.bfloat16, torch.float16) if on_cuda else (torch.float32,)
    shape, dim = ((1, 20, 150), 200) if on_cuda else ((1, 14, 70), 40)
    for dtype in dtypes:
        yield Case(0, shape, [(dim, -0.7)], (dtype, dtype))
    for dtype in (*dtypes[1:2], torch.float64):
        yield Case(0, shape, [(dim, -1.3), (17, 0.25)], (dtype, dtype))


def failures(outcomes: Sequence[KernelOutcome]) -> str | None:
    """The kernels that failed as text; None if all passed."""
    failed = [str(outcome) for outcome in outcomes if not outcome.passed]
    if not failed:
        return None
    more = f"; {len(failed) - LISTED} more" if len(failed) > LISTED else ""
    return f"{'; '.join(failed[:LISTED])}{more}"


class KernelVerdicts:
    """Results of self-tests by device and by settings of its kernels."""

    def __init__(self) -> None:
        self._known: dict[tuple[torch.device, str], str | None] = {}
        self._locks: dict[int, threading.Lock] = {}

    def known(self, device: torch.device, setting: str) -> bool:
        """Whether the kernels were tested with these settings."""
        return (device, setting) in self._known

    def failure(self, backend: PairBackend, device: torch.device, setting: str, tf32: bool) -> str | None:
        """The failure as text, None if all kernels passed; runs the self-test if it has not run."""
        if not self.known(device, setting):
            with self._locks.setdefault(os.getpid(), threading.Lock()):  # a forked child takes one of its own
                if not self.known(device, setting):
                    self._known[device, setting] = _alone(lambda: failures(_outcomes(backend, device, tf32)))
        return self._known[device, setting]


def _outcomes(backend: PairBackend, device: torch.device, tf32: bool) -> list[KernelOutcome]:
    return [out for case in cases(device.type == "cuda") for out in compared(backend, case, device, tf32)]


def _alone(work: Callable[[], str | None]) -> str | None:
    """The result of `work` in a new thread, where no mode of the caller, such as autocast or vmap, is active."""
    found: list[str | None] = []

    def run() -> None:
        try:
            with torch.no_grad():
                found.append(work())
        except Exception as error:  # whatever a kernel raises is the result of the test
            found.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run, name="hiergeo self-test")
    thread.start()
    thread.join()
    return found[0]
