"""Training of image-text models: takes a plan, leaves a folder that is a model, with its log and its checkpoints."""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from hiergeo import adapters
from hiergeo._core.errors import InputError
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.progress import track
from hiergeo._core.storage.files import atomic_write_text, path_of, retire, writing
from hiergeo._core.version import __version__
from hiergeo.adapters import huggingface
from hiergeo.adapters.huggingface import HuggingFaceClip, HuggingFaceModel
from hiergeo.adapters.open_clip import CONFIG, WEIGHTS, OpenClipModel, fresh_open_clip
from hiergeo.adapters.towers import merge_adapters
from hiergeo.adapters.trained import COSINE, DESCRIPTION, Trainable, write_trained
from hiergeo.training import checkpoints
from hiergeo.training.clip.card import clip_card
from hiergeo.training.clip.data import Pairs, decoded_ahead
from hiergeo.training.clip.plan import ClipPlan, read_clip_plan
from hiergeo.training.clip.run import ClipRun
from hiergeo.training.processes import accelerated, is_writer, local, sole_writer
from hiergeo.training.trainer import EvalRecord, Steps

CHECKPOINTS, LOG, CARD = "checkpoints", "log.jsonl", "README.md"
"""Names of the parts of a training's folder beside those of the model."""

OWN = (CARD, LOG, CONFIG, WEIGHTS, huggingface.WEIGHTS)
"""Files that are not overwritten in a folder that no training made."""


@dataclass(frozen=True)
class ClipTrained:
    """A trained image-text model.

    Attributes:
        spec: what `hiergeo.adapters.load` loads it by.
        history: the looks, the first before training.
        diverged: why training broke off, naming the step; None where it did not. The model is that of the last look.
        described: what ``hiergeo.json`` says.
    """

    spec: str
    history: tuple[EvalRecord, ...]
    diverged: str | None
    described: dict[str, Any]


@torch_defaults()
def train_clip(
    plan: ClipPlan | Mapping[str, Any] | Path | str, *, overwrite: bool = False, progress: bool = False
) -> ClipTrained:
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
    with sole_writer(out, out / CHECKPOINTS), torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        model = _model(plan)
        pairs = Pairs(plan.data, plan.seed, plan.boxed)
        settings = plan.model_dump(mode="json")
        with accelerated(model.device, plan.precision, plan.log, out, settings) as accelerator:
            if plan.batch % accelerator.num_processes:
                shares = accelerator.num_processes
                raise InputError(f"a batch of {plan.batch} pairs does not part evenly among {shares} processes.")
            begun = _identity(model, plan, pairs)
            run = ClipRun(model, plan, pairs, accelerator)
            folder = out / CHECKPOINTS
            log = _Log(out / LOG, run.resume(folder, begun, out / DESCRIPTION, overwrite=overwrite), accelerator)
            steps = partial(_steps, run, log, progress=progress and is_writer())
            diverged = run.train_on(steps, lambda look: log.write({"look": look.step, **look.as_dict()}), folder, begun)
            accelerator.wait_for_everyone()
            checkpoints.restore_weights(checkpoints.read(folder, run.looks[-1].step).tensors, run.weights)
            described = begun | _described(run, diverged)
            if accelerator.is_main_process:
                _write(run, out, described)
            accelerator.wait_for_everyone()
    return ClipTrained(f"trained:{plan.out}", tuple(run.looks), diverged, described)


def _checked(plan: ClipPlan | Mapping[str, Any] | Path | str) -> ClipPlan:
    if isinstance(plan, str | Path):
        return read_clip_plan(plan)
    made = plan if isinstance(plan, ClipPlan) else ClipPlan(**plan)
    made.check()
    return made


def _model(plan: ClipPlan) -> Trainable:
    name, _, rest = plan.model.partition(":")
    device = local(plan.device)
    if plan.fresh and name == "open_clip" and "/" not in rest:
        return fresh_open_clip(rest, plan.seed, device=torch.device(device))
    model = adapters.load(plan.model, device=device)
    model = adapters.untrained(model, plan.seed) if plan.fresh else model
    if isinstance(model, HuggingFaceModel):
        return HuggingFaceClip(model)
    if not isinstance(model, OpenClipModel):
        raise InputError(f"{plan.model} has no two towers to train: name tiny, open_clip:ARCH/TAG or hf:NAME_OR_PATH.")
    return model


def _identity(model: Trainable, plan: ClipPlan, pairs: Pairs) -> dict[str, Any]:
    """What a training is: only one that agrees in all of this goes on from its checkpoints."""
    settings = plan.model_dump(mode="json", exclude={"out", "device", "data", "log"})
    unused = {"workers"} | (set() if plan.boxed else {"boxes", "box_column"})
    data = plan.data.model_dump(mode="json", exclude=unused) | pairs.identity
    return {"base_fingerprint": model.fingerprint(), "plan": settings, "data": data}


def _steps(run: ClipRun, log: "_Log", left: range, progress: bool) -> Steps:
    """Take steps and log them, with the pictures of the next ones read ahead."""
    plan = run.plan
    batches = islice(run.pairs.batches(plan.batch, run.place), len(left))
    prepared = decoded_ahead(batches, run.share, run.model.transform, plan.data.workers)
    numbered = zip(track(left, "training", enabled=progress, note=lambda: log.note), prepared, strict=False)
    with closing(prepared):
        for number, batch in numbered:
            numbers = run.step(number, *batch)
            log.write({"step": number, **numbers})
            yield number, {name: numbers[name] for name in ("total", *plan.losses)}


RECENT = 20
"""Steps over which their speed is taken."""


class _Log:
    """Lines of JSON in a file, of the process that writes, and the trackers of accelerate.

    Lines behind the step of a checkpoint are taken back.
    """

    def __init__(self, path: Path, step: int, accelerator: Any) -> None:
        self.path, self.step, self.accelerator, self.note = path, step, accelerator, ""
        self.times: deque[float] = deque(maxlen=RECENT)
        if accelerator.is_main_process:
            lines = path.read_text("utf-8").splitlines() if path.is_file() else []
            atomic_write_text(path, "".join(f"{line}\n" for line in lines if _step_of(line) <= step))

    def write(self, values: dict[str, Any]) -> None:
        """Add a line."""
        if "total" in values:
            self.times.append(monotonic())
            seconds = self.times[-1] - self.times[0]
            speed = f", {(len(self.times) - 1) / seconds:.3g} steps/s" if seconds else ""
            self.note = f"loss {values['total']:.4f}{speed}"
        self.accelerator.log(dict(_numbers(values)), step=values["step"])
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


def _described(run: ClipRun, diverged: str | None) -> dict[str, Any]:
    space = run.objective.space
    return {
        "base": run.plan.model,
        "space": COSINE if run.plan.space == COSINE else space.geometry.fixed().spec,
        "min_radius": run.plan.min_radius,
        "dim": run.model.embed_dim,
        "temperature": float(run.objective.temperature.detach()),
        "steps": run.looks[-1].step,
        "diverged": diverged,
        "last_look": run.looks[-1].as_dict(),
        "hiergeo": __version__,
        "torch": torch.__version__,
    }


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
