"""Dual encoders that bring the space they were trained in: their towers' inputs, their rows and their geometry.

An embedding is the projected feature times a learnt factor of its modality: the tangent vector x whose exponential map
is the model's point on the hyperboloid. Its geodesic radius is |x|, so the rows x around a root of zeros in Lorentz(-c)
are the model's space.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.storage.documents import Document
from hiergeo.adapters.encoders import DualEncoder
from hiergeo.adapters.model import ClipModel
from hiergeo.geometry import Lorentz, Space

if TYPE_CHECKING:
    from PIL.Image import Image

MIN_RADIUS = 0.1
"""K of the half aperture asin(2 K / (sqrt(c) |space components|)) in these models."""

REACH = math.asinh(2**15)
"""Largest sqrt(c) |x| that their exponential map takes; longer vectors are shortened to it."""

CURVATURES = (0.01, 100.0)
"""Range of c in files that can be used: training keeps it in [0.1, 10]."""

FACTORS = (1e-12, 1e4)
"""Range of a factor of the features in files that can be used: training starts near 0.04 and MERU stops it at 1."""


STATISTICS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "siglip": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""Normalisation of pixels -> mean and standard deviation."""

IMAGES = {"crop": "shortest", "squash": "squash"}
"""How pictures become square -> open_clip's word for it: by the shorter side and a crop at the centre, or both sides
alike (retrieval)."""


class SpecOptions(Document):
    """Options of these models in a spec."""

    images: Annotated[str, Field(pattern=f"^({'|'.join(IMAGES)})$")] = "crop"


class Native(NamedTuple):
    """What the numbers of a file say of embeddings.

    Attributes:
        space: where they are measured; None where the file brings no root.
        scales: factors of the projected features of images and of texts, (dim,) each.
        reach: (factors,) their largest lengths; empty for no limit.
    """

    space: Space | None
    scales: tuple[Tensor, Tensor]
    reach: Tensor


@final
class NativeModel(ClipModel):
    """A dual encoder with the space it was trained in.

    Args:
        name: the spec that loads the model.
        network: the towers.
        device: where they run.
        space: the native space, or None.
        normalised: whether rows are brought to norm one, as those of a CLIP.
        prepared: how inputs reach the towers, as `ClipModel` takes it.
    """

    def __init__(
        self,
        name: str,
        network: DualEncoder,
        device: torch.device,
        *,
        space: Space | None,
        normalised: bool = False,
        **prepared: Any,
    ) -> None:
        vision, text, quick_gelu = network.plan
        settings = f"Plan({vision=}, {text=}, {quick_gelu=})"  # as all fingerprints before had it
        super().__init__(name, network, device, settings=settings, **prepared)
        self.normalised = normalised
        self._space = space

    def rebuilt_network(self) -> DualEncoder:
        rebuilt: DualEncoder = self.network.rebuilt()
        return rebuilt

    def native_space(self) -> Space | None:
        """The space that the model was trained in, with its learnt curvature; None for a CLIP without a stored root."""
        return self._space


def byte_pairs(context: int) -> Callable[[list[str]], Tensor]:
    """OpenAI's tokenizer: lower case, zero padding; of a text that is too long the last token becomes its end."""
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer: Callable[[list[str]], Tensor] = SimpleTokenizer(context_length=context)
    return tokenizer


def square(side: int, mean: Sequence[float], std: Sequence[float], images: str) -> Callable[["Image"], Tensor]:
    """Pictures to pixels (3, side, side): resized by bicubic interpolation, as one of `IMAGES` says, and normalised."""
    from open_clip.transform import image_transform

    transform: Callable[[Image], Tensor] = image_transform(
        side,
        is_train=False,
        mean=tuple(mean),
        std=tuple(std),
        resize_mode=IMAGES[images],
        interpolation="bicubic",
    )
    return transform


def hyperbolic(path: Path, log_curvature: float, log_visual: float, log_textual: float, dim: int) -> Native:
    """The native space of a model with one curvature, given the logarithms that are stored."""
    c = curvature(path, log_curvature)
    space = Space(Lorentz(-c), torch.zeros(dim), min_radius=MIN_RADIUS)
    visual, textual = (torch.full((dim,), factor(path, log)) for log in (log_visual, log_textual))
    return Native(space, (visual, textual), torch.tensor([REACH / math.sqrt(c)]))


def curvature(path: Path, log: float) -> float:
    """c = exp(log) in float32, as these models compute it; the shortest decimal of that number.

    Raises:
        InputError: one that no model of this kind has.
    """
    return float(str(np.float32(_exponential(path, log, CURVATURES, "its curvature"))))


def factor(path: Path, log: float) -> float:
    """exp(log), the factor of a modality. Raises InputError for one that no model of this kind has."""
    return _exponential(path, log, FACTORS, "a factor of its embeddings")


def _exponential(path: Path, log: float, limits: tuple[float, float], what: str) -> float:
    low, high = limits
    if not math.log(low) <= log <= math.log(high):
        raise InputError(f"{path} is damaged: the logarithm of {what} is {log:g}, far from any that training allows.")
    return math.exp(log)
