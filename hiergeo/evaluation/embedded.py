"""A hierarchy embedded by a model, once for all measurements."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo._core.devices import AUTO, resolve_device
from hiergeo._core.errors import InputError
from hiergeo.adapters import Model
from hiergeo.adapters.model import with_stored_images
from hiergeo.datasets import Hierarchy
from hiergeo.datasets.hierarchy import distinct
from hiergeo.evaluation.metrics.sharing import Sharing
from hiergeo.evaluation.metrics.words import WordWeights


class Compute(NamedTuple):
    """Where embeddings are made and kept.

    Attributes:
        device: ``auto`` (the accelerator where torch has one), a name such as ``cuda:1``, or a device of torch.
        dtype: ``float32``, ``bfloat16`` or ``float16``, to which embeddings are rounded once they are made.
        batch_size: texts or images that are embedded at a time; None is what the model prefers.
    """

    device: str | torch.device = AUTO
    dtype: str | torch.dtype = "float32"
    batch_size: int | None = None

    @property
    def keywords(self) -> dict[str, Any]:
        """Keyword arguments of `Model.encode_text` and `encode_image`, with the device that torch has."""
        return {**self._asdict(), "device": resolve_device(self.device)}


@dataclass(frozen=True, repr=False)
class Embedded:
    """Embeddings of a hierarchy.

    Attributes:
        model: the model's name.
        hierarchy: what was embedded.
        texts: the distinct captions of the positive chains, in order of first appearance.
        captions: (V, D) embeddings, first those of `texts`, then those of the captions of negative chains alone.
        contradicting: (n, T) positions of the negative chains in `captions`, or None when they were not asked for.
        image: (m, D) embeddings of `hierarchy.images`, or None for a text-only model or a hierarchy without images.
        root: (D,) embedding of the empty caption.
    """

    model: str
    hierarchy: Hierarchy
    texts: tuple[str, ...]
    captions: Tensor
    contradicting: Tensor | None
    image: Tensor | None
    root: Tensor

    def __repr__(self) -> str:
        return (
            f"<Embedded {self.hierarchy!r} by {self.model}, {len(self.texts)} texts of dimension {self.root.shape[-1]}>"
        )

    @property
    def text(self) -> Tensor:
        """(U, D) embeddings of `texts`."""
        return self.captions[: len(self.texts)]

    @cached_property
    def chains(self) -> Tensor:
        """(n, T) positions of the positive chains in `texts`."""
        return positions(self.texts, (row.positive for row in self.hierarchy.rows), self.captions.device)

    @cached_property
    def sharing(self) -> Sharing:
        """Which chains share captions."""
        return Sharing(self.chains.cpu().numpy())

    @cached_property
    def words(self) -> WordWeights:
        """Random weights of the words of `texts`."""
        return WordWeights(self.texts)

    @cached_property
    def image_captions(self) -> NDArray[np.int64]:
        """(m, W) positions in `texts` of the captions of all chains of each image, filled up with -1."""
        index = {caption: position for position, caption in enumerate(self.texts)}
        captions = [[index[caption] for chain in chains for caption in chain] for chains in self.truths]
        widest = max(map(len, captions))
        return np.array([of_image + [-1] * (widest - len(of_image)) for of_image in captions])

    @cached_property
    def image_sharing(self) -> Sharing:
        """Which images share captions of their chains."""
        return Sharing(self.image_captions)

    @property
    def why_no_images(self) -> str:
        """Why there is nothing to measure of images, for a sentence; empty where there are images."""
        return "" if self.image is not None else without_images(self.model, bool(self.hierarchy.images), self.hierarchy)

    @property
    def positive(self) -> Tensor:
        """(n, T, D) embeddings of the positive chains."""
        return self.captions[self.chains]

    @cached_property
    def truths(self) -> list[list[tuple[str, ...]]]:
        """For each image the positive chains of all its rows."""
        by_image: dict[int | None, list[tuple[str, ...]]] = {}
        for row in self.hierarchy.rows:
            by_image.setdefault(row.image_id, []).append(row.positive)
        return [by_image[image.image_id] for image in self.hierarchy.images]

    @property
    def is_true(self) -> Callable[[int, str], bool] | None:
        """Whether a caption is true of the image at a position; None where the dataset does not know."""
        truth, images = self.hierarchy.truth, self.hierarchy.images
        return None if truth is None else lambda at, caption: truth.is_true(caption, images[at])


AUTOMATIC = Compute()
ON_THE_CPU = Compute("cpu")


def embed(
    model: Model,
    hierarchy: Hierarchy,
    *,
    images: bool = True,
    negatives: bool = False,
    compute: Compute = ON_THE_CPU,
    progress: bool = False,
) -> Embedded:
    """Embed the positive chains of `hierarchy`, and where asked for its images and negative chains, if it has any.

    Raises:
        InputError: images and texts of different dimensions, and what `Model.encode_text` and `encode_image` refuse.
    """
    hierarchy = with_stored_images(model, hierarchy)
    texts = distinct(caption for row in hierarchy.rows for caption in row.positive)
    wrong = [row.negative or () for row in hierarchy.rows] if negatives and hierarchy.has_negatives else []
    captions = distinct((*texts, *(caption for chain in wrong for caption in chain))) if wrong else texts
    rows = model.encode_text(captions, **compute.keywords, progress=progress)
    image = None
    if images and model.has_images and hierarchy.images:
        image = model.encode_image(hierarchy.images, **compute.keywords, progress=progress)
        if image.shape[1] != rows.shape[1]:
            raise InputError(
                f"{model.name} embeds images in {image.shape[1]} dimensions and texts in {rows.shape[1]}: "
                "it must be one space."
            )
    return Embedded(
        model=model.name,
        hierarchy=hierarchy,
        texts=texts,
        captions=rows,
        contradicting=positions(captions, wrong, rows.device) if wrong else None,
        image=image,
        root=model.root(rows.device, rows.dtype),
    )


def without_images(model: str, blind: bool, hierarchy: Hierarchy) -> str:
    """Why a model, which may be `blind` to images, has none of a hierarchy, for a sentence."""
    if hierarchy.absent and not blind:
        named = f"{len(hierarchy.absent)} images of {hierarchy.name}, the first {hierarchy.absent[0].address},"
        return f"of the {named} no file is there and {model} stores no embedding"
    return f"{model if blind else hierarchy.name} has no images"


def positions(captions: Sequence[str], chains: Iterable[Sequence[str]], device: torch.device) -> Tensor:
    """(n, T) int64 positions of the captions of chains among `captions`."""
    index = {caption: position for position, caption in enumerate(captions)}
    return torch.tensor([[index[caption] for caption in chain] for chain in chains]).to(device)
