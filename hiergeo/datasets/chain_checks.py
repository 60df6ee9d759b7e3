"""Checks of chains of one's own: every defect of a folder or a file is named with its row."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError
from hiergeo._core.progress import track
from hiergeo._core.storage.files import size_of
from hiergeo.datasets import chains
from hiergeo.datasets.addresses import image_file
from hiergeo.datasets.chains import Chain
from hiergeo.datasets.hierarcaps.checks import repeat_defects, row_defects
from hiergeo.datasets.hierarcaps.tables import TEST, TRAIN
from hiergeo.datasets.hierarchy import Row
from hiergeo.datasets.pictures import open_rgb
from hiergeo.datasets.repeats import Repeats
from hiergeo.datasets.tables import Defect, read_table


def validate_chains(address: str, *, images: bool = True, progress: bool = False) -> list[Defect]:
    """Look for every defect of a built folder or of a file of chains.

    Looked for: an unreadable file, missing columns, wrong or empty tiers, repeated rows, a tier that repeats its parent
    or its contradiction (up to case), files of a split that differ, and, where pictures are there, those that are
    missing, unreadable or outside the folder. A split without rows beside one with rows is none. After
    `hiergeo._core.limits.DEFECTS` defects the search ends.

    Args:
        address: the folder or the file.
        images: also open every picture.
        progress: draw a bar while pictures are opened.

    Raises:
        InputError: no address.
        UnavailableError: it is not there.
    """
    place = chains.located(address)
    names = [name for pair in chains.FILES.values() for name in pair if name]
    files = [place] if place.is_file() else [place / name for name in names if size_of(place / name) is not None]
    files = [file for file in files if chains.has_rows(file) or not size_of(file)] or files
    if not files:
        return [Defect(place.name, None, None, f"holds no chains: {chains.CURE}")]
    rows: list[Chain] = []
    found = list(islice((each for file in files for each in _of_file(file, rows)), limits.DEFECTS))
    if place.is_dir() and not found:
        found += _of_splits(place)
    return found + (_of_images(rows, place.parent if place.is_file() else place, progress) if images else [])


def _of_file(path: Path, rows: list[Chain]) -> Iterator[Defect]:
    repeats = Repeats()
    try:
        table = read_table(path, chains.CURE)
        layout = TEST if TEST.positive in table.header and TRAIN.positive not in table.header else TRAIN
        for place, each in enumerate(chains.parse(table)):
            if isinstance(each, Defect):
                yield each
                continue
            rows.append(each)
            row = Row(place, each.positive, each.negative)
            repeats.add(place, *each.positive, each.image, *(each.negative or ()))
            yield from row_defects(path.name, row, layout)
    except HiergeoError as error:
        yield Defect(path.name, None, None, str(error).rstrip("."))
    yield from repeat_defects(path.name, repeats)


def _of_splits(folder: Path) -> Iterator[Defect]:
    for split, (file, _) in chains.FILES.items():
        if size_of(folder / file) is not None and chains.has_rows(folder / file):
            try:
                chains.read_split(folder, split)
            except HiergeoError as error:
                yield Defect(file, None, None, str(error).rstrip("."))


def _of_images(rows: list[Chain], folder: Path, progress: bool) -> list[Defect]:
    files = {row.image: image_file(row.image, folder) for row in rows if row.image}
    if not any(path is not None and path.is_file() for path in files.values()):
        return []
    found = []
    for address, path in track(list(files.items()), "images", enabled=progress):
        problem = "leads out of the folder" if path is None else "is missing" if not path.is_file() else ""
        if path is not None and not problem:
            try:
                open_rgb(path)
            except HiergeoError:
                problem = "is truncated or not an image"
        if problem:
            found.append(Defect(folder.name, None, chains.IMAGE, f"the image '{address}' {problem}"))
    return found
