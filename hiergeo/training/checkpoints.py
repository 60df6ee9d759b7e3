"""Checkpoints of trainings: one safetensors file holds a state of a head, a tower or a model and its history."""

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hiergeo._core.errors import InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage import tensors as tensor_files
from hiergeo._core.storage.documents import STRICT, Count, Json
from hiergeo._core.storage.files import atomic_write, writing
from hiergeo._core.text import shortened
from hiergeo.training.trainer import EvalRecord

WEIGHT, GENERATOR = "weight/", "generator"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""State that AdamW has of each weight."""

Weights = Mapping[str, nn.Parameter]


def collect(weights: Weights, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of `weights`, of their optimiser and of torch's generator, on the CPU."""
    tensors = {f"{WEIGHT}{name}": weight.detach() for name, weight in weights.items()}
    for name, weight in weights.items():
        state = optimiser.state.get(weight, {})
        tensors |= {f"{moment}/{name}": state[moment] for moment in MOMENTS if moment in state}
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()} | {GENERATOR: torch.get_rng_state()}


@torch.no_grad()
def restore_weights(tensors: Mapping[str, Tensor], weights: Weights) -> None:
    """Restore stored weights. Raises InputError, naming the first that differs, for those of another network."""
    shapes = {name.removeprefix(WEIGHT): tuple(t.shape) for name, t in tensors.items() if name.startswith(WEIGHT)}
    tensor_files.check_fit("a checkpoint", {name: tuple(weight.shape) for name, weight in weights.items()}, shapes)
    for name, weight in weights.items():
        weight.copy_(tensors[f"{WEIGHT}{name}"].to(weight.device))


def restore(tensors: Mapping[str, Tensor], weights: Weights, optimiser: torch.optim.Optimizer) -> None:
    """Restore a stored state. Raises InputError as `restore_weights`."""
    restore_weights(tensors, weights)
    for name, weight in weights.items():
        moments = {moment: tensors[f"{moment}/{name}"] for moment in MOMENTS if f"{moment}/{name}" in tensors}
        if moments:
            optimiser.state[weight] = {m: t.to("cpu" if m == "step" else weight.device) for m, t in moments.items()}
    torch.set_rng_state(tensors[GENERATOR])


@dataclass(frozen=True)
class Checkpoint:
    """State of a training after a step.

    Attributes:
        step: steps taken.
        best: the step with the lowest validation loss so far.
        run: what is trained, on what and how, as JSON values; a training goes on only where all of it is the same.
        looks: the looks so far.
        scaler: the state of float16's loss scaling; None without it.
        diverged: why a training ended early; None where it did not.
        tensors: weights, and of those that go on the state of `collect`.
    """

    __pydantic_config__ = STRICT

    step: Count
    best: Count
    run: dict[str, Json]
    looks: tuple[EvalRecord, ...]
    scaler: dict[str, int | float] | None = None
    diverged: str | None = None
    tensors: dict[str, Any] = field(default_factory=dict, repr=False)


DESCRIPTION, DIGEST = "checkpoint", "sha256"
"""Keys of the metadata of a file: all but the tensors as JSON, and the hash of that and the tensors."""


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all. Raises UnavailableError where that cannot be."""
    text = json.dumps(asdict(replace(checkpoint, tensors={})))
    metadata = {DESCRIPTION: text, DIGEST: _digest(text, checkpoint.tensors)}
    content = tensor_files.packed(checkpoint.tensors, metadata)
    with atomic_write(path) as handle:
        handle.write(content)


def load(path: Path) -> Checkpoint:
    """The checkpoint in a file. Raises InputError where it is missing, damaged or altered."""
    if not path.is_file():
        raise InputError(f"there is no checkpoint {path}.")
    metadata, tensors = tensor_files.metadata(path), tensor_files.read(path)
    text = metadata.get(DESCRIPTION, "")
    if metadata.get(DIGEST) != _digest(text, tensors):
        raise InputError(f"{path} is damaged: its content does not match its hash.")
    return replace(_described(path, text), tensors=tensors)


def _described(path: Path, text: str) -> Checkpoint:
    try:
        return documents.validated(Checkpoint, documents.parse_json(text.encode()))
    except ValueError as error:
        raise InputError(f"{path} is damaged ({str(error).rstrip('.')}).") from error


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        content = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {content.dtype} {list(content.shape)}".encode())
        digest.update(content.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


NAME = r"step-\d{8}\.safetensors"
"""Pattern of the names of files; temporary ones have a leading dot and a suffix."""

NEWEST = 2
"""How many of the newest checkpoints stay, besides the best ones that they name."""


def path_of(folder: Path, step: int) -> Path:
    """The file of a step."""
    return folder / f"step-{step:08d}.safetensors"


def add(folder: Path, checkpoint: Checkpoint) -> None:
    """Add a checkpoint to a folder; those that are no longer needed, and files of killed processes, are removed.

    Raises:
        UnavailableError: the folder cannot be written; existing checkpoints stay.
    """
    save(path_of(folder, checkpoint.step), checkpoint)
    newest = [path_of(folder, step) for step in sorted(steps(folder))[-NEWEST:]]
    names = {path.name for path in newest}
    for path in newest:
        try:
            described = _described(path, tensor_files.metadata(path).get(DESCRIPTION, ""))
        except InputError:
            continue
        names.add(path_of(folder, described.best).name)
    with writing(folder):
        for path in folder.iterdir():
            if re.fullmatch(rf"{NAME}|\.{NAME}\..+", path.name) and path.name not in names:
                path.unlink(missing_ok=True)


def latest(folder: Path) -> Checkpoint | None:
    """The newest intact checkpoint, with a warning for every newer one that is damaged; None where there is none."""
    for step in sorted(steps(folder), reverse=True):
        try:
            return load(path_of(folder, step))
        except InputError as error:
            warnings.warn(f"{str(error).rstrip('.')}: going back to the checkpoint before it.", stacklevel=2)
    return None


def steps(folder: Path) -> list[int]:
    """Steps for which a folder holds a checkpoint, intact or not."""
    named = (path.stem for path in folder.glob("step-*.safetensors") if re.fullmatch(NAME, path.name))
    return [int(stem.removeprefix("step-")) for stem in named]


def forget_after(folder: Path, step: int) -> None:
    """Remove the damaged checkpoints after a step, from which training resumes."""
    with writing(folder):
        for later in steps(folder):
            if later > step:
                path_of(folder, later).unlink(missing_ok=True)


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
