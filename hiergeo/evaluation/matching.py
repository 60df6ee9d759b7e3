"""Image-text retrieval: images and captions ranked for each other by the distance of a space."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo.evaluation.embedded import Embedded
from hiergeo.evaluation.metrics.registry import declare, recall
from hiergeo.geometry import Points, Space

KS = (1, 5, 10)
"""Ranks that count as found."""

RECALLS = declare(
    *(recall(f"image_to_text_r{k}", f"image to text R@{k}", unit="images") for k in KS),
    *(recall(f"text_to_image_r{k}", f"text to image R@{k}", unit="captions") for k in KS),
)
"""Recalls at `KS` of both directions."""


class Match(NamedTuple):
    """How many others come before the first match: texts for each image, images for each caption, int64."""

    image_to_text: np.ndarray
    text_to_image: np.ndarray


@torch.no_grad()
def retrieve(embedded: Embedded, space: Space, held_out: Collection[int] | None = None) -> Match:
    """Rank the most specific captions for each image, and the images for each of those captions, by distance.

    Equal captions describe every image that one of them does; equal distances rank in the order of the data.

    Args:
        embedded: a hierarchy with images.
        space: where distances are taken, around the model's root.
        held_out: ids of the images to keep to; None is all.

    Raises:
        InputError: there are no images, or none of those in `held_out`.
    """
    hierarchy = embedded.hierarchy
    wanted = {image.image_id for image in hierarchy.images} if embedded.image is not None else set()
    wanted &= wanted if held_out is None else set(held_out)
    chosen = [at for at, image in enumerate(hierarchy.images) if image.image_id in wanted]
    if embedded.image is None or not chosen:
        raise InputError(f"none of the held-out images is in the {hierarchy.split} split of {hierarchy.name}.")
    described = {(row.image_id, row.positive[-1]) for row in hierarchy.rows if row.image_id in wanted}
    specific = {text for _, text in described}
    captions = [at for at, text in enumerate(embedded.texts) if text in specific]
    image_of = {hierarchy.images[at].image_id: i for i, at in enumerate(chosen)}
    caption_of = {embedded.texts[at]: j for j, at in enumerate(captions)}
    pairs = torch.tensor([(image_of[image], caption_of[text]) for image, text in sorted(described)])
    rooted = space.rooted(embedded.root)
    images, texts = (
        rooted.points(rows[torch.tensor(index).to(rows.device)])
        for rows, index in ((embedded.image, chosen), (embedded.text, captions))
    )
    return match_pairs(rooted, images, texts, *pairs.to(embedded.image.device).unbind(1))


@torch.no_grad()
def match_pairs(space: Space, images: Points, texts: Points, image: Tensor, text: Tensor) -> Match:
    """Rank texts for each image and images for each text, by distance; equal distances rank in the order of the data.

    `image` and `text` are the positions (p,) of pairs among the images and the texts, each of which is in some pair.
    """
    return Match(
        _first(space.rank(images.rows(image), texts, text), image, len(images)),
        _first(space.rank(texts.rows(text), images, image), text, len(texts)),
    )


def _first(ranks: Tensor, query: Tensor, queries: int) -> np.ndarray:
    """The smallest rank of each query, given the ranks of its matches, (queries,)."""
    worst = torch.full((queries,), torch.iinfo(torch.int64).max, device=ranks.device)
    return worst.scatter_reduce(0, query, ranks, "amin").cpu().numpy()
