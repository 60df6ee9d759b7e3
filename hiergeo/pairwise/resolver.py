"""Which backend serves a device, and why: native kernels that passed their tests, or the reference."""

import random
from collections.abc import Iterator

import torch

from hiergeo._core.errors import UnavailableError, warn
from hiergeo.pairwise import native, reference, settings
from hiergeo.pairwise.case import Case
from hiergeo.pairwise.interface import PairBackend
from hiergeo.pairwise.selftest import KernelOutcome, KernelVerdicts, compared
from hiergeo.pairwise.settings import SIMD_LEVELS, backend

NATIVE: PairBackend = native
REFERENCE: PairBackend = reference

VERDICTS = KernelVerdicts()
"""Results of the self-tests of this process."""

_warned: set[str] = set()
"""Warnings that were already given; each is given once a process."""

SELF_TEST = "the self-test of the kernels failed"


def resolve(device: torch.device, factors: int = 1) -> PairBackend:
    """The native kernels where there are some for `device` that passed their self-test, else the reference.

    The first call for a device runs the self-test; the first that it failed for warns. HIERGEO_NATIVE=0 asks for the
    reference, HIERGEO_NATIVE=1 for an error rather than the reference. The reference also computes products of more
    `factors` than the kernels of a GPU take.

    Raises:
        UnavailableError: HIERGEO_NATIVE=1 and no native kernels, with the reason; kernels that were not tested while
            a CUDA graph is captured.
        InputError: HIERGEO_NATIVE, HIERGEO_SIMD, HIERGEO_SCREEN or HIERGEO_PRODUCT holds an unknown word.
    """
    reason = why_absent(device) or _failure(device)
    if reason is None:
        if device.type == "cpu" and native.is_settled():
            settings.current().backends[device] = NATIVE
        return NATIVE if device.type != "cuda" or factors <= native.MOST_FACTORS else REFERENCE
    if settings.word(settings.NATIVE) == "1":
        raise UnavailableError(f"HIERGEO_NATIVE=1 asks for native kernels and there are none: {reason}.")
    if reason.startswith(SELF_TEST):
        _warn_once(f"hiergeo computes on {device} with the slower reference, because {reason}.")
    return REFERENCE


def why_reference(device: str | torch.device) -> str | None:
    """Why the reference serves a device; None if native kernels do. The first call runs their self-test."""
    device = torch.device(device)
    if device.type == "cuda" and device.index is None and torch.cuda.is_available():
        device = torch.device("cuda", torch.cuda.current_device())
    there = device.type != "cuda" or device.index is not None
    return why_absent(device) or (_failure(device) if there else None)


def _failure(device: torch.device) -> str | None:
    """How the self-test of the kernels of a device failed; None if it passed."""
    setting, tf32 = native.setting(device)
    if device.type == "cuda" and torch.cuda.is_current_stream_capturing() and not VERDICTS.known(device, setting):
        raise UnavailableError(
            f"the kernels on {device} are tested when they are first used, which cannot be while a CUDA graph is "
            "captured: call any pair operation on the device before."
        )
    failure = VERDICTS.failure(NATIVE, device, setting, tf32)
    return None if failure is None else f"{SELF_TEST}: {failure} (details: `hiergeo info --check`)"


def why_absent(device: torch.device) -> str | None:
    """Why there are no native kernels for a device; None if there are, tested or not."""
    if settings.word(settings.NATIVE) == "0":
        return "HIERGEO_NATIVE=0 asks for the reference"
    return native.missing(device)


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        warn(message, RuntimeWarning)


def kernel_info() -> dict[str, str]:
    """Facts by name: which backend serves each device, what was built, and why something is missing."""
    facts = {"kernels": _what("cpu")}
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        facts[f"kernels on cuda:{index}"] = _what(f"cuda:{index}")
    if why_absent(torch.device("cpu")) is None:
        facts["SIMD"] = native.simd_level()
    built = native.build_info()
    if built:
        facts["kernels built"] = _built(**built)
    return facts


def _what(device: str) -> str:
    reason = why_reference(device)
    return "native" if reason is None else f"pure PyTorch reference ({reason})"


def _built(*, compiler: str, simd: str, cuda: str, cuda_version: str) -> str:
    on_gpu = "no CUDA" if cuda == "none" else f"CUDA {cuda_version} ({cuda})"
    return f"{compiler}, SIMD {simd}, {on_gpu}"


ROUNDS = 4
"""Problems for each place and pair of dtypes."""

DTYPES = (
    *((dtype, dtype) for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16)),
    (torch.float32, torch.float16),
)
"""The dtypes of the directions of x and of y."""


def check_kernels(rounds: int = ROUNDS, seed: int = 0) -> dict[str, list[KernelOutcome]]:
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
        tf32 = native.setting(device)[1]
        worst: dict[tuple[str, str], KernelOutcome] = {}
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
    """The places where kernels run; each is selected until the next one is requested."""
    cpu = torch.device("cpu")
    if native.missing(cpu) is None:
        for level in SIMD_LEVELS:
            with backend(simd=level):
                try:
                    native.setting(cpu)
                except RuntimeError:  # this machine does not have the level
                    continue
                yield f"cpu, {level}", cpu
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        device = torch.device("cuda", index)
        if native.missing(device) is None:
            matmul = torch.backends.cuda.matmul
            before = matmul.fp32_precision
            try:
                for precision in ("ieee", "tf32"):
                    matmul.fp32_precision = precision
                    yield f"{device}, TF32" if precision == "tf32" else str(device), device
            finally:
                matmul.fp32_precision = before
