"""Checks of files of chains, one's own and those of HierarCaps: every defect of a folder or a file is named."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError
from hiergeo._core.progress import track
from hiergeo._core.storage.files import sha256, size_of
from hiergeo.datasets import chains
from hiergeo.datasets.addresses import coco_number, image_file
from hiergeo.datasets.chains import Chain, Layout
from hiergeo.datasets.pictures import open_rgb
from hiergeo.datasets.repeats import Repeats
from hiergeo.datasets.tables import Table, TableDefect, read_table


def validate_chains(address: str, *, images: bool = True, progress: bool = False) -> list[TableDefect]:
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
        return [TableDefect(place.name, None, None, f"holds no chains: {chains.CURE}")]
    seen: dict[str, None] = {}
    defects = list(islice((each for file in files for each in _of_file(file, seen)), limits.DEFECTS))
    if place.is_dir() and not defects:
        defects += _of_splits(place)
    folder = place.parent if place.is_file() else place
    if images and any(path is not None and path.is_file() for path in (image_file(each, folder) for each in seen)):
        defects += image_defects(seen, folder, progress=progress)
    return defects


def _of_file(path: Path, seen: dict[str, None]) -> Iterator[TableDefect]:
    try:
        table = read_table(path, chains.CURE)
        yield from row_defects(table, replace(chains.layout_of(table.header), id=None), seen)
    except HiergeoError as error:
        yield TableDefect(path.name, None, None, str(error).rstrip("."))


def _of_splits(folder: Path) -> Iterator[TableDefect]:
    for split, (file, _) in chains.FILES.items():
        if size_of(folder / file) is not None and chains.has_rows(folder / file):
            try:
                chains.read_split(folder, split)
            except HiergeoError as error:
                yield TableDefect(file, None, None, str(error).rstrip("."))


def row_defects(
    table: Table,
    layout: Layout,
    seen: dict[str, None],
    *,
    wanted: Callable[[Chain], bool] = lambda _: True,
    tested: Collection[int] = (),
) -> Iterator[TableDefect]:
    """The defects of the rows of a file, and in the end those rows that repeat an earlier one.

    Args:
        table: the file.
        layout: of its rows, which are counted as they stand.
        seen: takes the addresses of their images.
        wanted: which rows are checked.
        tested: numbers of MS-COCO's images that no row may describe.
    """
    repeats = Repeats()
    for each in chains.parse(table, layout):
        if isinstance(each, TableDefect):
            yield each
        elif wanted(each):
            repeats.add(each.row, *each.positive, each.image, *(each.negative or ()))
            for column, problem in _flaws(each, layout):
                yield TableDefect(table.file, each.row, column, problem)
            if tested and (number := coco_number(each.image)) in tested:
                problem = f"image {number} is a test image in training data"
                yield TableDefect(table.file, each.row, layout.image, problem)
            if each.image:
                seen[each.image] = None
    for row, first in repeats.found().items():
        yield TableDefect(table.file, row, None, f"repeats data row {first}")


def _flaws(chain: Chain, layout: Layout) -> Iterator[tuple[str | None, str]]:
    """Tiers that repeat their parent, and contradictions that repeat the caption (up to case)."""
    positive = [tier.casefold() for tier in chain.positive]
    negative = [tier.casefold() for tier in chain.negative or ()]
    for column, tiers in ((layout.positive, positive), (layout.negative, negative)):
        for level in _equal_levels(tiers, tiers[1:]):
            yield column, f"tier {level + 1} repeats tier {level}"
    for level in _equal_levels(positive, negative):
        yield layout.negative, f"tier {level} repeats the positive tier {level}"


def _equal_levels(left: Sequence[str], right: Sequence[str]) -> list[int]:
    return [level for level, (one, other) in enumerate(zip(left, right, strict=False)) if one == other]


def image_defects(
    addresses: Iterable[str], folder: Path, published: Mapping[int, str] | None = None, *, progress: bool = False
) -> Iterator[TableDefect]:
    """Images that are missing, outside the folder, cannot be decoded, or have other bytes than the published ones.

    Args:
        addresses: of the images.
        folder: where they are looked for, as by `hiergeo.datasets.addresses.image_file`.
        published: the SHA-256 of images by their numbers in MS-COCO.
        progress: draw a bar.
    """
    for address in track(list(addresses), "images", enabled=progress):
        path = image_file(address, folder)
        if path is None:
            yield TableDefect(address, None, None, "image file leads out of the folder")
        elif problem := _problem(path, (published or {}).get(coco_number(address) or -1)):
            yield TableDefect(path.relative_to(folder).as_posix(), None, None, f"image file is {problem}")


def _problem(path: Path, digest: str | None) -> str:
    if not path.is_file():
        return "missing"
    try:
        open_rgb(path)
    except HiergeoError:
        return "truncated or not an image"
    return "" if digest in (None, sha256(path)) else "not the published one"
