"""Tasks that rank candidates by the distance of a space: image-text retrieval and zero-shot classification."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.devices import resolve_device
from hiergeo._core.errors import InputError
from hiergeo._core.numerics import torch_defaults
from hiergeo.adapters import Model
from hiergeo.adapters.head import HeadModel
from hiergeo.datasets import Labelled
from hiergeo.evaluation.embedded import ON_THE_CPU, Compute, Embedded
from hiergeo.evaluation.metrics import ZeroShot, accuracies
from hiergeo.geometry import Points, Space


@dataclass(frozen=True)
class EmbeddedLabels:
    """Labelled images and the prompts of their classes, embedded once.

    Attributes:
        prompt: (C, P, D), P prompts a class.
        image: (n, D).
        labels: (n,) the class of each image.
        root: (D,) embedding of the empty caption.
    """

    prompt: Tensor
    image: Tensor
    labels: tuple[int, ...]
    root: Tensor

    def behind(self, model: HeadModel) -> "EmbeddedLabels":
        """The same images and prompts behind a head on the frozen model."""
        prompt = model.through(self.prompt.flatten(0, 1)).unflatten(0, self.prompt.shape[:2])
        return replace(self, prompt=prompt, image=model.through(self.image), root=model.through(self.root[None])[0])

    @torch.no_grad()
    def ranks(self, space: Space) -> np.ndarray:
        """How many classes are nearer to each image than its own, (n,) int64; 0 where it is classified rightly.

        Distances are those of the space around the model's root; of classes at equal distance the first counts. The
        prompts of a class are averaged in the tangent space at the root, and the mean is lifted. A space reads an
        embedding as a tangent vector at its root, so that the mean of the embeddings, of whatever norm, is that mean.
        """
        own = torch.tensor(self.labels).to(self.image.device)
        return space.rooted(self.root).rank(self.image, self.prompt.mean(1), own).cpu().numpy()

    def hits(self, space: Space) -> np.ndarray:
        """1 where an image is classified rightly, else 0, (n,)."""
        return (self.ranks(space) == 0).astype(np.float64)


@torch_defaults()
def classify(
    model: Model, labelled: Labelled, space: Space, *, compute: Compute = ON_THE_CPU, progress: bool = False
) -> ZeroShot:
    """The zero-shot accuracies of a model in a space; raises InputError as `embed_labels`."""
    embedded = embed_labels(model, labelled, compute=compute, progress=progress)
    return accuracies(embedded.hits(space), embedded.labels)


@torch_defaults()
def embed_labels(
    model: Model, labelled: Labelled, *, compute: Compute = ON_THE_CPU, progress: bool = False
) -> EmbeddedLabels:
    """Embed images and prompts.

    Raises:
        InputError: a model of texts alone, or texts and images that the model cannot embed.
    """
    check_labels(model, labelled)
    place = compute._replace(device=resolve_device(compute.device))._asdict()
    prompt = model.encode_text(labelled.prompts, **place, progress=progress)
    return EmbeddedLabels(
        prompt=prompt.view(len(labelled.classes), len(labelled.templates), -1),
        image=model.encode_image(labelled.images, **place, progress=progress),
        labels=labelled.labels,
        root=model.root(prompt.device, prompt.dtype),
    )


def check_labels(model: Model, labelled: Labelled) -> None:
    """Raise InputError where a model cannot classify these images, before any of them is embedded."""
    if not model.has_images:
        raise InputError(f"{model.name} embeds texts only: zero-shot classification needs an image-text model.")
    model.check_texts(labelled.prompts)
    model.check_images(labelled.images)


class Match(NamedTuple):
    """How well images and their captions find each other.

    Attributes:
        image_to_text: (images,) int64, how many other captions come before the first that describes the image.
        text_to_image: (captions,) int64, how many other images come before the first that the caption describes.
    """

    image_to_text: np.ndarray
    text_to_image: np.ndarray


@torch.no_grad()
def retrieve(embedded: Embedded, space: Space, held_out: Collection[int] | None = None) -> Match:
    """Rank the most specific captions for each image, and the images for each of those captions, by distance.

    Distances are those of the space around the model's root. Equal captions describe every image that one of them does.
    In a collapsed model, where all distances are equal, candidates rank in the order of the data.

    Args:
        embedded: a hierarchy with images.
        space: where distances are taken.
        held_out: ids of the images to keep to; None is all.

    Raises:
        InputError: there are no images, or none of those in `held_out`.
    """
    hierarchy = embedded.hierarchy
    wanted = {image.image_id for image in hierarchy.images} if embedded.image is not None else set()
    wanted &= wanted if held_out is None else set(held_out)
    places = [place for place, image in enumerate(hierarchy.images) if image.image_id in wanted]
    if embedded.image is None or not places:
        raise InputError(f"none of the held-out images is in the {hierarchy.split} split of {hierarchy.name}.")
    described = {(row.image_id, row.positive[-1]) for row in hierarchy.rows if row.image_id in wanted}
    specific = {text for _, text in described}
    captions = [place for place, text in enumerate(embedded.texts) if text in specific]
    image_of = {hierarchy.images[place].image_id: i for i, place in enumerate(places)}
    caption_of = {embedded.texts[place]: j for j, place in enumerate(captions)}
    pairs = torch.tensor([(image_of[image], caption_of[text]) for image, text in sorted(described)])
    rooted = space.rooted(embedded.root)
    images, texts = (rooted.points(_taken(*each)) for each in ((embedded.image, places), (embedded.text, captions)))
    return match_pairs(rooted, images, texts, *pairs.to(embedded.image.device).unbind(1))


@torch.no_grad()
def match_pairs(space: Space, images: Points, texts: Points, image: Tensor, text: Tensor) -> Match:
    """Rank texts for each image and images for each text, by distance; equal distances rank in the order of the data.

    Args:
        space: where distances are taken.
        images: (n, D), each in some pair.
        texts: (m, D), each in some pair.
        image: (p,) int64, the image of each pair, a position among `images`.
        text: (p,) int64, the text of each pair, a position among `texts`.
    """
    return Match(
        _first(space.rank(images.rows(image), texts, text), image, len(images)),
        _first(space.rank(texts.rows(text), images, image), text, len(texts)),
    )


def _taken(rows: Tensor, places: list[int]) -> Tensor:
    return rows[torch.tensor(places).to(rows.device)]


def _first(ranks: Tensor, query: Tensor, queries: int) -> np.ndarray:
    """The smallest rank of each query, given the ranks of its matches, (queries,)."""
    worst = torch.full((queries,), torch.iinfo(torch.int64).max, device=ranks.device)
    return worst.scatter_reduce(0, query, ranks, "amin").cpu().numpy()
