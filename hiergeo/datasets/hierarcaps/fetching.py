"""HierarCaps from its public source: tables by hash, and the images of the test split."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError, unknown_name
from hiergeo._core.progress import track
from hiergeo._core.storage.files import atomic_write_text, remove_leftovers, sha256, size_of
from hiergeo._core.storage.locks import clear, locked
from hiergeo._core.storage.texts import GZIP
from hiergeo.datasets import download
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarcaps.tables import (
    FILES,
    OBTAIN,
    SOURCE,
    TRAIN,
    checksum_record,
    folder,
    parse_rows,
    recorded_checksum,
    test_images,
)
from hiergeo.datasets.hierarchy import ImageRef, Row
from hiergeo.datasets.pictures import open_rgb
from hiergeo.datasets.tables import read_table

if TYPE_CHECKING:
    from PIL.Image import Image

PARTS = (*FILES, "images")
"""What can be downloaded: the three CSV files, and the images of the test split."""

TRAIN_ROWS = 50_000
"""Least number of rows of the training file; its authors report 73,000."""

ODD_ROWS = 0.01
"""Share of malformed rows above which a file is not taken for the training file."""


def fetch(
    home: Path | None = None, what: Iterable[str] = PARTS, *, source: str = SOURCE, progress: bool = False
) -> list[Path]:
    """Download parts of HierarCaps; files that are already there and intact are kept.

    The images are those that the authors evaluated (256 x 256 pixels), from their repository.

    Args:
        home: the data home, by default `data_home()`.
        what: names out of `PARTS`.
        source: the address of the public repository's files, or of a mirror.
        progress: draw bars on standard error.

    Returns:
        The files of those parts, downloaded or already there.

    Raises:
        InputError: a part is unknown, or a file that is already there has other bytes than the published one.
        UnavailableError: another process is downloading, or a download failed; what was complete before stays.
    """
    home = home or data_home()
    parts = list(dict.fromkeys(what))
    for part in parts:
        if part not in PARTS:
            raise unknown_name("part of hierarcaps", part, PARTS)
    wanted = [item for part in parts for item in _items(part, home, source)]
    _refuse_altered(wanted)
    if not all(item.is_complete for item in wanted):
        with locked(folder(home)):
            for place in {item.path.parent for item in wanted}:
                remove_leftovers(place)
            _obtain([item for item in wanted if not item.is_complete], progress)
    else:
        clear(folder(home).parent)
    return [item.path for item in wanted]


@dataclass(frozen=True)
class _Item:
    """A file to be downloaded; `sha256` is None where it has yet to be recorded."""

    path: Path
    url: str
    sha256: str | None
    most: int = limits.DOWNLOAD_BYTES

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing to do."""
        return self.sha256 is not None and size_of(self.path) is not None


def _items(part: str, home: Path, source: str) -> Iterator[_Item]:
    if part in FILES:
        path = FILES[part].path(home)
        yield _Item(path, f"{source}/data/{path.name}", recorded_checksum(path))
        return
    for image_id, digest in sorted(test_images().items()):
        name = image_name(image_id)
        path = folder(home) / "images" / name
        yield _Item(path, f"{source}/assets/test_imgs/{name}", digest, most=limits.IMAGE_BYTES)


def _refuse_altered(items: list[_Item]) -> None:
    altered = [item.path for item in items if item.is_complete and sha256(item.path) != item.sha256]
    if altered:
        count = f" (the first of {len(altered)} such files)" if len(altered) > 1 else ""
        raise InputError(f"{altered[0]} differs from the published file{count}: move it away and fetch again.")


def _obtain(items: list[_Item], progress: bool) -> None:
    several = len(items) > len(FILES)
    for item in track(items, "test images", enabled=progress and several):
        if item.sha256 is None:
            _obtain_train(item, progress)
        else:
            download.fetch(item.url, item.path, item.sha256, most=item.most, progress=progress and not several)


def _obtain_train(item: _Item, progress: bool) -> None:
    """Download the training file unless it is there, and record its hash once its content has been found sound."""
    if size_of(item.path) is not None:
        _check_train(item.path)
    else:
        download.fetch(item.url, item.path, check=_check_train, progress=progress)
    atomic_write_text(checksum_record(item.path), f"{sha256(item.path)}  {item.path.name}\n")


def _check_train(path: Path) -> None:
    """Raise InputError unless a file, whose bytes nobody has published a hash of, reads as the training table."""
    with path.open("rb") as handle:
        if handle.read(len(GZIP)) != GZIP:
            raise InputError(f"{path} is no gzip file.")
    sound, odd = set[int](), set[int | None]()
    for found in parse_rows(read_table(path, OBTAIN), TRAIN):
        if isinstance(found, Row):
            sound.add(found.row_id)
        elif found.row is None:
            raise InputError(f"{found}.")
        else:
            odd.add(found.row)
    if len(sound) < TRAIN_ROWS or len(odd) > ODD_ROWS * len(sound):
        raise InputError(
            f"{path} has {len(sound):,} rows of four tiers and {len(odd):,} others, "
            f"and should have {TRAIN_ROWS:,} or more with hardly an exception."
        )


def image_name(image_id: int) -> str:
    """The file name of an MS-COCO val2014 image."""
    return f"COCO_val2014_{image_id:012d}.jpg"


def image_refs(rows: Iterable[Row], images: Path) -> tuple[ImageRef, ...]:
    """The distinct images of `rows`, in order of first appearance, as files of the folder `images`."""
    ids = dict.fromkeys(row.image_id for row in rows if row.image_id is not None)
    paths = ((image_id, images / image_name(image_id)) for image_id in ids)
    return tuple(ImageRef(image_id, partial(open_image, path), path) for image_id, path in paths)


def open_image(path: Path) -> "Image":
    """The pixels of an image file as upright RGB, whatever its mode and orientation.

    Raises:
        UnavailableError: there is no such file.
        InputError: it cannot be read, is truncated or no image.
    """
    if not path.is_file():
        raise UnavailableError(
            f"image {path} is not there: run `hiergeo data fetch hierarcaps` for the test images, "
            f"or put a copy of http://images.cocodataset.org/val2014/{path.name} there."
        )
    return open_rgb(path)
