"""Pictures as the normalised pixels that image towers take, by Pillow alone; equal to open_clip's own preparation."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

STATISTICS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "siglip": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""Normalisation of pixels -> mean and standard deviation."""

IMAGES = ("crop", "squash")
"""How pictures become square: by their shorter side and a crop at the centre, or both sides alike (retrieval)."""


def square(side: int, mean: Sequence[float], std: Sequence[float], images: str) -> Callable[["Image"], Tensor]:
    """Pictures to pixels (3, side, side): resized by bicubic interpolation, as one of `IMAGES` says, and normalised."""

    def transform(picture: "Image") -> Tensor:
        resized = _squashed(picture, side) if images == "squash" else _cropped(picture, side)
        pixels = torch.from_numpy(np.array(resized.convert("RGB"))).permute(2, 0, 1).contiguous()
        return normalised(pixels, mean, std)

    return transform


def normalised(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Pixels (..., 3, height, width) in 0..255 as float32, divided by 255, less the mean, over the deviation."""
    centre, deviation = (torch.tensor(each, dtype=torch.float32).view(3, 1, 1) for each in (mean, std))
    return (pixels.float() / 255 - centre) / deviation


def _squashed(picture: "Image", side: int) -> "Image":
    from PIL.Image import Resampling

    return picture.resize((side, side), Resampling.BICUBIC)


def _cropped(picture: "Image", side: int) -> "Image":
    from PIL.Image import Resampling

    shorter = min(picture.size)
    width, height = (int(side * length / shorter) for length in picture.size)
    left, top = round((width - side) / 2), round((height - side) / 2)
    return picture.resize((width, height), Resampling.BICUBIC).crop((left, top, left + side, top + side))
