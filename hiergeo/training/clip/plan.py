"""Plans of trainings: which model, space, data and losses, read from TOML and checked before any work starts."""

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from hiergeo._core import limits
from hiergeo._core.devices import AUTO
from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.storage.documents import Document, Raising, parse_toml, validated
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_text
from hiergeo.adapters.trained import COSINE
from hiergeo.geometry import parse
from hiergeo.losses import check_curvature
from hiergeo.training.clip.objective import CONTRASTS, LOSSES, OF_BOXES, OF_COSINES

SCENES = "scenes"
"""The source of generated pictures."""

Name = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(strict=True, ge=1, le=limits.COUNT)]
Steps = Annotated[int, Field(strict=True, ge=1, le=limits.TRAINING_STEPS)]
Number = Annotated[float, Field(gt=0)]


class PairData(Raising, Document):
    """What a model learns from.

    Attributes:
        source: ``scenes``, or a path as the reader of captions and images takes it: tables, WebDataset archives,
            folders, patterns.
        caption_column: of tables; None is the usual one. A cell may hold a list of captions, of which one is drawn.
        image_column: of tables; None is the usual one.
        rows: pictures of scenes.
        balanced: whether captions of scenes keep their length.
        boxes: of a picture, drawn anew in every pass where a loss needs boxes; pictures without any are left out then.
        box_column: of tables, a list of objects ``{"phrase": TEXT, "box": [left, top, right, bottom]}`` in fractions
            of the picture. In archives, boxes are pictures and texts of their own (GRIT as HyCoCLIP stores it).
        held_out: pictures that are not trained on, and measured at every look; of small data fewer, a quarter or so.
        buffer: pairs among which the order is shuffled; in archives they are held with the bytes of their images.
        workers: threads that decode pictures.
    """

    source: Name = SCENES
    caption_column: Name | None = None
    image_column: Name | None = None
    rows: Count = 20_000
    balanced: bool = False
    boxes: Count = 1
    box_column: Name = "boxes"
    held_out: Annotated[int, Field(strict=True, ge=2, le=limits.COUNT)] = 200
    buffer: Count = 2048
    workers: Annotated[int, Field(strict=True, ge=1, le=256)] = 4


class ClipPlan(Raising, Document):
    """A training of an image-text model.

    Attributes:
        out: the folder of the model, its log and its checkpoints.
        model: ``tiny``, ``open_clip:ARCH/TAG``, ``hf:NAME_OR_PATH`` (CLIP, SigLIP), or ``open_clip:ARCH`` with `fresh`.
        fresh: begin with random weights.
        lora: rank of low-rank adapters that are trained in the place of the towers, and merged at the end.
        space: ``cosine``, or the spec of a geometry around the origin, such as ``lorentz:-1?learnable``.
        min_radius: of its cones.
        losses: name -> weight, one of them of `CONTRASTS`.
        data: pairs of pictures and captions.
        steps: in all.
        batch: pairs a step, over all processes; each is a negative of every other.
        chunk: pairs that are embedded at a time; a smaller one takes less memory and gives the same gradient.
        learning_rate: the highest, after `warmup` steps; half a cosine follows.
        warmup: steps.
        weight_decay: of matrices; factors, temperature, curvature, gains and biases have none.
        betas: of AdamW.
        temperature: the first one, geodesic units.
        curvature: bounds of learnable |K|.
        precision: of the towers; losses and weights are float32.
        every: steps between looks, each of which leaves a checkpoint.
        seed: of weights, order and captions.
        device: where the model is trained.
        log: where the lines of ``log.jsonl`` go besides, ``tensorboard`` or ``wandb``.
    """

    out: Name
    model: Name = "tiny"
    fresh: bool = False
    lora: Annotated[int, Field(strict=True, ge=1, le=limits.WIDTH)] | None = None
    space: Name = "lorentz:-1?learnable"
    min_radius: Number = 0.1
    losses: dict[str, Number] = Field(default_factory=lambda: {"contrastive": 1.0, "entailment": 0.2})
    data: PairData = Field(default_factory=PairData)
    steps: Steps = 1000
    batch: Annotated[int, Field(strict=True, ge=2, le=limits.COUNT)] = 256
    chunk: Count | None = None
    learning_rate: Number = 5e-4
    warmup: Annotated[int, Field(strict=True, ge=0, le=limits.TRAINING_STEPS)] = 100
    weight_decay: Annotated[float, Field(ge=0)] = 0.2
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.98)
    temperature: Annotated[float, Field(ge=0.01, le=100)] = 0.07
    curvature: tuple[Number, Number] = (0.1, 10.0)
    precision: Literal["no", "bf16"] = "no"
    every: Steps = 100
    seed: Annotated[int, Field(strict=True, ge=0, le=limits.SEED)] = 0
    device: Name = AUTO
    log: Literal["tensorboard", "wandb"] | None = None

    @property
    def boxed(self) -> bool:
        """Whether a loss needs boxes."""
        return bool(OF_BOXES & self.losses.keys())

    def check(self) -> None:
        """Check what a type cannot say.

        Raises:
            InputError: an unknown loss (the nearest is suggested), none or several of `CONTRASTS`, a space that does
                not exist or that a loss cannot use, boxes that scenes do not have or a loss does not take, a curvature
                that starts out of its bounds.
        """
        for name in self.losses:
            if name not in LOSSES:
                raise unknown_name("loss", name, LOSSES)
        if len(CONTRASTS & self.losses.keys()) != 1:
            raise InputError(f"losses must name exactly one of {', '.join(sorted(CONTRASTS))}.")
        if self.boxed and self.data.source == SCENES:
            raise InputError(f"the loss '{min(OF_BOXES & self.losses.keys())}' needs boxes, and scenes have none.")
        if "hycoclip" in self.losses and self.data.boxes != 1:
            raise InputError(f"hycoclip takes one box of each picture: data.boxes must be 1, not {self.data.boxes}.")
        if self.space == COSINE and (others := self.losses.keys() - OF_COSINES):
            raise InputError(
                f"the loss '{min(others)}' needs a space with distances: 'cosine' has none, name a geometry."
            )
        if self.space != COSINE:
            check_curvature(parse(self.space), *self.curvature)

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 1."""
        if step <= self.warmup:
            return self.learning_rate * step / self.warmup
        left = (self.steps - step) / max(1, self.steps - self.warmup)
        return self.learning_rate * (0.5 - 0.5 * math.cos(math.pi * left))


def read_clip_plan(path: Path | str, **instead: str) -> ClipPlan:
    """The plan in a TOML file, with some of its values named `instead`.

    Raises:
        UnavailableError: there is no such file.
        InputError: it is not valid TOML, has unknown keys (the nearest is suggested) or values that do not fit, or
            `ClipPlan.check` refuses it.
    """
    path = path_of(path)
    table = parse_toml(read_text(path, "name a TOML file"), path) | instead
    try:
        plan = validated(ClipPlan, table)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    plan.check()
    return plan
