"""Which backend serves a device, and why: native kernels or Triton's that passed their tests, or plain PyTorch."""

from collections.abc import Iterator

import torch

from hiergeo._core.errors import UnavailableError, warn
from hiergeo.pairwise import fused, native, settings
from hiergeo.pairwise.fused import FUSED, TRIAL
from hiergeo.pairwise.interface import PairBackend
from hiergeo.pairwise.portable import PORTABLE
from hiergeo.pairwise.settings import SIMD_LEVELS, backend
from hiergeo.pairwise.smoke import KernelOutcome, KernelVerdicts, Sample, compared

NATIVE: PairBackend = native

VERDICTS = KernelVerdicts()
"""Results of the smoke tests of this process."""

_warned: set[str] = set()
"""Warnings that were already given; each is given once a process."""

SMOKE_TEST = "the smoke test of the kernels failed"

LAUNCH = "a kernel of Triton cannot run"

PLAIN = "HIERGEO_NATIVE=0 asks for plain PyTorch"


def resolve(device: torch.device, dtype: torch.dtype = torch.float32, factors: int = 1) -> PairBackend:
    """The native kernels where there are some for `device` that passed their smoke test, Triton's where those did, or
    plain PyTorch.

    The first call for a device runs the smoke test; the first that it failed for warns. HIERGEO_NATIVE=0 asks for
    plain PyTorch, HIERGEO_NATIVE=1 for an error rather than for anything but native kernels. On a GPU the others also
    serve what native kernels do not take: pairs that are computed in float64, and products of many `factors`.

    Raises:
        UnavailableError: HIERGEO_NATIVE=1 and no native kernels, with the reason; while a CUDA graph is captured,
            kernels that were not tested and pairs that the kernels do not take.
        InputError: HIERGEO_NATIVE, HIERGEO_SIMD, HIERGEO_SCREEN or HIERGEO_PRODUCT holds an unknown word.
    """
    reason = why_absent(device) or _tested(NATIVE, device, *native.setting(device))
    if reason is None:
        if device.type == "cpu" and native.is_settled():
            settings.current().backends[device] = NATIVE
        if native.takes(device.type, dtype, factors):
            return NATIVE
        if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            raise UnavailableError(
                f"float64 points and products of more than {native.MOST_FACTORS} spaces have no CUDA kernels, and what "
                "computes them cannot be captured in a CUDA graph: call it outside the graph, or give float32 points."
            )
    elif settings.word(settings.NATIVE) == "1":
        raise UnavailableError(f"HIERGEO_NATIVE=1 asks for native kernels and there are none: {reason}.")
    other = why_no_triton(device)
    for failure in (reason, other):
        if failure is not None and failure.startswith((SMOKE_TEST, LAUNCH)):
            served = "by Triton" if other is None else "in plain PyTorch"
            _warn_once(f"hiergeo computes on {device} {served}, which is slower, because {failure}.")
    return PORTABLE if other else FUSED


def why_plain(device: str | torch.device) -> str | None:
    """Why no native kernels serve a device; None if they do. The first call runs their smoke test."""
    device = torch.device(device)
    if device.type == "cuda" and device.index is None and torch.cuda.is_available():
        device = torch.device("cuda", torch.cuda.current_device())
    there = device.type != "cuda" or device.index is not None
    return why_absent(device) or (_tested(NATIVE, device, *native.setting(device)) if there else None)


def why_no_triton(device: torch.device) -> str | None:
    """Why Triton's kernels do not serve a device that native ones do not; None if they do. Runs their smoke test."""
    if settings.word(settings.NATIVE) == "0":
        return PLAIN
    absent = fused.missing(device.type)
    if absent is not None:
        return absent
    return f"{LAUNCH}: {FUSED.broken}" if FUSED.broken else _tested(TRIAL, device, "Triton", False)


def _tested(kernels: PairBackend, device: torch.device, setting: str, tf32: bool) -> str | None:
    if device.type == "cuda" and torch.cuda.is_current_stream_capturing() and not VERDICTS.has(device, setting):
        raise UnavailableError(
            f"the kernels on {device} are tested when they are first used, which cannot be while a CUDA graph is "
            "captured: call any pair operation on the device before."
        )
    failure = VERDICTS.failure(kernels, device, setting, tf32)
    return None if failure is None else f"{SMOKE_TEST}: {failure} (details: `hiergeo info --check`)"


def why_absent(device: torch.device) -> str | None:
    """Why there are no native kernels for a device; None if there are, tested or not."""
    if settings.word(settings.NATIVE) == "0":
        return PLAIN
    return native.missing(device)


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        warn(message, RuntimeWarning)


def kernel_info() -> dict[str, str]:
    """Facts by name: which backend serves each device, what was built, and why something is missing."""
    facts = {"kernels": _what("cpu")}
    facts |= {f"kernels on {device}": _what(str(device)) for device in _accelerators()}
    if why_absent(torch.device("cpu")) is None:
        facts["SIMD"] = native.simd_level()
    built = native.build_info()
    if built:
        facts["kernels built"] = _built(**built)
    return facts


def _what(device: str) -> str:
    reason = why_plain(device)
    if reason is None and device == "cpu":
        return "native"
    if reason is None:
        return f"native; others for float64 and for products of more than {native.MOST_FACTORS} spaces"
    other = None if device == "cpu" else why_no_triton(torch.device(device))
    if other is None and device != "cpu":
        return f"Triton ({reason})"
    return f"plain PyTorch ({reason})" if other in (None, reason) else f"plain PyTorch ({reason}; {other})"


def _accelerators() -> Iterator[torch.device]:
    """The devices that kernels may run on beside the CPU."""
    for kind in fused.DEVICES:
        module = torch.get_device_module(kind)
        yield from (torch.device(kind, index) for index in range(module.device_count() if module.is_available() else 0))


def _built(*, compiler: str, simd: str, cuda: str, cuda_version: str) -> str:
    on_gpu = "no CUDA" if cuda == "none" else f"CUDA {cuda_version} ({cuda})"
    return f"{compiler}, SIMD {simd}, {on_gpu}"


DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
"""The dtypes of directions."""

SPACES = ([(40, -0.7)], [(17, 0.25)], [(40, -1.3), (17, 0.25)])
"""Dimension and curvature of each factor of the spaces that kernels are checked in."""


def check_kernels() -> dict[str, list[KernelOutcome]]:
    """Run the smoke test of every kernel in every dtype that it takes, in spaces of either sign and in a product.

    Returns:
        By setting (a SIMD level of the CPU or a GPU, and TF32 where it is asked for there), the outcomes of every
        kernel. Devices without kernels are left out; `kernel_info` says why.
    """
    problems = {dtype: [Sample((33, 131), spaces, dtype) for spaces in SPACES] for dtype in DTYPES}
    outcomes: dict[str, list[KernelOutcome]] = {}
    with torch.no_grad():
        for setting, device, kernels in _places():
            tf32 = kernels is NATIVE and native.setting(device)[1]
            every = kernels is not NATIVE
            taken = [of for dtype in DTYPES if every or native.takes(device.type, dtype, 1) for of in problems[dtype]]
            outcomes[setting] = [outcome for of in taken for outcome in compared(kernels, of, device, tf32)]
    return outcomes


def _places() -> Iterator[tuple[str, torch.device, PairBackend]]:
    """The places where kernels run; each is selected until the next one is requested."""
    cpu = torch.device("cpu")
    if native.missing(cpu) is None:
        for level in SIMD_LEVELS:
            with backend(simd=level):
                try:
                    native.setting(cpu)
                except RuntimeError:  # this machine does not have the level
                    continue
                yield f"cpu, {level}", cpu, NATIVE
    for device in _accelerators():
        if fused.missing(device.type) is None:
            yield f"{device}, Triton", device, TRIAL
        if native.missing(device) is None:
            matmul = torch.backends.cuda.matmul
            before = matmul.fp32_precision
            try:
                for precision in ("ieee", "tf32"):
                    matmul.fp32_precision = precision
                    yield f"{device}, TF32" if precision == "tf32" else str(device), device, NATIVE
            finally:
                matmul.fp32_precision = before
