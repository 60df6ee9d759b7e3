"""Checkpoints of trainings: what the state of a run is, how it is written and read again, and how a run goes on."""

import json
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256 as digest_of
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from hiergeo._core.errors import InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage import tensors as tensor_files
from hiergeo._core.storage.documents import AnyFloat, Count, Document, Json, Sha256
from hiergeo._core.storage.files import atomic_write, sha256, writing
from hiergeo._core.text import shortened
from hiergeo._core.version import __version__
from hiergeo.training.trainer import EvalRecord, Steps, TrainingRun

WEIGHT, GENERATOR = "weight/", "generator"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""State that AdamW keeps for each weight."""

Weights = Mapping[str, nn.Parameter]


def collect(weights: Weights, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of `weights`, of their optimiser and of torch's generator, on the CPU."""
    tensors = {f"{WEIGHT}{name}": weight.detach() for name, weight in weights.items()}
    for name, weight in weights.items():
        state = optimiser.state.get(weight, {})
        tensors |= {f"{moment}/{name}": state[moment] for moment in MOMENTS if moment in state}
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()} | {GENERATOR: torch.get_rng_state()}


def check_fit(tensors: Mapping[str, Tensor], weights: Weights) -> None:
    """Raise InputError, naming the first that differs, unless stored tensors are a state of `weights`.

    Every weight has to be there, with all of its moments or none, each of its own shape.
    """
    expected = {f"{WEIGHT}{name}": tuple(weight.shape) for name, weight in weights.items()}
    for name, weight in weights.items():
        moments = {f"{moment}/{name}": tuple(weight.shape) if moment != "step" else () for moment in MOMENTS}
        expected |= moments if moments.keys() & tensors.keys() else {}
    expected[GENERATOR] = tuple(torch.get_rng_state().shape)
    tensor_files.check_fit("a checkpoint", expected, {name: tuple(tensor.shape) for name, tensor in tensors.items()})
    for name, tensor in tensors.items():
        if not (tensor.dtype == torch.uint8 if name == GENERATOR else tensor.is_floating_point()):
            raise InputError(f"a checkpoint does not fit: its tensor '{name}' holds {tensor.dtype}.")


@torch.no_grad()
def restore_weights(tensors: Mapping[str, Tensor], weights: Weights) -> None:
    """Restore stored weights. Raises InputError as `check_fit`."""
    check_fit(tensors, weights)
    for name, weight in weights.items():
        weight.copy_(tensors[f"{WEIGHT}{name}"])


def restore(tensors: Mapping[str, Tensor], weights: Weights, optimiser: torch.optim.Optimizer) -> None:
    """Restore a stored state.

    Raises:
        InputError: as `check_fit`, or the state of the random generator is not valid.
    """
    restore_weights(tensors, weights)
    for name, weight in weights.items():
        moments = {moment: tensors.get(f"{moment}/{name}") for moment in MOMENTS}
        state = {m: t.to("cpu" if m == "step" else weight.device) for m, t in moments.items() if t is not None}
        if state:
            optimiser.state[weight] = state
    try:
        torch.set_rng_state(tensors[GENERATOR])
    except RuntimeError as error:
        raise InputError("a checkpoint is damaged: its state of the random generator is not valid.") from error


NAME = r"step-\d{8}\.(safetensors|json)"
"""Pattern of the names of checkpoint files; temporary ones have a leading dot and a suffix."""

KEPT = 2
"""Number of newest checkpoints that are kept, besides the best ones that they name."""


Scale = Annotated[str, Field(pattern="^(scale|growth_factor|backoff_factor|growth_interval|_growth_tracker)$")]
"""A name in the state of float16's loss scaling."""


class _Described(Document):
    """The JSON part of a checkpoint."""

    hiergeo: str
    torch: str
    step: Count
    best: Count
    sha256: Sha256
    run: dict[str, Json]
    scaler: Annotated[dict[Scale, int | float], Field(min_length=5)] | None
    looks: tuple[EvalRecord, ...]
    curve: dict[str, list[AnyFloat]]


@dataclass(frozen=True)
class Checkpoint:
    """State of a training after a step.

    Attributes:
        step: steps taken.
        best: the step with the lowest validation loss so far.
        run: what is trained, on what and how, as JSON values; a training goes on only where all of it is the same.
        looks: the looks so far.
        curve: name -> its value after every step so far; empty where these are kept elsewhere.
        scaler: the state of float16's loss scaling; None without it.
        tensors: see `hiergeo.training.checkpoints`.
    """

    step: int
    best: int
    run: Mapping[str, Any]
    looks: tuple[EvalRecord, ...]
    curve: dict[str, list[float]]
    scaler: Mapping[str, Any] | None
    tensors: Mapping[str, Tensor]


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Add a checkpoint to a folder and remove those that are no longer needed.

    Raises:
        UnavailableError: the folder cannot be written; existing checkpoints are kept.
    """
    tensors, described = _paths(folder, checkpoint.step)
    content = tensor_files.packed(checkpoint.tensors)
    with atomic_write(tensors) as handle:
        handle.write(content)
    description = {
        "hiergeo": __version__,
        "torch": torch.__version__,
        "step": checkpoint.step,
        "best": checkpoint.best,
        "sha256": digest_of(content).hexdigest(),
        "run": dict(checkpoint.run),
        "scaler": checkpoint.scaler,
        "looks": [look.as_dict() for look in checkpoint.looks],
        "curve": checkpoint.curve,
    }
    documents.write(described, description, indent=None)
    _prune(folder)


def read(folder: Path, step: int) -> Checkpoint:
    """The checkpoint of a step.

    Raises:
        InputError: it is not there, damaged, altered, or contradicts itself.
    """
    tensors, described = _paths(folder, step)
    stored = _described(folder, step)
    if not tensors.is_file() or sha256(tensors) != stored.sha256:
        raise InputError(f"{tensors} is missing or damaged.")
    seen = [look.step for look in stored.looks]
    lengths = {len(values) for values in stored.curve.values()}
    if seen != sorted(set(seen)) or step not in seen[-1:] or stored.best not in seen or lengths - {step}:
        raise InputError(f"{described} is damaged: its looks and its curve do not fit step {step}.")
    weights = tensor_files.read(tensors)
    return Checkpoint(step, stored.best, stored.run, stored.looks, stored.curve, stored.scaler, weights)


def latest(folder: Path) -> Checkpoint | None:
    """The newest intact checkpoint, with a warning for every newer one that is damaged; None where there is none."""
    for step in sorted(steps(folder), reverse=True):
        try:
            return read(folder, step)
        except InputError as error:
            warnings.warn(f"{str(error).rstrip('.')}: going back to the checkpoint before it.", stacklevel=2)
    return None


def steps(folder: Path) -> list[int]:
    """Steps for which a folder holds a checkpoint, intact or not."""
    named = (path.stem for path in folder.glob("step-*.json") if re.fullmatch(NAME, path.name))
    return [int(stem.removeprefix("step-")) for stem in named]


def forget_after(folder: Path, step: int) -> None:
    """Remove the damaged checkpoints after a step, from which training resumes.

    Raises:
        UnavailableError: one of them cannot be removed.
    """
    with writing(folder):
        for later in steps(folder):
            if later > step:
                for path in _paths(folder, later):
                    path.unlink(missing_ok=True)


def check_same(folder: Path, begun: Mapping[str, Any], requested: Mapping[str, Any]) -> None:
    """Raise InputError, naming the first difference, unless two runs are the same."""
    for name in {**requested, **begun}:
        was, now = (json.loads(json.dumps(run.get(name))) for run in (begun, requested))
        if was != now:
            was, now = (shortened(json.dumps(value), 100) for value in (was, now))
            raise InputError(
                f"{folder} is of another training, with {name} {was} instead of {now}: give the same settings and "
                "data, replace it (--overwrite), or choose another folder."
            )


def _paths(folder: Path, step: int) -> tuple[Path, Path]:
    return folder / f"step-{step:08d}.safetensors", folder / f"step-{step:08d}.json"


def _described(folder: Path, step: int) -> _Described:
    described = _paths(folder, step)[1]
    if not described.is_file():
        raise InputError(f"there is no checkpoint {described}.")
    description = documents.read(described, _Described, hashed=True)
    if description.step != step:
        raise InputError(f"{described} is damaged: it is of step {description.step}.")
    return description


def _prune(folder: Path) -> None:
    """Remove checkpoints that are neither newest nor best, and files that a killed process left behind."""
    newest = sorted(steps(folder))[-KEPT:]
    names = {path.name for step in newest for path in _paths(folder, step)}
    for step in newest:
        try:
            best = _described(folder, step).best
        except InputError:
            continue
        names |= {path.name for path in _paths(folder, best)}
    with writing(folder):
        for path in folder.iterdir():
            if re.fullmatch(rf"{NAME}|\.{NAME}\..+", path.name) and path.name not in names:
                path.unlink(missing_ok=True)


class ResumableRun(TrainingRun):
    """A training of several processes that goes on after an interruption.

    Attributes:
        accelerator: of Hugging Face accelerate.
        weights: all that a checkpoint holds, by name.
        adam: the optimiser of the weights.
        curve: name -> its value after every step so far; empty where these are kept elsewhere.
    """

    accelerator: Any
    weights: Mapping[str, Any]
    adam: torch.optim.Optimizer
    curve: dict[str, list[float]]

    def checkpoint(self, identity: Mapping[str, Any]) -> Checkpoint:
        """The state after the last look of a training with this identity."""
        scaler = self.accelerator.scaler
        return Checkpoint(
            step=self.looks[-1].step,
            best=self.best,
            run=identity,
            looks=tuple(self.looks),
            curve=self.curve,
            scaler=None if scaler is None else scaler.state_dict(),
            tensors=collect(self.weights, self.adam),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to the state of a checkpoint."""
        restore(checkpoint.tensors, self.weights, self.adam)
        if checkpoint.scaler is not None and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(checkpoint.scaler)
        self.looks = list(checkpoint.looks)
        self.curve = {name: list(values) for name, values in checkpoint.curve.items()}

    def resume(self, folder: Path, identity: Mapping[str, Any], result: Path, *, overwrite: bool) -> int:
        """Go back to the newest intact checkpoint and remove later ones; returns its step, -1 where there is none.

        Args:
            folder: of the checkpoints.
            identity: what the training is; only one that agrees in all of it goes on.
            result: what a finished training leaves.
            overwrite: begin anew.

        Raises:
            InputError: checkpoints of another training, a finished training without any, or a lost best state.
        """
        saved = None if overwrite else latest(folder)
        self.accelerator.wait_for_everyone()
        if saved is not None:
            check_same(folder, saved.run, identity)
            if saved.best != saved.step:
                _check_best(folder, saved.best)
            self.restore(saved)
        elif not overwrite and result.exists():
            raise InputError(f"{result.parent} holds a training without intact checkpoints: replace it (--overwrite).")
        elif not overwrite and steps(folder):
            warnings.warn(f"{folder} holds no intact checkpoint: training begins anew.", stacklevel=4)
        step = -1 if saved is None else saved.step
        if self.accelerator.is_main_process:
            forget_after(folder, step)
        return step

    def train_on(
        self, steps: Callable[[range], Steps], log: Callable[[EvalRecord], None], folder: Path, identity: dict[str, Any]
    ) -> str | None:
        """Take the steps that are left, as `train`; every look is logged and leaves a checkpoint."""

        def looked() -> None:
            log(self.looks[-1])
            if self.accelerator.is_main_process:
                write(folder, self.checkpoint(identity))

        return self.train(steps, looked)


def _check_best(folder: Path, best: int) -> None:
    """Raise InputError unless the checkpoint of the best state so far is there and intact."""
    try:
        read(folder, best)
    except InputError as error:
        raise InputError(
            f"the best state so far is lost ({str(error).rstrip('.')}): restore it, or train into another folder."
        ) from error
