"""The files that a build ends in: the splits in the formats of HierarCaps, and what was dropped."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hiergeo._core.storage.files import WriteRow, csv_rows
from hiergeo._core.text import inert
from hiergeo.construction.captions import SEPARATOR
from hiergeo.construction.drafts import Draft
from hiergeo.construction.splitting import Sides

TRAIN, TEST, EXPANDED, DROPPED = "train.csv", "test.csv", "test_expanded.csv", "dropped.csv"

CHAINS = ("positive", "negative", "image_url")
"""Columns of training rows, and of test rows with negatives."""

TESTED = ("id", "captions", "image_url")
"""Columns of test rows without negatives."""

REASONS = ("row", "caption", "image", "stage", "reason", "detail")
"""Columns of the rows that were dropped."""


def write_splits(drafts: Iterable[Draft], split: Sides, out: Path) -> None:
    """Write the rows of both splits into a folder, each file whole or not at all; raises UnavailableError."""
    with (
        csv_rows(out / TRAIN, CHAINS) as train,
        csv_rows(out / TEST, TESTED) as test,
        csv_rows(out / EXPANDED, CHAINS) as expanded,
    ):
        for draft in drafts:
            if draft.dropped is not None:
                continue
            row = (_cell(draft.positive), _cell(draft.negative), draft.image)
            if draft.row in split.test:
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


def _cell(texts: Sequence[str | None]) -> str:
    return f" {SEPARATOR} ".join(text or "" for text in texts)
