"""Every defect of a HierarCaps file, where loading stops at the first."""

from collections.abc import Iterator
from pathlib import Path

from hiergeo.datasets._home import data_home
from hiergeo.datasets.hierarcaps.checks import checksum_defects, image_defects, leak_defects, row_defects
from hiergeo.datasets.hierarcaps.images import image_refs
from hiergeo.datasets.hierarcaps.parsing import Defect, parse
from hiergeo.datasets.hierarcaps.published import TRAIN, layout_of
from hiergeo.datasets.hierarcaps.splits import SPLITS, TRAINING, find_split, select, test_image_ids
from hiergeo.datasets.hierarcaps.table import read_table
from hiergeo.errors import HiergeoError


def validate(
    what: Path | str, *, home: Path | None = None, images: bool = True, progress: bool = False
) -> list[Defect]:
    """Look for every defect of a split, or of a CSV file in the format of a published one.

    Looked for: an unreadable file, other bytes than the published ones, missing columns, wrong or empty tiers, images
    that are no MS-COCO image, repeated rows, a tier that repeats its parent or its contradiction (up to case), test
    images in training data, missing and unreadable image files.

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
    split = str(what) if named else None
    path = Path(what) if split is None else find_split(split).source.path(home)
    found: list[Defect] = []
    try:
        for defect in _defects(path, split, home, images, progress):
            found.append(defect)
    except HiergeoError as error:
        found.append(Defect(path.name, None, None, str(error).rstrip(".")))
    return found


def _defects(path: Path, split: str | None, home: Path, images: bool, progress: bool) -> Iterator[Defect]:
    table = read_table(path)
    yield from checksum_defects(path)
    layout = layout_of(path, table.header)
    parsed = parse(table, layout)
    yield from parsed.defects
    rows = parsed.rows if split is None else select(parsed.rows, SPLITS[split], home)
    yield from row_defects(path.name, rows, layout)
    illustrated = image_refs(rows, path.parent / "images")
    if illustrated and (split in TRAINING or (split is None and layout is TRAIN)):
        yield from leak_defects(path.name, rows, test_image_ids(home))
    if images:
        yield from image_defects(illustrated, progress)
