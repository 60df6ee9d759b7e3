"""A hierarchy seen through a model: every caption and image embedded once, whatever is then measured on it."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.datasets._base import distinct
from hiergeo.errors import InputError


@dataclass(frozen=True, repr=False)
class Embedded:
    """Embeddings of a hierarchy.

    Attributes:
        model: the model's name.
        hierarchy: what was embedded.
        texts: the distinct captions of the positive chains, in order of first appearance.
        text: (U, D) their unit embeddings.
        negative: (n, T, D) embeddings of the negative chains, or None when they were not asked for.
        image: (m, D) embeddings of `hierarchy.images`, or None for a text-only model or a hierarchy without images.
        root: (D,) embedding of the empty caption.
    """

    model: str
    hierarchy: Hierarchy
    texts: tuple[str, ...]
    text: Tensor
    negative: Tensor | None
    image: Tensor | None
    root: Tensor

    def __repr__(self) -> str:
        return (
            f"<Embedded {self.hierarchy!r} by {self.model}, {len(self.texts)} texts, dimension {self.text.shape[-1]}>"
        )

    @cached_property
    def chains(self) -> Tensor:
        """(n, T) positions of the positive chains in `texts`."""
        place = {text: index for index, text in enumerate(self.texts)}
        return torch.tensor([[place[text] for text in row.positive] for row in self.hierarchy.rows])

    @property
    def positive(self) -> Tensor:
        """(n, T, D) embeddings of the positive chains."""
        return self.text[self.chains]

    @cached_property
    def truths(self) -> list[list[tuple[str, ...]]]:
        """For each image the positive chains of all its rows."""
        by_image: dict[int | None, list[tuple[str, ...]]] = {}
        for row in self.hierarchy.rows:
            by_image.setdefault(row.image_id, []).append(row.positive)
        return [by_image[image.image_id] for image in self.hierarchy.images]


def embed(
    model: Model, hierarchy: Hierarchy, *, images: bool = True, negatives: bool = False, progress: bool = False
) -> Embedded:
    """Embed the positive chains of `hierarchy`, and where asked for its images and negative chains, if it has any."""
    texts = distinct(caption for row in hierarchy.rows for caption in row.positive)
    text = model.encode_text(texts, progress=progress)
    image = None
    if images and model.has_images and hierarchy.images:
        image = model.encode_image(hierarchy.images, progress=progress)
        if image.shape[1] != text.shape[1]:
            raise InputError(
                f"{model.name} embeds images in {image.shape[1]} dimensions and texts in {text.shape[1]}: "
                "it must be one space."
            )
    return Embedded(
        model=model.name,
        hierarchy=hierarchy,
        texts=texts,
        text=text,
        negative=_negatives(model, hierarchy, progress) if negatives and hierarchy.has_negatives else None,
        image=image,
        root=model.root(),
    )


def _negatives(model: Model, hierarchy: Hierarchy, progress: bool) -> Tensor:
    chains = [row.negative or () for row in hierarchy.rows]
    texts = distinct(caption for chain in chains for caption in chain)
    place = {text: index for index, text in enumerate(texts)}
    rows = torch.tensor([[place[text] for text in chain] for chain in chains])
    return model.encode_text(texts, progress=progress)[rows]
