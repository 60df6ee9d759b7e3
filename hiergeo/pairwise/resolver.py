"""Which backend serves a device, and why: the only place that knows there are two."""

import torch

from hiergeo.errors import UnavailableError, warn
from hiergeo.pairwise import native, reference, settings
from hiergeo.pairwise.backend import Backend
from hiergeo.pairwise.selftest import Verdicts

NATIVE: Backend = native
REFERENCE: Backend = reference

VERDICTS = Verdicts()
"""What the self-tests of this process found."""

_warned: set[str] = set()
"""Warnings that were given, once a process each."""

SELF_TEST = "the self-test of the kernels failed"


def resolve(device: torch.device) -> Backend:
    """The native kernels where there are some for `device` that passed their self-test, else the reference.

    The first call for a device runs the self-test; the first that it failed for warns. HIERGEO_NATIVE=0 asks for the
    reference, HIERGEO_NATIVE=1 for an error rather than the reference.

    Raises:
        UnavailableError: HIERGEO_NATIVE=1 and no native kernels, with the reason; kernels that were not tested while
            a CUDA graph is captured.
        InputError: HIERGEO_NATIVE, HIERGEO_SIMD, HIERGEO_SCREEN or HIERGEO_PRODUCT holds an unknown word.
    """
    reason = why_absent(device)
    if reason is None:
        setting, tf32 = kernel_setting(device)
        if not VERDICTS.known(device, setting) and _capturing(device):
            raise UnavailableError(
                f"the kernels on {device} are tested when they are first used, which cannot be while a CUDA graph is "
                "captured: call any pair operation on the device before."
            )
        failure = VERDICTS.failure(NATIVE, device, setting, tf32)
        if failure is None:
            return NATIVE
        reason = _failed(failure)
    if settings.word(settings.NATIVE) == "1":
        raise UnavailableError(f"HIERGEO_NATIVE=1 asks for native kernels and there are none: {reason}.")
    if reason.startswith(SELF_TEST):
        _warn_once(f"hiergeo computes on {device} with the slower reference, because {reason}.")
    return REFERENCE


def why_reference(device: str | torch.device) -> str | None:
    """Why the reference serves a device, or None where native kernels do; the first question runs their self-test."""
    device = torch.device(device)
    if device.type == "cuda" and device.index is None and torch.cuda.is_available():
        device = torch.device("cuda", torch.cuda.current_device())
    reason = why_absent(device)
    if reason is None and (device.type != "cuda" or device.index is not None):
        failure = VERDICTS.failure(NATIVE, device, *kernel_setting(device))
        return None if failure is None else _failed(failure)
    return reason


def _failed(failure: str) -> str:
    return f"{SELF_TEST}: {failure} (`hiergeo info --check` tells more)"


def why_absent(device: torch.device) -> str | None:
    """Why there are no native kernels for a device, or None where there are, trusted or not."""
    settings.check_words()
    if settings.word(settings.NATIVE) == "0":
        return "HIERGEO_NATIVE=0 asks for the reference"
    return why_unbuilt(device)


def why_unbuilt(device: torch.device) -> str | None:
    """As `why_absent`, whatever HIERGEO_NATIVE asks for."""
    return native.missing(device)


def kernel_setting(device: torch.device) -> tuple[str, bool]:
    """Which kernels run on a device now, by their SIMD level and product, and whether float32 is multiplied in TF32."""
    return native.setting(device)


def _capturing(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        warn(message, RuntimeWarning)


def kernel_info() -> dict[str, str]:
    """What computes pairs here, what was built, and why something is missing: facts by name."""
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


def _built(*, compiler: str, simd: str, cuda: str, cuda_version: str, torch_target: str) -> str:
    on_gpu = "no CUDA" if cuda == "none" else f"CUDA {cuda_version} ({cuda})"
    return f"{compiler}, SIMD {simd}, {on_gpu}, for torch >= {torch_target}"
