"""Train and test: all rows of an image, and rows with equal captions, on one side; and the files of the splits."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, final

import numpy as np

from hiergeo._core.storage.files import WriteRow, csv_rows
from hiergeo._core.text import inert
from hiergeo.construction.drafts import Draft, normalised
from hiergeo.datasets.chains import ARROW

TRAIN, TEST, EXPANDED, DROPPED = "train.csv", "test.csv", "test_expanded.csv", "dropped.csv"

CHAINS, TESTED = ("positive", "negative", "image_url"), ("id", "captions", "image_url")
"""Columns of training rows and of test rows with negatives, and of test rows without them."""

REASONS = ("row", "caption", "image", "stage", "reason", "detail")  # columns of the rows that were dropped


@final
@dataclass(frozen=True)
class Sides:
    """Which rows are of the test split, and how many distinct images the train and the test split have."""

    test: frozenset[int]
    images: tuple[int, int]


def split(drafts: Iterable[Draft], seed: int, fraction: float) -> Sides:
    """Split the drafts that are not dropped; `fraction` of the groups, 0 to 1, goes to the test split.

    Rows belong together that have the same image or an equal caption, and so do rows that other rows join. The side of
    a group depends on the seed and on the smallest hash of its images (captions without images) alone.
    """
    rows, images, captions = array("q"), array("Q"), array("Q")
    for draft in drafts:
        if draft.dropped is None:
            rows.append(draft.row)
            caption = _hash64(f"caption {normalised(draft.caption)}")
            captions.append(caption)
            images.append(_hash64(f"image {draft.image}") if draft.image else caption)
    if not rows:
        return Sides(frozenset(), (0, 0))
    by_image, by_caption = (np.frombuffer(hashes, np.uint64) for hashes in (images, captions))
    smallest = _joined(by_image, by_caption)
    chances = {group: (_hash64(f"{seed} {group}") >> 11) / (1 << 53) for group in np.unique(smallest).tolist()}
    tested = np.array([chances[group] < fraction for group in smallest.tolist()])
    images_of = (len(np.unique(by_image[~tested])), len(np.unique(by_image[tested])))
    return Sides(frozenset(np.frombuffer(rows, np.int64)[tested].tolist()), images_of)


def _joined(images: np.ndarray, captions: np.ndarray) -> Any:
    """For each row the smallest key of an image in its group, of rows joined by keys (n,) of images or captions."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    distinct, image = np.unique(images, return_inverse=True)
    caption = np.unique(captions, return_inverse=True)[1] + len(distinct)
    size = int(caption.max()) + 1
    graph = coo_array((np.ones(len(images), bool), (image, caption)), shape=(size, size))
    groups, group = connected_components(graph, directed=False)
    smallest = np.full(groups, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, group[: len(distinct)], distinct)
    return smallest[group[image]]


def write_splits(drafts: Iterable[Draft], sides: Sides, out: Path) -> None:
    """Write the rows of both splits into a folder, each file whole or not at all; raises UnavailableError."""
    with (
        csv_rows(out / TRAIN, CHAINS) as train,
        csv_rows(out / TEST, TESTED) as test,
        csv_rows(out / EXPANDED, CHAINS) as expanded,
    ):
        for draft in drafts:
            if draft.dropped is not None:
                continue
            row = (ARROW.join(draft.positive), ARROW.join(draft.negative), draft.image)
            if draft.row in sides.test:
                test((draft.row, row[0], draft.image))
                expanded(row)
            else:
                train(row)


def without_dropped(drafts: Iterable[Draft], line: WriteRow, counts: Counter[tuple[str, str]]) -> Iterator[Draft]:
    """The drafts that are still in the data; of others `line` writes `REASONS` and `counts` counts (stage, reason)."""
    for draft in drafts:
        if (drop := draft.dropped) is None:
            yield draft
        else:
            counts[drop.stage, drop.reason] += 1
            cells = draft.row, draft.caption, draft.image, drop.stage, drop.reason, drop.detail
            line([inert(cell) for cell in cells])


def _hash64(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
