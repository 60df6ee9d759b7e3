"""Devices and dtypes by name: the one place that reads the words of ``--device`` and ``--dtype``."""

from functools import lru_cache

import torch

from hiergeo._core.errors import InputError, unknown_name

AUTO = "auto"
"""The accelerator of this machine where torch has one (`torch.accelerator`), and the CPU otherwise."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""The dtypes that embeddings are kept in, by name."""


def resolve_device(device: str | torch.device | None = AUTO) -> torch.device:
    """The device that a name stands for.

    Args:
        device: ``auto`` (None is the same), a name such as ``cpu``, ``cuda:1`` or ``mps``, or a device of torch.

    Raises:
        InputError: there is no such device, or numbers cannot be written to it and read back.
    """
    if device is None or device == AUTO:
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    return _tested(str(device))


def resolve_dtype(dtype: str | torch.dtype | None = None) -> torch.dtype:
    """The dtype of embeddings that a name stands for; None is float32.

    Raises:
        InputError: a name or a dtype that is not among `DTYPES`.
    """
    if dtype is None:
        return torch.float32
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise unknown_name("dtype of embeddings", name, DTYPES)
    return DTYPES[name]


@lru_cache
def _tested(name: str) -> torch.device:
    """The device of that name, after a number was written to it and read back."""
    try:
        place = torch.device(name)
        torch.zeros(1, device=place).cpu()
    except Exception as error:  # each backend fails in its own way
        raise InputError(f"the device '{name}' cannot be used here: this machine has {_present()}.") from error
    return place


def _present() -> str:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        return "cpu"
    return ", ".join(["cpu", *(f"{accelerator.type}:{index}" for index in range(torch.accelerator.device_count()))])
