"""Processes, precision and logging of a training, through torch.distributed and Hugging Face accelerate."""

import ctypes
import importlib.util
import os
import socket
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import default_pg_timeout

from hiergeo._core import extras, limits
from hiergeo._core.devices import AUTO, resolve_device
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError, reason, unknown_name
from hiergeo._core.storage.files import remove_leftovers
from hiergeo._core.storage.locks import locked

LOGS = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}
"""Name of a log -> the packages of which one is needed."""

MEETING = 60.0
"""Seconds that processes wait for each other at the start."""


class Rank(NamedTuple):
    """Which process of a training this is.

    Attributes:
        rank: from 0.
        size: how many processes there are.
        local: the rank among those of this machine, where it is known.
    """

    rank: int = 0
    size: int = 1
    local: int | None = None


def this_rank() -> Rank:
    """What RANK, WORLD_SIZE and LOCAL_RANK say, which torchrun and accelerate set.

    Raises:
        InputError: one of them is not a number, out of range, or missing beside the others; MASTER_ADDR or MASTER_PORT
            is missing or not valid where there are several processes.
    """
    size, rank = _number("WORLD_SIZE", 1, limits.COUNT), _number("RANK", 0, limits.COUNT)
    local = _number("LOCAL_RANK", 0, limits.COUNT)
    if size is None and rank is None and local is None:
        return Rank()
    if size is None or rank is None:
        missing = "WORLD_SIZE" if size is None else "RANK"
        raise InputError(f"{missing} is not set: start the processes with torchrun or accelerate launch.")
    if rank >= size:
        raise InputError(f"RANK {rank} is not among {size} processes: with WORLD_SIZE={size} it must be below {size}.")
    if size > 1 and (_number("MASTER_PORT", 1, 65535) is None or not os.environ.get("MASTER_ADDR")):
        raise InputError(
            f"{size} processes must meet at MASTER_ADDR and MASTER_PORT, and one of them is not set: start them with "
            "torchrun or accelerate launch."
        )
    return Rank(rank, size, local)


def _number(name: str, low: int, high: int) -> int | None:
    """The whole number in an environment variable; None where it is not set."""
    text = os.environ.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(high)) and low <= int(text) <= high):
        raise InputError(f"{name} must be a whole number from {low} to {high}, not '{text}'.")
    return int(text)


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Within the block all processes of the training form a group of torch.distributed.

    A process that dies ends the others: a launcher stops them, and without one their next operation among processes
    fails, since the operating system closes the connections of the dead one.

    Args:
        device: where this process computes: groups of ``cuda`` use NCCL, others gloo.

    Raises:
        InputError: as `this_rank`.
        UnavailableError: the others did not come within `MEETING` seconds, or one of them is gone.
    """
    here = this_rank()
    if here.size == 1 or dist.is_initialized():
        yield
        return
    try:
        if here.rank > 0:
            _await_listener()
        patience = timedelta(seconds=MEETING)
        store, rank, size = next(dist.rendezvous("env://", timeout=patience))
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=patience)
        _keep(dist.group.WORLD)
        with suppress(AttributeError):  # torch has no public way to set it
            dist.distributed_c10d._set_pg_timeout(default_pg_timeout)  # of the work: the writer may evaluate for long
        yield
    except HiergeoError:
        raise
    except Exception as error:  # all but those that another process caused are raised again
        if not _of_transport(error):
            raise
        _keep(error)
        meeting = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise UnavailableError(
            f"another of the {here.size} processes at {meeting} ended, or did not come within {MEETING:.0f} seconds: "
            "see what it said, and start all of them again to go on."
        ) from error
    else:
        if dist.is_initialized():
            with suppress(Exception):  # of connections that are gone
                dist.destroy_process_group()


def _await_listener() -> None:
    """Return once somebody listens at MASTER_ADDR and MASTER_PORT.

    `torch.distributed` would wait for up to twice its timeout: the pauses between its attempts grow without a limit.

    Raises:
        torch.distributed.DistNetworkError: nobody does within `MEETING` seconds.
    """
    meeting = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    until = time.monotonic() + MEETING
    while (left := until - time.monotonic()) > 0:
        with suppress(OSError), socket.create_connection(meeting, timeout=left):
            return
        time.sleep(0.1)
    raise dist.DistNetworkError(f"nobody listens at {meeting[0]}:{meeting[1]}")


def _keep(held: object) -> None:
    """Let an object live as long as the process.

    The destructor of gloo joins threads: they may wait for a dead process, or for the interpreter, which it holds.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))


def _of_transport(error: Exception) -> bool:
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def is_writer() -> bool:
    """Whether this process is the one that writes and prints: rank 0 of those that a launcher started."""
    return this_rank().rank == 0


@contextmanager
def sole_writer(out: Path, *inside: Path) -> Iterator[None]:
    """Hold the lock of a training's folder, in the process that writes, and clear away what dead processes left.

    Raises:
        UnavailableError: another training is writing it.
    """
    if not is_writer():
        yield
        return
    with locked(out):
        for folder in (out, *inside):
            remove_leftovers(folder)
        yield


def local(device: str) -> str:
    """The device of this process: that of its rank if a launcher started several and no index was given."""
    rank = this_rank().local
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
        raise InputError("float16 needs a GPU: use amp=bf16, or none, on the CPU.")
    with joined(device), warnings.catch_warnings():
        accelerate.state.AcceleratorState._reset_state(reset_partial_state=not dist.is_initialized())
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
        if accelerator.num_processes != (size := this_rank().size):
            raise InputError(
                f"WORLD_SIZE says {size} processes, and accelerate sees {accelerator.num_processes}: "
                "set RANK, LOCAL_RANK and WORLD_SIZE in all of them."
            )
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        if log is not None:
            accelerator.init_trackers("log", config={name: str(value) for name, value in settings.items()})
        try:
            yield accelerator
        finally:
            accelerator.end_training()


def mean_over_ranks(accelerator: Any, numbers: Mapping[str, Tensor]) -> dict[str, float]:
    """The means of 0-dim tensors over all processes, as numbers by name."""
    together = torch.stack([number.detach().double() for number in numbers.values()])
    return dict(zip(numbers, accelerator.reduce(together, "mean").tolist(), strict=True))
