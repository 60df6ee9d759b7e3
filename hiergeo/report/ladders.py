"""Ladders of single images in several spaces side by side, with thumbnails."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hiergeo._core.errors import HiergeoError
from hiergeo.datasets import ImageRef
from hiergeo.datasets.pictures import open_rgb
from hiergeo.evaluation import Result
from hiergeo.evaluation.embedded import Embedded
from hiergeo.evaluation.metrics import ladder_precision_recall

SIDE = 192
"""Longest side of a thumbnail in pixels; it is shown at 128 pixels or less, so that it is sharp on dense displays."""

QUALITY = 80

CARDS, STAMP = 3, 80
"""Pictures that head a page, and the longest side of the thumbnails beside their captions."""


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a data URI, or the reason why there is none."""

    uri: str = ""
    problem: str = ""


def thumbnail(image: ImageRef, side: int = SIDE) -> Thumbnail:
    """The image, at most `side` pixels a side, as a JPEG inside a data URI."""
    try:
        picture = open_rgb(image)
    except HiergeoError as error:
        return Thumbnail(problem=str(error))
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return Thumbnail(uri=f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}")


@dataclass(frozen=True)
class LadderCaption:
    """One caption of a ladder; `true`: of the image, `common`: it is on every ladder."""

    caption: str
    true: bool
    common: bool


@dataclass(frozen=True)
class ImageLadder:
    """Captions retrieved in one space, general to specific, with their precision and recall for this image."""

    title: str
    rungs: tuple[LadderCaption, ...]
    precision: float
    recall: float


@dataclass(frozen=True)
class Exhibit:
    """One image with its true chains, general to specific, and its ladders."""

    name: str
    picture: Thumbnail
    truth: tuple[tuple[str, ...], ...]
    ladders: tuple[ImageLadder, ...]


def exhibits(embedded: Embedded, results: Mapping[str, Result], count: int, seed: int) -> list[Exhibit]:
    """`count` random images, sorted by decreasing disagreement of their ladders; empty without ladders.

    Disagreement is the share of captions on any ladder of an image that are not on all of its ladders.

    Args:
        embedded: what was measured.
        results: title -> a result over those rows, one ladder an image each.
        count: how many images at most.
        seed: of the draw.
    """
    ladders = {title: result.ladders for title, result in results.items()}
    total = len(next(iter(ladders.values())))
    if not total:
        return []
    drawn = np.sort(np.random.default_rng(seed).choice(total, size=min(count, total), replace=False)).tolist()
    shown = [{title: met[at] for title, met in ladders.items()} for at in drawn]
    order = sorted(zip(drawn, shown, strict=True), key=lambda image: -disagreement(list(image[1].values())))
    return [_exhibit(embedded, at, met) for at, met in order]


@dataclass(frozen=True)
class Step:
    """One caption of a card, whether it is true of the image, and another image that it is of."""

    caption: str
    true: bool
    picture: Thumbnail


@dataclass(frozen=True)
class Card:
    """One image, its most specific caption, and what it climbs over, general to specific."""

    picture: Thumbnail
    caption: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Cards:
    """Images whose ladders are long and without a wrong step, in the space where most steps are true.

    Attributes:
        title: of that space.
        cards: at most `CARDS`, of images whose chains begin with different captions.
        share: mean share of true captions on the ladders of all images in that space.
    """

    title: str
    cards: tuple[Card, ...]
    share: float


def cards(embedded: Embedded, results: Mapping[str, Result]) -> Cards | None:
    """What heads a page; None without ladders."""
    is_true = _truth(embedded)
    marks = {
        title: [[is_true(at, caption) for caption in met] for at, met in enumerate(result.ladders)]
        for title, result in results.items()
        if result.ladders
    }
    if not marks:
        return None
    shares = {
        title: float(np.mean([np.mean(marked or [False]) for marked in marked_all]))
        for title, marked_all in marks.items()
    }
    best = max(shares, key=shares.__getitem__)
    ladders = results[best].ladders
    order = sorted(range(len(ladders)), key=lambda at: (marks[best][at].count(False), -len(ladders[at])))
    first_of: dict[str, int] = {}
    for at in filter(ladders.__getitem__, order):
        first_of.setdefault(embedded.truths[at][0][0], at)
    chosen = list(first_of.values())[:CARDS]
    return Cards(best, tuple(_card(embedded, at, ladders[at], marks[best][at]) for at in chosen), shares[best])


def _card(embedded: Embedded, at: int, met: Sequence[str], marks: Sequence[bool]) -> Card:
    images, truths = embedded.hierarchy.images, embedded.truths

    def shown(caption: str) -> Thumbnail:
        others = (i for i in range(len(images)) if i != at and any(caption in chain for chain in truths[i]))
        return thumbnail(images[next(others, at)], STAMP)

    steps = (Step(caption, true, shown(caption)) for caption, true in zip(met, marks, strict=True))
    return Card(thumbnail(images[at]), truths[at][0][-1], tuple(steps))


def _truth(embedded: Embedded) -> Callable[[int, str], bool]:
    """Whether a caption is true of the image at a position: as the dataset knows, or in its chains."""
    true = [{caption for chain in chains for caption in chain} for chains in embedded.truths]
    return embedded.is_true or (lambda at, caption: caption in true[at])


def disagreement(ladders: Sequence[Sequence[str]]) -> float:
    """Share of the captions on any ladder that are not on all of them, in [0, 1]."""
    union = {caption for ladder in ladders for caption in ladder}
    return len(union - _common(ladders)) / max(1, len(union))


def _common(ladders: Sequence[Sequence[str]]) -> set[str]:
    """Captions on every ladder."""
    return set(ladders[0]).intersection(*ladders[1:])


def _exhibit(embedded: Embedded, at: int, met: Mapping[str, tuple[str, ...]]) -> Exhibit:
    image, truth = embedded.hierarchy.images[at], embedded.truths[at]
    is_true = _truth(embedded)
    common = _common(list(met.values()))
    ladders = []
    for title, captions in met.items():
        rungs = tuple(LadderCaption(caption, is_true(at, caption), caption in common) for caption in captions)
        ladders.append(ImageLadder(title, rungs, *ladder_precision_recall(captions, truth)))
    return Exhibit(image.name, thumbnail(image), tuple(truth), tuple(ladders))
