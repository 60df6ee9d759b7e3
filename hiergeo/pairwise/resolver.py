"""Which backend serves a device, and why: the only place that knows there are two."""

import os

import torch

from hiergeo.errors import InputError, UnavailableError
from hiergeo.pairwise import _native, reference
from hiergeo.pairwise.backend import Backend

NATIVE: Backend = _native
REFERENCE: Backend = reference

SIMD_LEVELS = ("baseline", "avx2", "avx512")


def resolve(device: torch.device) -> Backend:
    """The native kernels where there are some for `device`, else the reference.

    HIERGEO_NATIVE=0 asks for the reference, HIERGEO_NATIVE=1 for an error rather than the reference.

    Raises:
        UnavailableError: HIERGEO_NATIVE=1 and no native kernels, with the reason.
        InputError: HIERGEO_NATIVE or HIERGEO_SIMD holds an unknown word.
    """
    reason = why_reference(device.type)
    if reason is None:
        return NATIVE
    if _setting("HIERGEO_NATIVE", ("0", "1")) == "1":
        raise UnavailableError(f"HIERGEO_NATIVE=1 asks for native kernels and there are none: {reason}.")
    return REFERENCE


def why_reference(device_type: str) -> str | None:
    """Why the reference serves a type of device, or None where native kernels do."""
    _setting("HIERGEO_SIMD", SIMD_LEVELS)
    if _setting("HIERGEO_NATIVE", ("0", "1")) == "0":
        return "HIERGEO_NATIVE=0 asks for the reference"
    return _native.missing(device_type)


def kernel_info() -> dict[str, str]:
    """What computes pairs here, what was built, and why something is missing: facts by name."""
    facts = {"kernels": _what("cpu")}
    if torch.cuda.is_available():
        facts["kernels on cuda"] = _what("cuda")
    if why_reference("cpu") is None:
        facts["SIMD"] = _native.simd_level()
    built = _native.build_info()
    if built:
        facts["kernels built"] = _built(**built)
    return facts


def _what(device_type: str) -> str:
    reason = why_reference(device_type)
    return "native" if reason is None else f"pure PyTorch reference ({reason})"


def _built(*, compiler: str, simd: str, cuda: str, cuda_version: str, torch_target: str) -> str:
    on_gpu = "no CUDA" if cuda == "none" else f"CUDA {cuda_version} ({cuda})"
    return f"{compiler}, SIMD {simd}, {on_gpu}, for torch >= {torch_target}"


def _setting(name: str, words: tuple[str, ...]) -> str | None:
    word = os.environ.get(name) or None
    if word is not None and word not in words:
        raise InputError(f"{name} must be {', '.join(words[:-1])} or {words[-1]}, not '{word}'.")
    return word
