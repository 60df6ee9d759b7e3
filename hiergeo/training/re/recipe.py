"""The recipe of fine-tuning a text tower, and the captions that it learns from."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_positive, check_whole, unknown_name
from hiergeo._core.storage.documents import STRICT
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.training.chains import Chains, from_hierarchy
from hiergeo.training.objective import RE, Objective


@dataclass(frozen=True)
class CaptionChains:
    """Chains, and the captions at their positions.

    Attributes:
        chains: over the embeddings of the frozen model, computed once: the reference of the prior.
        texts: caption i is that of row i of ``chains.text``.
    """

    chains: Chains
    texts: tuple[str, ...]

    @cached_property
    def sha256(self) -> str:
        """The hash of captions, chains and groups, in hexadecimal; embeddings do not enter it."""
        positions = [part.tolist() for part in (self.chains.positive, self.chains.negative, self.chains.group)]
        return sha256(json.dumps([self.texts, *positions]).encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """Origin, number of rows and hash, as JSON values."""
        return {"origin": self.chains.origin, "rows": len(self.chains), "sha256": self.sha256}

    def frozen(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The frozen embeddings of positive and negative chains of some rows, (b, T, D) each."""
        chains = self.chains
        return chains.text[chains.positive[rows]], chains.text[chains.negative[rows]]

    def distinct(self, rows: Tensor) -> tuple[list[str], Tensor, Tensor]:
        """The distinct captions of some rows, and their (b, T) positive and negative chains as places among them."""
        both = torch.stack((self.chains.positive[rows], self.chains.negative[rows]))
        places, inverse = torch.unique(both, return_inverse=True)
        return [self.texts[place] for place in places.tolist()], inverse[0], inverse[1]


def caption_chains(hierarchy: Hierarchy, model: Model, *, force: bool = False, progress: bool = False) -> CaptionChains:
    """Chains of a dataset; each distinct caption is embedded once by the frozen model.

    Raises:
        InputError: as `hiergeo.training.from_hierarchy`.
    """
    return CaptionChains(from_hierarchy(hierarchy, model, force=force, progress=progress), hierarchy.texts)


PRECISIONS = ("no", "bf16", "fp16")
"""Precisions of the network's computation; losses and weights are always float32."""

LARGEST = {
    "batch": limits.COUNT,
    "accumulate": limits.COUNT,
    "epochs": limits.TRAINING_STEPS,
    "steps": limits.TRAINING_STEPS,
    "lora": limits.WIDTH,
    "every": limits.TRAINING_STEPS,
    "patience": limits.TRAINING_STEPS,
}
"""Whole numbers of a recipe, from 1 to these."""


@dataclass(frozen=True)
class TowerRecipe:
    """How a tower is trained by AdamW.

    Attributes:
        losses: name -> weight, see `hiergeo.training.LOSSES`; the RE loss of the paper by default.
        learning_rate: constant.
        weight_decay: of AdamW.
        batch: chains of a batch, over all processes; batch-hard mining sees exactly these.
        accumulate: batches a step, whose gradients are averaged; each is mined for itself.
        epochs: passes over the training rows; a last incomplete step of a pass is left out.
        steps: the budget of steps; None is what `epochs` come to.
        lora: rank of low-rank adapters that are trained in the tower's stead; None trains it whole.
        amp: ``no``, ``bf16`` or ``fp16`` (GPU only).
        validation: the share of images, or of rows without images, that validate.
        every: steps between looks at the validation rows, each of which leaves a checkpoint.
        patience: looks without a better validation loss before training stops early; None never does.
        seed: of the batches, the validation rows and the adapters.

    Raises:
        InputError: a number out of range, or losses that `Objective` refuses.
    """

    __pydantic_config__ = STRICT

    losses: Mapping[str, float] = field(default_factory=lambda: dict(RE))
    learning_rate: float = 1e-7
    weight_decay: float = 0.01
    batch: int = 8
    accumulate: int = 1
    epochs: int = 1
    steps: int | None = None
    lora: int | None = None
    amp: str = "no"
    validation: float = 0.05
    every: int = 100
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        Objective(self.losses)
        for name, most in LARGEST.items():
            if (value := getattr(self, name)) is not None or name in ("batch", "accumulate", "epochs", "every"):
                check_whole(name, value, 1, most)
        check_whole("seed", self.seed, 0, limits.SEED)
        check_positive("the learning rate", self.learning_rate)
        if not 0 <= self.weight_decay < math.inf:
            raise InputError(f"the weight decay must be a number >= 0, not {self.weight_decay:g}.")
        if not 0 < self.validation < 1:
            raise InputError(f"the share of validation rows must be between 0 and 1, not {self.validation:g}.")
        if self.amp not in PRECISIONS:
            raise unknown_name("precision", self.amp, PRECISIONS)

    def per_epoch(self, rows: int) -> int:
        """Whole steps per epoch of so many rows. Raises InputError where there is none."""
        if rows < self.batch * self.accumulate:
            raise InputError(
                f"a step takes {self.batch * self.accumulate} chains (batch x accumulate) and there are only {rows} "
                "rows to train on: lower the batch."
            )
        return rows // (self.batch * self.accumulate)

    def budget(self, rows: int) -> int:
        """Steps of the whole training on so many rows."""
        whole = self.epochs * self.per_epoch(rows)
        return whole if self.steps is None else self.steps

    def batches(self, rows: Tensor, step: int) -> Tensor:
        """The rows of a step, from 1: (accumulate, batch). A pure function of rows, step and seed."""
        epoch, place = divmod(step - 1, self.per_epoch(len(rows)))
        order = torch.from_numpy(np.random.default_rng((self.seed, epoch)).permutation(len(rows)))
        size = self.batch * self.accumulate
        return rows[order[place * size : (place + 1) * size]].view(self.accumulate, self.batch)
