"""Small calls of every operator over and over, right and wrong, with gradients where there are some.

The exit status is 0 where memory stays as it is. What is counted is what malloc has given out and Python's own blocks,
so that a few bytes a call tell.

    python -m tests.pairwise.leak_operators CALLS
"""

import ctypes
import gc
import os
import sys
import warnings
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch

from hiergeo.pairwise.transforms import REGISTRY
from tests.pairwise.fuzz_calls import OPERATORS, Call, Fuzzer
from tests.pairwise.fuzz_operators import outcome

DIFFERENTIABLE = ("pair_store", "energy_sum", "energy_total", "energy_min", "pair_contrast")
WINDOWS = 3
"""After a first one, memory has to grow in all of these for a leak: caches fill up once."""

MOST = 1.0
"""Bytes, or Python's blocks, a call."""


class _Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("a", "o", "s", "blocks", "mapped", "u", "f", "used", "free", "k")]


def taken() -> tuple[int, int]:
    """Bytes that malloc has given out, and the number of Python's blocks."""
    gc.collect()
    report = ctypes.CDLL(None).mallinfo2
    report.restype = _Mallinfo
    of = report()
    return of.used + of.mapped, sys.getallocatedblocks()


def jobs(native: bool, name: str) -> list[Callable[[], object]]:
    """A few right calls of an operator and a wrong one, and gradients."""
    fuzzer = Fuzzer(0)
    right = [call for call in (fuzzer.right(native, name) for _ in range(12)) if outcome(call)[1] is None][:3]
    wrong = Call(name, native, {key: _emptied(operand) for key, operand in right[0].operands.items()})
    assert (outcome(wrong)[1] is not None) == (name != "widened_half")  # which takes any shape
    calls: list[Callable[[], object]] = [partial(outcome, call) for call in (*right, wrong)]
    if not native and name in DIFFERENTIABLE:
        calls.append(lambda: differentiated(right[-1]))
    return calls


def _emptied(operand: object) -> object:
    return operand[:0] if isinstance(operand, list) else operand[None] if isinstance(operand, torch.Tensor) else operand


def differentiated(call: Call) -> None:
    result = REGISTRY[call.name](*map(_learnt, call.operands.values()))
    (result if isinstance(result, torch.Tensor) else result[0]).sum().backward()


def _learnt(operand: object) -> object:
    if isinstance(operand, list):
        return [_learnt(each) for each in operand]
    if isinstance(operand, torch.Tensor) and operand.is_floating_point():
        return operand.detach().requires_grad_()
    return operand


def main(calls: int) -> int:
    """Makes the calls, and returns at how many operators memory grew."""
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    os.environ["HIERGEO_NATIVE"] = "1"
    work = {operator: jobs(*operator) for operator in OPERATORS}
    rounds = {operator: max(5, calls // len(work) // len(those) // (1 + WINDOWS)) for operator, those in work.items()}
    for operator, those in work.items():
        repeated(those, rounds[operator])
    gc.freeze()
    grown = 0
    for (native, name), those in work.items():
        count = rounds[native, name]
        marks = [taken(), *(repeated(those, count) for _ in range(WINDOWS))]
        steps = [(now[0] - then[0], now[1] - then[1]) for then, now in pairwise(marks)]
        growth = [min(window) / count / len(those) for window in zip(*steps, strict=True)]
        if max(growth) > MOST:
            grown += 1
            of = f"{'hiergeo_native' if native else 'hiergeo'}.{name}"
            print(f"{of}: {growth[0]:.1f} bytes, {growth[1]:.1f} blocks a call")
    return grown


def repeated(work: list[Callable[[], object]], rounds: int) -> tuple[int, int]:
    """What is taken after so many rounds."""
    for _ in range(rounds):
        for job in work:
            job()
    return taken()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
