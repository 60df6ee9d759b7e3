"""The recipe of fine-tuning a text tower."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from hiergeo._core import limits
from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.storage.documents import STRICT
from hiergeo.training.objective import RE
from hiergeo.training.trainer import check_recipe

PRECISIONS = ("no", "bf16", "fp16")
"""Precisions of the network's computation; losses and weights are always float32."""


@dataclass(frozen=True)
class TowerRecipe:
    """How a tower is trained by AdamW.

    Attributes:
        losses: name -> weight, see `hiergeo.training.LOSSES`; the RE loss of the paper by default.
        learning_rate: constant.
        weight_decay: of AdamW.
        batch: chains of a batch, over all processes; batch-hard mining sees exactly these.
        accumulate: batches a step, whose gradients are averaged; each is mined for itself.
        steps: the budget of steps; None is one pass over the rows. A last incomplete step of a pass is left out.
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
    steps: int | None = None
    lora: int | None = None
    amp: str = "no"
    validation: float = 0.05
    every: int = 100
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        count, width = limits.COUNT, limits.WIDTH
        check_recipe(self, batch=count, accumulate=count, lora=width)
        if not 0 <= self.weight_decay < math.inf:
            raise InputError(f"the weight decay must be a number >= 0, not {self.weight_decay:g}.")
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
        one_pass = self.per_epoch(rows)
        return one_pass if self.steps is None else self.steps

    def batches(self, rows: Tensor, step: int) -> Tensor:
        """The rows of a step, from 1: (accumulate, batch). A pure function of rows, step and seed."""
        epoch, at = divmod(step - 1, self.per_epoch(len(rows)))
        order = torch.from_numpy(np.random.default_rng((self.seed, epoch)).permutation(len(rows)))
        size = self.batch * self.accumulate
        return rows[order[at * size : (at + 1) * size]].view(self.accumulate, self.batch)
