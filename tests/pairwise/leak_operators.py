"""Small calls of every native operator over and over, right and wrong.

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

from hiergeo.pairwise import kernel_info
from tests.pairwise.fuzz_calls import Call, Fuzzer
from tests.pairwise.fuzz_operators import outcome
from tests.pairwise.fuzz_rules import SHAPES

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


def jobs(name: str) -> list[Callable[[], object]]:
    """A few right calls of an operator and a wrong one."""
    fuzzer = Fuzzer(0)
    right = [call for call in (fuzzer.right(name) for _ in range(12)) if outcome(call)[1] is None][:3]
    wrong = Call(name, {key: _emptied(operand) for key, operand in right[0].operands.items()})
    assert outcome(wrong)[1] is not None
    return [partial(outcome, call) for call in (*right, wrong)]


def _emptied(operand: object) -> object:
    return operand[:0] if isinstance(operand, list) else operand[None] if isinstance(operand, torch.Tensor) else operand


def main(calls: int) -> int:
    """Makes the calls, and returns at how many operators memory grew."""
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    os.environ["HIERGEO_NATIVE"] = "1"
    assert "native" in kernel_info()["kernels"], kernel_info()
    work = {name: jobs(name) for name in SHAPES}
    rounds = {name: max(5, calls // len(work) // len(those) // (1 + WINDOWS)) for name, those in work.items()}
    for name, those in work.items():
        repeated(those, rounds[name])
    gc.freeze()
    grown = 0
    for name, those in work.items():
        count = rounds[name]
        marks = [taken(), *(repeated(those, count) for _ in range(WINDOWS))]
        steps = [(now[0] - then[0], now[1] - then[1]) for then, now in pairwise(marks)]
        growth = [min(window) / count / len(those) for window in zip(*steps, strict=True)]
        if max(growth) > MOST:
            grown += 1
            print(f"{name}: {growth[0]:.1f} bytes, {growth[1]:.1f} blocks a call")
    return grown


def repeated(work: list[Callable[[], object]], rounds: int) -> tuple[int, int]:
    """What is taken after so many rounds."""
    for _ in range(rounds):
        for job in work:
            job()
    return taken()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
