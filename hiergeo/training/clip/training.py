"""Training of image-text models: takes a plan, leaves a folder that is a model, with its log and its checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hiergeo import adapters
from hiergeo._core.devices import resolve_device
from hiergeo._core.errors import InputError
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.storage.files import atomic_write_text, path_of, retire
from hiergeo._core.version import __version__
from hiergeo.adapters import huggingface
from hiergeo.adapters.huggingface import HuggingFaceClip, HuggingFaceModel
from hiergeo.adapters.open_clip import CONFIG, WEIGHTS, OpenClipModel, fresh_open_clip
from hiergeo.adapters.towers import merge_adapters
from hiergeo.adapters.trained import COSINE, DESCRIPTION, Trainable, write_trained
from hiergeo.training.clip.card import clip_card
from hiergeo.training.clip.data import Pairs
from hiergeo.training.clip.plan import ClipPlan, read_clip_plan
from hiergeo.training.clip.run import ClipRun
from hiergeo.training.processes import accelerated, is_writer, local, sole_writer
from hiergeo.training.resuming import CHECKPOINTS, LOG, TrainedFolder

CARD = "README.md"

OWN = (CARD, LOG, CONFIG, WEIGHTS, huggingface.WEIGHTS)
"""Files that are not overwritten in a folder that no training made."""


@torch_defaults()
def train_clip(
    plan: ClipPlan | Mapping[str, Any] | Path | str, *, overwrite: bool = False, progress: bool = False
) -> TrainedFolder:
    """Train an image-text model in a space, or go on with a training that was interrupted.

    ``plan.out`` becomes the model's folder: ``trained:OUT`` loads it, in its native space, and its library the towers.
    ``log.jsonl`` there gets a line for every step and every look. The same plan goes on from the newest intact
    checkpoint, to the same weights as without the interruption, bit for bit on the same number of threads and
    processes. Of several processes (torchrun, accelerate launch) each takes its share of every batch, and the first
    writes.

    Args:
        plan: a plan, its values by name, or its TOML file.
        overwrite: begin anew whatever training the folder holds.
        progress: draw a bar for work that outlasts a second.

    Raises:
        InputError: a plan, a model or data that cannot be used, or a folder that holds another training.
        UnavailableError: a package or weights are missing, the folder cannot be written, another training is writing
            it, or one of several processes is gone.
    """
    plan = _checked(plan)
    out = path_of(plan.out)
    ours = any((out / name).exists() for name in (DESCRIPTION, CHECKPOINTS))
    if not ours and (strange := [name for name in OWN if (out / name).exists()]):
        raise InputError(f"{out / strange[0]} exists but was not created by a training: choose another folder.")
    device, settings = resolve_device(local(plan.device)), plan.model_dump(mode="json")
    with (
        sole_writer(plan.seed, out, out / CHECKPOINTS),
        accelerated(device, plan.precision, plan.batch, plan.log, out, settings) as accelerator,
    ):
        pairs = Pairs(plan.data, plan.seed, plan.boxed)
        model = _model(plan, device)
        identity = _identity(model, plan, pairs)
        run = ClipRun(model, plan, pairs, accelerator)
        diverged = run.complete(out, identity, DESCRIPTION, overwrite=overwrite, progress=progress and is_writer())
        geometry = None if plan.space == COSINE else run.objective.space.geometry
        described = identity | {
            "base": plan.model,
            "space": COSINE if geometry is None else geometry.fixed().spec,
            "law": {} if geometry is None else geometry.learnt,
            "min_radius": plan.min_radius,
            "dim": model.embed_dim,
            "temperature": float(run.objective.temperature.detach()),
            "steps": run.looks[-1].step,
            "diverged": diverged,
            "last_look": run.looks[-1].as_dict(),
            "hiergeo": __version__,
            "torch": torch.__version__,
        }
        if accelerator.is_main_process:
            _write(run, out, described)
        accelerator.wait_for_everyone()
    return TrainedFolder(f"trained:{plan.out}", geometry, tuple(run.looks), run.best, diverged, described)


def _checked(plan: ClipPlan | Mapping[str, Any] | Path | str) -> ClipPlan:
    if isinstance(plan, str | Path):
        return read_clip_plan(plan)
    given = plan if isinstance(plan, ClipPlan) else ClipPlan(**plan)
    given.check()
    return given


def _model(plan: ClipPlan, device: torch.device) -> Trainable:
    name, _, rest = plan.model.partition(":")
    if plan.fresh and name == "open_clip" and "/" not in rest:
        return fresh_open_clip(rest, plan.seed, device=device)
    model = adapters.load(plan.model, device=device)
    model = adapters.untrained(model, plan.seed) if plan.fresh else model
    if isinstance(model, HuggingFaceModel):
        return HuggingFaceClip(model)
    if not isinstance(model, OpenClipModel):
        raise InputError(f"{plan.model} has no two towers to train: name tiny, open_clip:ARCH/TAG or hf:NAME_OR_PATH.")
    return model.trainable()


def _identity(model: Trainable, plan: ClipPlan, pairs: Pairs) -> dict[str, Any]:
    """What a training is: only one that agrees in all of this goes on from its checkpoints."""
    settings = plan.model_dump(mode="json", exclude={"out", "device", "data", "log"})
    unused = {"workers"} | (set() if plan.boxed else {"boxes", "box_column"})
    data = plan.data.model_dump(mode="json", exclude=unused) | pairs.identity
    return {"base_fingerprint": model.fingerprint(), "plan": settings, "data": data}


def _write(run: ClipRun, out: Path, described: dict[str, Any]) -> None:
    """The model, its card and, last of all, its description."""
    merge_adapters(run.network.towers)
    for name, counted in run.network.towers.named_buffers():
        if name.endswith("num_batches_tracked"):  # of this process alone, and nothing depends on it
            counted.zero_()
    run.network.towers.logit_scale.data.copy_(run.objective.log_scale.detach())
    retire(out / DESCRIPTION)
    atomic_write_text(out / CARD, clip_card(described, out.resolve().name))
    write_trained(out, run.model, run.network, described)
