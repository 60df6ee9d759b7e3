"""The splits of HierarCaps: which rows of which published file they are."""

from dataclasses import dataclass
from pathlib import Path

from hiergeo.datasets._base import Hierarchy, Row
from hiergeo.datasets._home import data_home
from hiergeo.datasets.hierarcaps.images import image_refs
from hiergeo.datasets.hierarcaps.parsing import Defect, parse
from hiergeo.datasets.hierarcaps.published import EXPANDED, TEST, TRAIN, Published, layout_of, test_images
from hiergeo.datasets.hierarcaps.table import read_table
from hiergeo.errors import InputError, unknown_name

NAME = "hierarcaps"

COUNTED = 1000
"""Defects after which the rest of a file is not looked at."""


@dataclass(frozen=True)
class Split:
    """The rows of a file: all of them, or only those whose image is (or is not) a test image."""

    source: Published
    of_test_images: bool | None = None


SPLITS = {
    "test": Split(TEST),
    "expanded": Split(EXPANDED),
    "expanded-train": Split(EXPANDED, of_test_images=False),
    "expanded-test": Split(EXPANDED, of_test_images=True),
    "train": Split(TRAIN),
}
TRAINING = ("expanded-train", "train")
"""The splits that share no image with the test split."""


def load(split: str = "test", *, home: Path | None = None) -> Hierarchy:
    """Read a split of HierarCaps.

    Args:
        split: a key of `SPLITS`. ``test`` has one row an image and no contradicting chains; ``expanded`` has about
            five rows an image, those of the test images included; ``expanded-train`` and ``expanded-test`` part it.
        home: the data home, by default `data_home()`.

    Raises:
        InputError: the split is unknown, or its file is damaged (which row, and how).
        UnavailableError: the file is not there.
    """
    chosen = find_split(split)
    home = home or data_home()
    path = chosen.source.path(home)
    rows = tuple(row for row in read_rows(path, chosen.source) if belongs(row, chosen))
    return Hierarchy(NAME, split, rows, image_refs(rows, path.parent / "images"))


def read(path: Path | str) -> Hierarchy:
    """Read a CSV file of the user's own in the format of a published one; its split is named after the file.

    Raises:
        InputError: the file is damaged (which row, and how).
        UnavailableError: the file is not there.
    """
    path = Path(path)
    rows = read_rows(path)
    return Hierarchy(NAME, path.name, rows, image_refs(rows, path.parent / "images"))


def find_split(name: str) -> Split:
    """The split of that name; an unknown one raises an `InputError` that suggests the nearest."""
    if name not in SPLITS:
        raise unknown_name("split of hierarcaps", name, SPLITS)
    return SPLITS[name]


def belongs(row: Row, split: Split) -> bool:
    """Whether a row of its file is one of `split`."""
    return split.of_test_images is None or (row.image_id in test_images()) == split.of_test_images


def read_rows(path: Path, layout: Published | None = None) -> tuple[Row, ...]:
    """All rows of a file, or an `InputError` for the first defect."""
    try:
        rows, defects = _sorted_out(path, layout)
    except MemoryError as error:
        raise InputError(f"{path} holds more rows than this machine has memory for: part it.") from error
    if defects:
        count = f"at least {COUNTED}" if len(defects) == COUNTED else str(len(defects))
        more = f" (the first of {count} defects)" if len(defects) > 1 else ""
        raise InputError(f"{defects[0]}{more}; correct {path} or replace it by an intact copy.")
    return tuple(rows)


def _sorted_out(path: Path, layout: Published | None) -> tuple[list[Row], list[Defect]]:
    """The rows of a file and its defects, of which no more than `COUNTED` are waited for."""
    table = read_table(path)
    rows: list[Row] = []
    defects: list[Defect] = []
    for found in parse(table, layout or layout_of(path, table.header)):
        if isinstance(found, Row):
            rows.append(found)
        else:
            defects.append(found)
            if len(defects) == COUNTED:
                break
    return rows, defects
