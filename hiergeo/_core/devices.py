"""Devices and dtypes by name: the one place that reads the words of ``--device`` and ``--dtype``."""

from functools import lru_cache

import torch

from hiergeo._core.errors import InputError, unknown_name

AUTO = "auto"  # the accelerator of this machine where torch has one (`torch.accelerator`), and the CPU otherwise
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""The dtypes that embeddings are kept in, by name."""


def resolve_device(device: str | torch.device | None = AUTO) -> torch.device:
    """The device that a name, ``auto`` (None is the same) or torch stands for; InputError where it does not work."""
    if device is None or device == AUTO:
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    return _tested(str(device))


def resolve_dtype(dtype: str | torch.dtype | None = None) -> torch.dtype:
    """The dtype of embeddings that a name stands for; None is float32; InputError for what is not in `DTYPES`."""
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
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except Exception as error:  # each backend fails in its own way
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        count = 0 if accelerator is None else torch.accelerator.device_count()
        present = ", ".join(["cpu", *(f"{accelerator}:{index}" for index in range(count))])
        raise InputError(f"the device '{name}' cannot be used here: this machine has {present}.") from error
    return device
