"""The splits of HierarCaps, guards against training on the test rows or images, and every defect of its files."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError, unknown_name
from hiergeo._core.storage.files import path_of, sha256
from hiergeo.datasets import chains
from hiergeo.datasets.addresses import coco_number, image_refs
from hiergeo.datasets.chain_checks import image_defects, row_defects
from hiergeo.datasets.chains import Chain
from hiergeo.datasets.controls import balanced_by_length
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarcaps.published import (
    EXPANDED,
    OBTAIN,
    TEST,
    TRAIN,
    PublishedTable,
    published_layout,
    published_sha256,
    test_images,
)
from hiergeo.datasets.hierarchy import Hierarchy, Row
from hiergeo.datasets.tables import TableDefect, read_table, without_defects

NAME = "hierarcaps"

FETCH = "run `hiergeo data fetch hierarcaps` for the test images, or "
"""What to do about an image that is not there, before other advice."""


@dataclass(frozen=True)
class TableSplit:
    """The rows of a file: all of them, or only those whose image is (or is not) a test image.

    A `balanced` split holds pairs of tiers of those rows, as `balanced_by_length` chooses them.
    """

    source: PublishedTable
    of_test_images: bool | None = None
    balanced: bool = False

    def holds(self, chain: Chain) -> bool:
        """Whether a row of the file is one of this split."""
        return self.of_test_images is None or (coco_number(chain.image) in test_images()) == self.of_test_images


SPLITS = {
    "test": TableSplit(TEST),
    "balanced": TableSplit(TEST, balanced=True),
    "expanded": TableSplit(EXPANDED),
    "expanded-train": TableSplit(EXPANDED, of_test_images=False),
    "expanded-test": TableSplit(EXPANDED, of_test_images=True),
    "train": TableSplit(TRAIN),
}
TRAINING = ("expanded-train", "train")
"""The splits that share no image with the test split."""


def load(split: str = "test", *, home: Path | None = None, balanced: bool = False) -> Hierarchy:
    """Read a split of HierarCaps.

    Args:
        split: a key of `SPLITS`. ``test`` has one row an image and no contradicting chains; ``expanded`` has about
            five rows an image, those of the test images included; ``expanded-train`` and ``expanded-test`` part it.
            ``balanced`` is ``test``, balanced.
        home: the data home, by default `data_home()`.
        balanced: whether to give pairs of tiers in which the number of words says nothing of which caption is the more
            specific: see `hiergeo.datasets.balanced_by_length`. They are chosen from the file anew each time.

    Raises:
        InputError: the split is unknown, or its file is damaged (which row, and how).
        UnavailableError: the file is not there.
    """
    chosen = find_split(split)
    whole = _hierarchy(split, chosen.source.path(home or data_home()), chosen)
    if not (balanced or chosen.balanced):
        return whole
    pairs = balanced_by_length(whole)
    return replace(pairs, split=split) if chosen.balanced else pairs


def read(path: Path | str) -> Hierarchy:
    """Read a CSV file of the user's own in the format of a published one; its split is named after the file.

    Raises:
        InputError: the file is damaged (which row, and how).
        UnavailableError: the file is not there.
    """
    return _hierarchy(Path(path).name, Path(path))


def _hierarchy(name: str, path: Path, split: TableSplit | None = None) -> Hierarchy:
    held = [each for each in _read(path) if split is None or split.holds(each)]
    numbers = {each.image: number for each in held if (number := coco_number(each.image)) is not None}
    rows = tuple(Row(each.row, each.positive, each.negative, numbers.get(each.image)) for each in held)
    return Hierarchy(NAME, name, rows, image_refs(numbers, path.parent, True, FETCH))


def find_split(name: str) -> TableSplit:
    """The split of that name; an unknown one raises an `InputError` that suggests the nearest."""
    if name not in SPLITS:
        raise unknown_name("split of hierarcaps", name, SPLITS)
    return SPLITS[name]


def _read(path: Path) -> Iterator[Chain]:
    """All rows of a file, or an `InputError` for the first defect."""
    table = read_table(path, OBTAIN)
    return without_defects(path, chains.parse(table, published_layout(path, table.header)))


def check_no_leakage(training: Hierarchy | Sequence[Row], *, home: Path | None = None) -> None:
    """Refuse to train on rows that describe images of the test split.

    Rows are told by the number of their image in MS-COCO. Those that have none are told by their captions, where all of
    a chain are those of a test row; that needs the test split in the data home, and a warning says where it is missing.

    Args:
        training: the rows to train on; a hierarchy of another dataset passes. Chains of one's own are told by the
            numbers of their images alone.
        home: the data home, by default `data_home()`.

    Raises:
        InputError: some rows do; it counts them and names the split to use.
    """
    own = isinstance(training, Hierarchy) and training.name.partition(":")[0] == chains.NAME
    if isinstance(training, Hierarchy) and training.name != NAME and not own:
        return
    rows = training.rows if isinstance(training, Hierarchy) else training
    leaked = sum(row.image_id in test_images() for row in rows)
    unnamed = [row.positive for row in rows if row.image_id is None and not own]
    if unnamed:
        leaked += sum(map(_test_chains(home or data_home()).__contains__, unnamed))
    if leaked:
        source = f"split '{training.split}'" if isinstance(training, Hierarchy) else "these rows"
        raise InputError(
            f"cannot train on {source}: {leaked} of {len(rows)} rows describe test images; "
            + (
                "leave them out (`hiergeo chains leaks --kept FILE` does)."
                if own
                else "train on split 'expanded-train' instead."
            )
        )


def _test_chains(home: Path) -> frozenset[tuple[str, ...]]:
    try:
        return frozenset(row.positive for row in _read(TEST.path(home)))
    except UnavailableError as error:
        warnings.warn(
            f"rows without a number of MS-COCO cannot be compared with the test captions of HierarCaps: {error}",
            stacklevel=4,
        )
        return frozenset()


def unseen_rows(test: Hierarchy, training: Hierarchy) -> np.ndarray:
    """Which test rows share no caption with the training set.

    Returns:
        Booleans of shape (rows of `test`,): True where none of the row's positive captions is, letter by letter, among
        the captions (positive or negative) of `training`.
    """
    seen = frozenset(training.texts)
    return np.array([seen.isdisjoint(row.positive) for row in test.rows])


def validate(
    what: Path | str, *, home: Path | None = None, images: bool = True, progress: bool = False
) -> list[TableDefect]:
    """Look for every defect of a split, or of a CSV file in the format of a published one.

    Looked for: an unreadable file, other bytes than the published ones, missing columns, wrong or empty tiers, images
    that are not of MS-COCO, repeated rows, a tier that repeats its parent or its contradiction (up to case), test
    images in training data, missing and unreadable image files, test images other than the published ones. The file is
    walked through once, and of its rows only hashes are held; after `hiergeo._core.limits.DEFECTS` defects the search
    ends.

    Args:
        what: the name of a split, or the path of a file (a string with a suffix or a folder is a path).
        home: the data home, by default `data_home()`.
        images: also open every image file of MS-COCO's, in the folder ``images`` beside the CSV file.
        progress: draw a bar while images are opened.

    Raises:
        InputError: `what` is an unknown split name.
    """
    named = isinstance(what, str) and not Path(what).suffix and len(Path(what).parts) == 1
    split = find_split(str(what)) if named else None
    path = path_of(what) if split is None else split.source.path(home or data_home())
    defects: list[TableDefect] = []
    try:
        for defect in islice(_defects(path, split, images, progress), limits.DEFECTS):
            defects.append(defect)
        if len(defects) == limits.DEFECTS:
            ended = f"there are {len(defects):,} defects; the search ends here"
            defects.append(TableDefect(path.name, None, None, ended))
    except HiergeoError as error:
        defects.append(TableDefect(path.name, None, None, str(error).rstrip(".")))
    return defects


def _defects(path: Path, split: TableSplit | None, images: bool, progress: bool) -> Iterator[TableDefect]:
    table = read_table(path, OBTAIN)
    expected = published_sha256(path)
    if expected is not None and (found := sha256(path)) != expected:
        yield TableDefect(path.name, None, None, f"sha256 is {found} instead of the published {expected}")
    layout, seen = published_layout(path, table.header), dict[str, None]()
    training = split in map(SPLITS.get, TRAINING) if split else layout is TRAIN.layout
    yield from row_defects(
        table, layout, seen, wanted=split.holds if split else lambda _: True, tested=test_images() if training else ()
    )
    if images:
        numbered = [address for address in seen if coco_number(address) is not None]
        yield from image_defects(numbered, path.parent, test_images() if split else None, progress=progress)
