"""Where networks run: a device by name, tried before anything is loaded onto it."""

import torch

from hiergeo.errors import InputError


def usable(device: str | torch.device) -> torch.device:
    """The device of that name. Raises InputError unless numbers can be put on it and read back."""
    try:
        place = torch.device(device)
        torch.zeros(1, device=place).cpu()
    except Exception as error:  # each backend fails in its own way
        raise InputError(f"the device '{device}' cannot be used here: this machine has {_present()}.") from error
    return place


def _present() -> str:
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ", ".join(["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])])
