"""Checks of HierarCaps files, own tables included: every defect of a file is named with its row."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError
from hiergeo._core.storage.files import path_of, sha256
from hiergeo.datasets.addresses import coco_number
from hiergeo.datasets.chain_checks import image_defects, row_defects
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarcaps.published import OBTAIN, TRAIN, expected_checksum, layout_of, test_images
from hiergeo.datasets.hierarcaps.splits import SPLITS, TRAINING, Split, find_split
from hiergeo.datasets.tables import TableDefect, read_table


def validate(
    what: Path | str, *, home: Path | None = None, images: bool = True, progress: bool = False
) -> list[TableDefect]:
    """Look for every defect of a split, or of a CSV file in the format of a published one.

    Looked for: an unreadable file, other bytes than the published ones, missing columns, wrong or empty tiers, images
    that are no MS-COCO image, repeated rows, a tier that repeats its parent or its contradiction (up to case), test
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


def _defects(path: Path, split: Split | None, images: bool, progress: bool) -> Iterator[TableDefect]:
    table = read_table(path, OBTAIN)
    expected = expected_checksum(path)
    if expected is not None and (found := sha256(path)) != expected:
        yield TableDefect(path.name, None, None, f"sha256 is {found} instead of the published {expected}")
    layout, seen = layout_of(path, table.header), dict[str, None]()
    training = split in map(SPLITS.get, TRAINING) if split else layout is TRAIN.layout
    yield from row_defects(
        table, layout, seen, wanted=split.holds if split else lambda _: True, tested=test_images() if training else ()
    )
    if images:
        numbered = [address for address in seen if coco_number(address) is not None]
        yield from image_defects(numbered, path.parent, test_images() if split else None, progress=progress)
