"""Checks of HierarCaps files, own tables included: every defect of a file is named with its row."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, UnavailableError
from hiergeo._core.progress import track
from hiergeo._core.storage.files import path_of, sha256
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarcaps.fetching import image_name, open_image
from hiergeo.datasets.hierarcaps.splits import SPLITS, TRAINING, Split, belongs, find_split
from hiergeo.datasets.hierarcaps.tables import (
    IMAGE_COLUMN,
    OBTAIN,
    TRAIN,
    Published,
    layout_of,
    parse_rows,
    recorded_checksum,
    test_images,
)
from hiergeo.datasets.hierarchy import Row
from hiergeo.datasets.repeats import Repeats
from hiergeo.datasets.tables import Defect, read_table


def repeat_defects(file: str, repeats: Repeats) -> Iterator[Defect]:
    """One defect for each row that repeats an earlier one, in order."""
    for row, first in repeats.found().items():
        yield Defect(file, row, None, f"repeats data row {first}")


def row_defects(file: str, row: Row, layout: Published) -> Iterator[Defect]:
    """Tiers that repeat their parent, and contradictions that repeat the caption (up to case)."""
    positive = [tier.casefold() for tier in row.positive]
    negative = [tier.casefold() for tier in row.negative or ()]
    if len({*positive, *negative}) == len(positive) + len(negative):
        return
    for column, chain in ((layout.positive, positive), (layout.negative, negative)):
        for level in _equal_levels(chain, chain[1:]):
            yield Defect(file, row.row_id, column, f"tier {level + 1} repeats tier {level}")
    for level in _equal_levels(positive, negative):
        yield Defect(file, row.row_id, layout.negative, f"tier {level} repeats the positive tier {level}")


def leak_defects(file: str, row: Row) -> Iterator[Defect]:
    """A row of training data that describes a test image."""
    if row.image_id in test_images():
        yield Defect(file, row.row_id, IMAGE_COLUMN, f"image {row.image_id} is a test image in training data")


def image_defects(folder: Path, ids: Iterable[int], published: Mapping[int, str], progress: bool) -> Iterator[Defect]:
    """Image files that are missing, cannot be decoded, or have other bytes than the published ones."""
    for image_id in track(list(ids), "images", enabled=progress):
        path = folder / image_name(image_id)
        try:
            open_image(path)
        except HiergeoError as error:
            problem = "missing" if isinstance(error, UnavailableError) else "truncated or not an image"
            yield Defect(path.name, None, None, f"image file is {problem}")
        else:
            if image_id in published and sha256(path) != published[image_id]:
                yield Defect(path.name, None, None, "image file is not the published one")


def checksum_defects(path: Path) -> Iterator[Defect]:
    """Bytes other than the published (or first downloaded) ones."""
    expected = recorded_checksum(path)
    if expected is not None and (found := sha256(path)) != expected:
        yield Defect(path.name, None, None, f"sha256 is {found} instead of the published {expected}")


def _equal_levels(left: Sequence[str], right: Sequence[str]) -> list[int]:
    return [level for level, (one, other) in enumerate(zip(left, right, strict=False)) if one == other]


def validate(
    what: Path | str, *, home: Path | None = None, images: bool = True, progress: bool = False
) -> list[Defect]:
    """Look for every defect of a split, or of a CSV file in the format of a published one.

    Looked for: an unreadable file, other bytes than the published ones, missing columns, wrong or empty tiers, images
    that are no MS-COCO image, repeated rows, a tier that repeats its parent or its contradiction (up to case), test
    images in training data, missing and unreadable image files, test images other than the published ones. The file is
    walked through once, and of its rows only hashes are held; after `hiergeo._core.limits.DEFECTS` defects the search
    ends.

    Args:
        what: the name of a split, or the path of a file (a string with a suffix or a folder is a path).
        home: the data home, by default `data_home()`.
        images: also open every image file, in the folder ``images`` beside the CSV file.
        progress: draw a bar while images are opened.

    Raises:
        InputError: `what` is an unknown split name.
    """
    home = home or data_home()
    named = isinstance(what, str) and not Path(what).suffix and len(Path(what).parts) == 1
    split = find_split(str(what)) if named else None
    path = path_of(what) if split is None else split.source.path(home)
    found: list[Defect] = []
    try:
        for defect in _defects(path, split, images, progress):
            found.append(defect)
            if len(found) == limits.DEFECTS:
                found.append(Defect(path.name, None, None, f"there are {len(found):,} defects; the search ends here"))
                break
    except HiergeoError as error:
        found.append(Defect(path.name, None, None, str(error).rstrip(".")))
    return found


def _defects(path: Path, split: Split | None, images: bool, progress: bool) -> Iterator[Defect]:
    table = read_table(path, OBTAIN)
    yield from checksum_defects(path)
    layout = layout_of(path, table.header)
    training = split in map(SPLITS.get, TRAINING) if split else layout is TRAIN
    repeats, illustrated = Repeats(), dict[int, None]()
    for found in parse_rows(table, layout):
        if isinstance(found, Defect):
            yield found
        elif split is None or belongs(found, split):
            repeats.add(found.row_id, *found.positive, *(found.negative or ()), str(found.image_id))
            yield from row_defects(table.file, found, layout)
            if training:
                yield from leak_defects(table.file, found)
            if found.image_id is not None:
                illustrated[found.image_id] = None
    yield from repeat_defects(table.file, repeats)
    if images:
        yield from image_defects(path.parent / "images", illustrated, test_images() if split else {}, progress)
