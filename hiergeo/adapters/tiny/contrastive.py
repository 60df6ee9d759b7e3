"""Contrastive training of a CLIP on images with several captions each, one of which is drawn along with its image."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hiergeo._progress import track

if TYPE_CHECKING:
    from open_clip import CLIP

LARGEST_LOGIT_SCALE = math.log(100.0)


@dataclass(frozen=True)
class Schedule:
    """Steps of AdamW on batches of pairs; the learning rate rises linearly, then falls to 0 along half a cosine."""

    steps: int
    batch: int = 256
    peak_rate: float = 1e-3
    warm_up: int = 50
    weight_decay: float = 0.05

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        rise = (step + 1) / self.warm_up
        fall = 0.5 + 0.5 * math.cos(math.pi * step / self.steps)
        return self.peak_rate * min(rise, fall)


def train(model: "CLIP", pixels: Tensor, tokens: Tensor, schedule: Schedule, seed: int) -> None:
    """Train a model in place with the loss of CLIP.

    Args:
        pixels: uint8 of shape (images, 3, side, side), not normalised.
        tokens: int32 of shape (images, captions of each, context length).
        schedule: how long and how fast.
        seed: of the draws of images and captions.
    """
    from open_clip import ClipLoss

    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(_groups(model, schedule.weight_decay), betas=(0.9, 0.98))
    contrast = ClipLoss()
    model.train()
    for step in track(range(schedule.steps), "training", enabled=True):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        chosen = torch.randint(len(pixels), (schedule.batch,), generator=random)
        caption = torch.randint(tokens.shape[1], (schedule.batch,), generator=random)
        distinct, text_of = torch.unique(tokens[chosen, caption], dim=0, return_inverse=True)
        images = model.encode_image(normalised(pixels[chosen]), normalize=True)
        texts = model.encode_text(distinct, normalize=True).index_select(0, text_of)
        optimizer.zero_grad()
        contrast(images, texts, model.logit_scale.exp()).backward()
        optimizer.step()
        model.logit_scale.data.clamp_(max=LARGEST_LOGIT_SCALE)
    model.eval()


def normalised(pixels: Tensor) -> Tensor:
    """Pixels (..., 3, side, side) in 0..255 as open_clip's default preprocessing hands them to a model."""
    from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    mean, deviation = (torch.tensor(c).view(3, 1, 1) for c in (OPENAI_DATASET_MEAN, OPENAI_DATASET_STD))
    return (pixels / 255.0 - mean) / deviation


def _groups(model: "CLIP", weight_decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices and kernels; none for biases, gains and the temperature."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
