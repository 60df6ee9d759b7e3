"""A long test of the native kernels: random problems in every dtype, at every SIMD level and on every GPU."""

import random
from collections.abc import Iterator

import torch

from hiergeo.pairwise.agreement import Case
from hiergeo.pairwise.resolver import NATIVE, kernel_setting, why_unbuilt
from hiergeo.pairwise.selftest import Outcome, compared
from hiergeo.pairwise.settings import SIMD_LEVELS, backend

ROUNDS = 4
"""Problems for each place and pair of dtypes."""

DTYPES = (
    *((dtype, dtype) for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16)),
    (torch.float32, torch.float16),
)
"""The dtypes of the directions of x and of y."""


def check_kernels(rounds: int = ROUNDS, seed: int = 0) -> dict[str, list[Outcome]]:
    """Compare every native kernel with the reference on random problems.

    Args:
        rounds: problems for each place and pair of dtypes.
        seed: of the problems.

    Returns:
        By place (a SIMD level of the CPU or a GPU, and TF32 where it is asked for there), one outcome for every kernel
        and pair of dtypes: its worst. Places without kernels are left out; `kernel_info` says why.
    """
    found = {}
    for place, device in _places():
        tf32 = kernel_setting(device)[1]
        worst: dict[tuple[str, str], Outcome] = {}
        for dtypes in DTYPES:
            draw = random.Random(seed)
            for number in range(rounds):
                for outcome in compared(NATIVE, _case(draw, number, dtypes), device, tf32):
                    key = outcome.kernel, outcome.dtype
                    if key not in worst or outcome.error / outcome.bar >= worst[key].error / worst[key].bar:
                        worst[key] = outcome
        found[place] = list(worst.values())
    return found


def _case(draw: random.Random, number: int, dtypes: tuple[torch.dtype, torch.dtype]) -> Case:
    shape = draw.choice((1, 1, 2)), draw.choice((1, 2, 7, 33, 70)), draw.choice((1, 3, 64, 131, 300))
    curvatures, dims = (-4.0, -1.0, -0.3, 0.0, 0.25, 1.0), (2, 3, 8, 17, 40, 64, 129, 520)
    spaces = [(draw.choice(dims), draw.choice(curvatures)) for _ in range((1, 2, 1, 3)[number % 4])]
    return Case(draw.randrange(1 << 30), shape, spaces, dtypes)


def _places() -> Iterator[tuple[str, torch.device]]:
    """Where kernels run; each is in force until the next is asked for."""
    cpu = torch.device("cpu")
    if why_unbuilt(cpu) is None:
        for level in SIMD_LEVELS:
            with backend(simd=level):
                try:
                    kernel_setting(cpu)
                except RuntimeError:  # not a level of this machine
                    continue
                yield f"cpu, {level}", cpu
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        device = torch.device("cuda", index)
        if why_unbuilt(device) is None:
            before = torch.backends.cuda.matmul.allow_tf32
            try:
                for tf32 in (False, True):
                    torch.backends.cuda.matmul.allow_tf32 = tf32
                    yield f"{device}, TF32" if tf32 else str(device), device
            finally:
                torch.backends.cuda.matmul.allow_tf32 = before
