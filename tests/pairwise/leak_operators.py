"""Small calls of every native operator over and over, right and wrong: the exit status is 0 where memory stays.

What is counted is what malloc has given out, so that a few bytes a call tell.

    python -m tests.pairwise.leak_operators CALLS
"""

import ctypes
import gc
import os
import sys
import warnings
from itertools import pairwise

import torch

from hiergeo.pairwise import kernel_info
from tests.pairwise.fuzz_calls import Call, Fuzzer
from tests.pairwise.fuzz_operators import outcome
from tests.pairwise.fuzz_rules import SHAPES

WINDOWS = 3
"""After a first one, memory has to grow in all of these for a leak: caches fill up once."""


class _Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("a", "o", "s", "blocks", "mapped", "u", "f", "used", "free", "k")]


def calls_of(name: str) -> list[Call]:
    """A few right calls of an operator and a wrong one."""
    fuzzer = Fuzzer(0)
    right = [call for call in (fuzzer.right(name) for _ in range(12)) if outcome(call)[1] is None][:3]
    wrong = Call(name, {key: _emptied(operand) for key, operand in right[0].operands.items()})
    assert outcome(wrong)[1] is not None
    return [*right, wrong]


def _emptied(operand: object) -> object:
    return operand[:0] if isinstance(operand, list) else operand[None] if isinstance(operand, torch.Tensor) else operand


def taken(calls: list[Call], rounds: int) -> int:
    """Bytes that malloc has given out after so many rounds."""
    for _ in range(rounds):
        for call in calls:
            outcome(call)
    gc.collect()
    report = ctypes.CDLL(None).mallinfo2
    report.restype = _Mallinfo
    state = report()
    return state.used + state.mapped


def main(count: int) -> int:
    """Makes the calls, and returns at how many operators memory grew by more than a byte a call."""
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    os.environ["HIERGEO_NATIVE"] = "1"
    assert "native" in kernel_info()["kernels"], kernel_info()
    grown = 0
    for name in SHAPES:
        calls = calls_of(name)
        rounds = max(5, count // len(SHAPES) // len(calls) // (1 + WINDOWS))
        taken(calls, rounds)
        steps = [now - then for then, now in pairwise(taken(calls, rounds) for _ in range(1 + WINDOWS))]
        growth = min(steps) / rounds / len(calls)
        if growth > 1:
            grown += 1
            print(f"{name}: {growth:.1f} bytes a call")
    return grown


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
