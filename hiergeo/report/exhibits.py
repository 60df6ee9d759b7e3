"""The images that the page shows, and their ladders in every geometry side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hiergeo.evaluation import Comparison
from hiergeo.metrics import ladder_precision_recall
from hiergeo.report.thumbnails import Thumbnail, thumbnail


@dataclass(frozen=True)
class Rung:
    """One caption of a ladder: whether it is true of the image, and whether every geometry met it."""

    caption: str
    true: bool
    common: bool


@dataclass(frozen=True)
class Ladder:
    """The captions met in one geometry, general to specific, and how they score for this image."""

    geometry: str
    rungs: tuple[Rung, ...]
    precision: float
    recall: float


@dataclass(frozen=True)
class Exhibit:
    """One image with its true chains, general to specific, and its ladders."""

    image_id: int
    picture: Thumbnail
    truth: tuple[tuple[str, ...], ...]
    ladders: tuple[Ladder, ...]


def exhibits(comparison: Comparison, count: int, seed: int) -> list[Exhibit]:
    """`count` images drawn at random, those on which the geometries disagree most first; empty without ladders.

    Disagreement is the share, among all captions met for an image, of those that some geometry did not meet.
    """
    ladders = [result.ladders for result in comparison.results]
    total = len(ladders[0])
    if not total:
        return []
    drawn = np.sort(np.random.default_rng(seed).choice(total, size=min(count, total), replace=False)).tolist()
    order = sorted(drawn, key=lambda place: -disagreement([each[place] for each in ladders]))
    return [_exhibit(comparison, place) for place in order]


def disagreement(ladders: Sequence[Sequence[str]]) -> float:
    """The share of the captions met on any ladder that are not on all of them, in [0, 1]."""
    union = {caption for ladder in ladders for caption in ladder}
    return len(union - _common(ladders)) / max(1, len(union))


def _common(ladders: Sequence[Sequence[str]]) -> set[str]:
    """The captions that are on every ladder."""
    return set(ladders[0]).intersection(*ladders[1:])


def _exhibit(comparison: Comparison, place: int) -> Exhibit:
    image, truth = comparison.embedded.hierarchy.images[place], comparison.embedded.truths[place]
    true = {caption for chain in truth for caption in chain}
    common = _common([result.ladders[place] for result in comparison.results])
    ladders = []
    for result in comparison.results:
        met = result.ladders[place]
        rungs = tuple(Rung(caption, caption in true, caption in common) for caption in met)
        ladders.append(Ladder(result.geometry, rungs, *ladder_precision_recall(met, truth)))
    return Exhibit(image.image_id, thumbnail(image), tuple(truth), tuple(ladders))
