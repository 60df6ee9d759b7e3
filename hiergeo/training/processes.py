"""Processes, precision and trackers of a training, through torch.distributed and Hugging Face accelerate."""

import ctypes
import importlib.util
import os
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

from hiergeo._core import extras
from hiergeo._core.devices import AUTO, resolve_device
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError, unknown_name
from hiergeo._core.numerics import wide
from hiergeo._core.storage.files import remove_leftovers
from hiergeo._core.storage.locks import locked

LOGS = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}
"""Name of a log -> the packages of which one is needed."""

MEETING = 60.0
"""Seconds that processes wait for each other at the start."""


class Rank(NamedTuple):
    """Which process of a training this is: from 0, of how many, and which of this machine, where that is set."""

    rank: int = 0
    size: int = 1
    local: int | None = None


def this_rank() -> Rank:
    """What RANK, WORLD_SIZE and LOCAL_RANK say, which torchrun and accelerate set.

    Raises:
        InputError: they, or where several processes meet (MASTER_ADDR and MASTER_PORT), describe no process.
    """
    values = os.environ
    if not values.keys() & {"RANK", "WORLD_SIZE", "LOCAL_RANK"}:
        return Rank()
    try:
        rank, size = int(values["RANK"]), int(values["WORLD_SIZE"])
        local = int(values["LOCAL_RANK"]) if "LOCAL_RANK" in values else None
        if not 0 <= rank < size or (size > 1 and not (values["MASTER_ADDR"] and int(values["MASTER_PORT"]))):
            raise ValueError
    except (KeyError, ValueError):
        raise InputError(
            "RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT describe no process of a training: start it "
            "with torchrun or accelerate launch."
        ) from None
    return Rank(rank, size, local)


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Within the block all processes of the training form a group of torch.distributed.

    A process that dies ends the others: a launcher stops them, and without one their next operation among processes
    fails, since the operating system closes the connections of the dead one.

    Args:
        device: where this process computes: groups of ``cuda`` use NCCL, others gloo.

    Raises:
        InputError: as `this_rank`.
        UnavailableError: the others did not come within about `MEETING` seconds, or one of them is gone.
    """
    here = this_rank()
    if here.size == 1 or dist.is_initialized():
        yield
        return
    try:
        patience = timedelta(seconds=MEETING)
        store, rank, size = next(dist.rendezvous("env://", timeout=patience))
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=patience)
        _immortal(dist.group.WORLD)
        with suppress(AttributeError):  # torch has no public way to set it
            dist.distributed_c10d._set_pg_timeout(default_pg_timeout)  # of the work: the writer may evaluate for long
        yield
    except HiergeoError:
        raise
    except Exception as error:  # all but those that another process caused are raised again
        if not (isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))):
            raise
        _immortal(error)
        meeting = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise UnavailableError(
            f"another of the {here.size} processes at {meeting} ended, or did not come within {MEETING:.0f} seconds: "
            "see what it said, and start all of them again to go on."
        ) from error
    else:
        if dist.is_initialized():
            with suppress(Exception):  # of connections that are gone
                dist.destroy_process_group()


def _immortal(held: object) -> None:
    """Let an object live as long as the process.

    The destructor of gloo joins threads: they may wait for a dead process, or for the interpreter, which it holds.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))


def is_writer() -> bool:
    """Whether this process is the one that writes and prints: rank 0 of those that a launcher started."""
    return this_rank().rank == 0


@contextmanager
def sole_writer(seed: int, out: Path, *inside: Path) -> Iterator[None]:
    """Hold the lock of a training's folder, in the process that writes, with torch's generator seeded for the block.

    What dead processes left in it is cleared away.

    Raises:
        UnavailableError: another training is writing it.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
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


@contextmanager
def accelerated(
    device: torch.device, amp: str, batch: int, log: str | None, out: Path, settings: Mapping[str, Any]
) -> Iterator[Any]:
    """An accelerate `Accelerator` for one training, among the processes of the same training.

    Raises:
        InputError: float16 without a GPU, an unknown log, a batch that the processes cannot share, or processes that
            `joined` refuses.
        UnavailableError: accelerate, or the package of the log, is not installed; another process is gone.
    """
    if log is not None and log not in LOGS:
        raise unknown_name("log", log, LOGS)
    if log is not None and not any(map(importlib.util.find_spec, LOGS[log])):
        raise UnavailableError(f"logging to {log} needs a package that is not here: pip install {LOGS[log][0]}.")
    if batch % (size := this_rank().size):
        raise InputError(f"a batch of {batch} does not part evenly among {size} processes.")
    accelerate = extras.require("accelerate", "training a tower")
    if amp == "fp16" and device.type == "cpu":
        raise InputError("float16 needs a GPU: use amp=bf16, or none, on the CPU.")
    with joined(device), warnings.catch_warnings():
        accelerate.state.AcceleratorState._reset_state(reset_partial_state=not dist.is_initialized())
        accelerator = accelerate.Accelerator(
            cpu=device.type == "cpu",
            device_placement=False,
            mixed_precision=amp,
            log_with=log,
            project_dir=str(out),
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
    together = torch.stack([wide(number.detach()) for number in numbers.values()])
    return dict(zip(numbers, accelerator.reduce(together, "mean").tolist(), strict=True))
