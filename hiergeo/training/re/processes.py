"""Processes, precision and logging of a training, through Hugging Face accelerate."""

import importlib.util
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hiergeo._core import extras
from hiergeo._core.devices import AUTO, resolve_device
from hiergeo._core.errors import InputError, UnavailableError, reason, unknown_name
from hiergeo.training.re.ranks import joined, place

LOGS = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}
"""Name of a log -> the packages of which one is needed."""


def is_writer() -> bool:
    """Whether this process is the one that writes and prints: rank 0 of those that a launcher started."""
    return place().rank == 0


def local(device: str) -> str:
    """The device of this process: that of its rank if a launcher started several and no index was given."""
    rank = place().local
    named = str(resolve_device(AUTO)) if device == AUTO else device
    return named if rank is None or ":" in named or named in ("cpu", "mps") else f"{named}:{rank}"


def check_log(log: str | None) -> None:
    """Raise InputError for an unknown log, UnavailableError where its package is not installed."""
    if log is None:
        return
    if log not in LOGS:
        raise unknown_name("log", log, LOGS)
    if not any(importlib.util.find_spec(package) for package in LOGS[log]):
        raise UnavailableError(f"logging to {log} needs a package that is not here: pip install {LOGS[log][0]}.")


@contextmanager
def accelerated(
    device: torch.device, amp: str, log: str | None, out: Path, settings: Mapping[str, Any]
) -> Iterator[Any]:
    """An accelerate `Accelerator` for one training, among the processes of the same training.

    Raises:
        InputError: float16 without a GPU, an unknown log, or processes that `joined` refuses.
        UnavailableError: accelerate, or the package of the log, is not installed; another process is gone.
    """
    check_log(log)
    accelerate = extras.require("accelerate", "training a tower")
    if amp == "fp16" and device.type == "cpu":
        raise InputError("float16 needs a GPU: use --amp bf16, or none, on the CPU.")
    with joined(str(device)), warnings.catch_warnings():
        accelerator = _accelerator(accelerate, device, amp, log, out)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        if log is not None:
            accelerator.init_trackers("log", config={name: str(value) for name, value in settings.items()})
        try:
            yield accelerator
        finally:
            accelerator.end_training()


def _accelerator(accelerate: Any, device: torch.device, amp: str, log: str | None, out: Path) -> Any:
    here = place()
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    try:
        accelerator = accelerate.Accelerator(
            cpu=device.type == "cpu",
            device_placement=False,
            mixed_precision=amp,
            log_with=log,
            project_dir=str(out),
        )
    except ValueError as error:
        raise InputError(f"accelerate cannot be set up as the environment asks: {reason(error)}.") from error
    if accelerator.num_processes != here.size:
        raise InputError(
            f"WORLD_SIZE says {here.size} processes, and accelerate sees {accelerator.num_processes}: "
            "set RANK, LOCAL_RANK and WORLD_SIZE in all of them."
        )
    return accelerator


def mean_over_ranks(accelerator: Any, numbers: Mapping[str, Tensor]) -> dict[str, float]:
    """The means of 0-dim tensors over all processes, as numbers by name."""
    together = torch.stack([number.detach().double() for number in numbers.values()])
    return dict(zip(numbers, accelerator.reduce(together, "mean").tolist(), strict=True))
