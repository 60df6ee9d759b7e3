"""Trainings that go on after an interruption, of one process or several, with a log of every step and look."""

import json
import warnings
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from hiergeo._core.errors import InputError
from hiergeo._core.progress import track
from hiergeo._core.storage.files import atomic_write_text, writing
from hiergeo.geometry import Geometry
from hiergeo.training import checkpoints
from hiergeo.training.checkpoints import Checkpoint
from hiergeo.training.trainer import EvalRecord, Steps, TrainingRun

CHECKPOINTS, LOG = "checkpoints", "log.jsonl"
"""Names of the parts of a training's folder beside what is trained."""

RECENT = 20
"""Steps over which their speed is taken."""


class Log:
    """Lines of JSON in a file, of the process that writes, and the trackers of accelerate.

    Lines behind the step that training goes on from are taken back; `note` is the last loss and the speed, in words.
    """

    def __init__(self, path: Path, step: int, accelerator: Any) -> None:
        self.path, self.accelerator, self.note = path, accelerator, ""
        self._times: deque[float] = deque(maxlen=RECENT)
        if accelerator.is_main_process:
            lines = path.read_text("utf-8").splitlines() if path.is_file() else []
            atomic_write_text(path, "".join(f"{line}\n" for line in lines if _step_of(line) <= step))

    def write(self, values: Mapping[str, Any]) -> None:
        """Add a line of a step or a look."""
        if "total" in values:
            self._times.append(monotonic())
            seconds = self._times[-1] - self._times[0]
            speed = f", {(len(self._times) - 1) / seconds:.3g} steps/s" if seconds else ""
            self.note = f"loss {values['total']:.4f}{speed}"
        scalars = dict(_numbers(values))
        if "look" in values:  # steps log a tau_d of their batches
            scalars["validation/tau_d"] = scalars.pop("tau_d")
        self.accelerator.log(scalars, step=values["step"])
        if self.accelerator.is_main_process:
            with writing(self.path), self.path.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(values) + "\n")


def _numbers(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a line by name; those of lists and inner objects with their place or name behind a slash."""
    for name, value in values.items():
        if isinstance(value, list | tuple):
            value = dict(zip(map(str, range(len(value))), value, strict=True))
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{above}{name}/")
        elif isinstance(value, int | float):
            yield f"{above}{name}", value


def _step_of(line: str) -> float:
    try:
        values = json.loads(line)
        return float(values.get("step", values.get("look", float("inf"))))
    except (ValueError, AttributeError):
        return float("inf")


@dataclass(frozen=True)
class TrainedFolder:
    """A model that was trained into a folder.

    Attributes:
        spec: what `hiergeo.adapters.load` loads it by; empty in processes that do not write.
        geometry: with whatever curvature was learnt; None for cosines.
        history: the looks, the first before training.
        best: the step of the state in the folder.
        diverged: why training broke off, naming the step; None where it did not.
        config: what ``config.json`` of a tower, ``hiergeo.json`` of an image-text model says.
    """

    spec: str
    geometry: Geometry | None
    history: tuple[EvalRecord, ...]
    best: int
    diverged: str | None
    config: dict[str, Any]


class ResumableRun(TrainingRun):
    """A training that goes on after an interruption; `weights` are all that a checkpoint holds, by name."""

    accelerator: Any
    weights: Mapping[str, Any]
    adam: torch.optim.Optimizer

    def batches(self, left: range) -> Generator[Any, None, None]:
        """What each step that is left learns from."""
        raise NotImplementedError

    def step(self, number: int, batch: Any) -> tuple[dict[str, float], dict[str, Any]]:
        """Take a step, counted from 1; returns its losses by name, their weighted `total` too, and what else to log.

        Raises:
            Divergence: an embedding, a loss or a gradient that is not finite; the step is not taken.
        """
        raise NotImplementedError

    def complete(
        self, out: Path, identity: Mapping[str, Any], result: str, *, overwrite: bool, progress: bool
    ) -> str | None:
        """Take the steps that are left in a folder, and go back to the best state; returns why training diverged.

        Every look leaves a checkpoint, every step and look a line in the log. Only a training of the same identity goes
        on; a finished one left the file `result`.

        Raises:
            InputError: checkpoints of another training, a finished training without any, or a lost best state.
        """
        folder, main = out / CHECKPOINTS, self.accelerator.is_main_process
        log = Log(out / LOG, self._resume(folder, identity, out / result, overwrite), self.accelerator)

        def looked() -> None:
            log.write({"look": self.looks[-1].step, **self.looks[-1].as_dict()})
            if main:
                checkpoints.add(folder, self._checkpoint(identity))

        def steps(left: range) -> Steps:
            numbers = track(left, "training steps", enabled=progress and main, note=lambda: log.note)
            with closing(self.batches(left)) as batches:
                for number, batch in zip(numbers, batches, strict=False):
                    losses, facts = self.step(number, batch)
                    log.write({"step": number, **losses, **facts})
                    yield number, losses

        diverged = self.train(steps, looked)
        self.accelerator.wait_for_everyone()
        best = checkpoints.load(checkpoints.path_of(folder, self.best))
        checkpoints.restore_weights(best.tensors, self.weights)
        return diverged

    def _checkpoint(self, identity: Mapping[str, Any]) -> Checkpoint:
        scaler = self.accelerator.scaler
        state = None if scaler is None else scaler.state_dict()
        tensors = checkpoints.collect(self.weights, self.adam)
        return Checkpoint(self.looks[-1].step, self.best, dict(identity), tuple(self.looks), state, tensors=tensors)

    def _resume(self, folder: Path, identity: Mapping[str, Any], result: Path, overwrite: bool) -> int:
        """Go back to the newest intact checkpoint and remove later ones; returns its step, -1 where there is none."""
        saved = None if overwrite else checkpoints.latest(folder)
        self.accelerator.wait_for_everyone()
        if saved is not None:
            checkpoints.check_same(folder, saved.run, identity)
            if saved.best != saved.step:
                checkpoints.load(checkpoints.path_of(folder, saved.best))  # or it is refused now, not at the end
            checkpoints.restore(saved.tensors, self.weights, self.adam)
            if saved.scaler is not None and self.accelerator.scaler is not None:
                self.accelerator.scaler.load_state_dict(saved.scaler)
            self.looks = list(saved.looks)
        elif not overwrite and result.exists():
            raise InputError(f"{result.parent} holds a training without intact checkpoints: replace it (--overwrite).")
        elif not overwrite and checkpoints.steps(folder):
            warnings.warn(f"{folder} holds no intact checkpoint: training begins anew.", stacklevel=4)
        step = -1 if saved is None else saved.step
        if self.accelerator.is_main_process:
            checkpoints.forget_after(folder, step)
        return step
