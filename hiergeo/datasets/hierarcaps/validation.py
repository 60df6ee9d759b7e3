"""Every defect of a HierarCaps file, where loading stops at the first."""

from collections.abc import Iterator
from pathlib import Path

from hiergeo import _limits
from hiergeo.datasets._home import data_home
from hiergeo.datasets.hierarcaps.checks import Repeats, checksum_defects, image_defects, leak_defects, row_defects
from hiergeo.datasets.hierarcaps.parsing import Defect, parse
from hiergeo.datasets.hierarcaps.published import TRAIN, layout_of, test_images
from hiergeo.datasets.hierarcaps.splits import SPLITS, TRAINING, Split, belongs, find_split
from hiergeo.datasets.hierarcaps.table import read_table
from hiergeo.errors import HiergeoError
from hiergeo.storage.paths import path_of


def validate(
    what: Path | str, *, home: Path | None = None, images: bool = True, progress: bool = False
) -> list[Defect]:
    """Look for every defect of a split, or of a CSV file in the format of a published one.

    Looked for: an unreadable file, other bytes than the published ones, missing columns, wrong or empty tiers, images
    that are no MS-COCO image, repeated rows, a tier that repeats its parent or its contradiction (up to case), test
    images in training data, missing and unreadable image files, test images other than the published ones. The file is
    walked through once, and of its rows only hashes are held; after `hiergeo._limits.DEFECTS` defects the search ends.

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
            if len(found) == _limits.DEFECTS:
                found.append(Defect(path.name, None, None, f"there are {len(found):,} defects; the search ends here"))
                break
    except HiergeoError as error:
        found.append(Defect(path.name, None, None, str(error).rstrip(".")))
    return found


def _defects(path: Path, split: Split | None, images: bool, progress: bool) -> Iterator[Defect]:
    table = read_table(path)
    yield from checksum_defects(path)
    layout = layout_of(path, table.header)
    training = split in map(SPLITS.get, TRAINING) if split else layout is TRAIN
    repeats, illustrated = Repeats(), dict[int, None]()
    for found in parse(table, layout):
        if isinstance(found, Defect):
            yield found
        elif split is None or belongs(found, split):
            repeats.add(found)
            yield from row_defects(table.file, found, layout)
            if training:
                yield from leak_defects(table.file, found)
            if found.image_id is not None:
                illustrated[found.image_id] = None
    yield from repeats.defects(table.file)
    if images:
        yield from image_defects(path.parent / "images", illustrated, test_images() if split else {}, progress)
