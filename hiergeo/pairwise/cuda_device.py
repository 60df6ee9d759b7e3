"""Whether the CUDA kernels can run on a GPU: what they were built for, against the GPU and its driver."""

import ctypes
import functools
import re

import torch

ANY_NEWER = 10
"""From this compute capability on there is no machine code: the driver compiles, and has to know the whole version."""


def unfit(index: int, architectures: str, runtime: str) -> str | None:
    """Why kernels cannot run on a GPU, or None where they can or nothing is known.

    Args:
        index: of the GPU.
        architectures: those compiled for, as in "sm_80,sm_90,compute_90".
        runtime: the version of CUDA that they are linked with, as in "13.0".
    """
    if torch.version.hip is not None:
        return "the kernels are for CUDA, and this torch is for ROCm"
    capability = torch.cuda.get_device_capability(index)
    oldest = min(map(int, re.findall(r"\d+", architectures)), default=0)
    if capability[0] * 10 + capability[1] < oldest:
        name = torch.cuda.get_device_name(index)
        return f"the kernels need compute capability {oldest // 10}.{oldest % 10}, and {name} has {_dotted(capability)}"
    driver, linked = driver_version(), tuple(map(int, re.findall(r"\d+", runtime)[:2]))
    if driver is None or not linked:
        return None
    needed = linked if capability[0] >= ANY_NEWER else (linked[0], 0)
    if driver < needed:
        return f"the kernels need a driver for CUDA {_dotted(needed)} or newer, and this one is for {_dotted(driver)}"
    return None


@functools.cache
def driver_version() -> tuple[int, int] | None:
    """The newest version of CUDA that the driver knows, or None where it does not tell."""
    try:
        number = ctypes.c_int()
        if ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(number)) != 0:
            return None
    except (OSError, AttributeError):
        return None
    return number.value // 1000, number.value % 1000 // 10


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
