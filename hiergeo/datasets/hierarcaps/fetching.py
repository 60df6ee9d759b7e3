"""Downloading HierarCaps from its public source into the data home."""

from collections.abc import Iterable
from pathlib import Path

from hiergeo._progress import track
from hiergeo.datasets import download
from hiergeo.datasets._home import data_home
from hiergeo.datasets.hierarcaps.images import image_name
from hiergeo.datasets.hierarcaps.published import (
    FILES,
    SOURCE,
    Published,
    checksum_record,
    folder,
    recorded_checksum,
)
from hiergeo.datasets.hierarcaps.splits import test_image_ids
from hiergeo.errors import InputError, unknown_name
from hiergeo.storage.files import atomic_write_text, refuse_special, sha256

PARTS = (*FILES, "images")
"""What can be downloaded: the three CSV files, and the images of the test split."""


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
        UnavailableError: a download failed; what was complete before stays.
    """
    home = home or data_home()
    parts = list(what)
    for part in parts:
        if part not in PARTS:
            raise unknown_name("part of hierarcaps", part, PARTS)
    paths = [_fetch_file(FILES[part], home, source, progress) for part in parts if part in FILES]
    return paths + (_fetch_images(home, source, progress) if "images" in parts else [])


def _fetch_file(published: Published, home: Path, source: str, progress: bool) -> Path:
    path = published.path(home)
    refuse_special(path)
    expected = recorded_checksum(path)
    if not path.exists():
        download.fetch(f"{source}/data/{published.file}", path, expected, progress=progress)
    elif expected is not None and sha256(path) != expected:
        raise InputError(f"{path} differs from the published file: move it away and fetch again.")
    if expected is None:
        atomic_write_text(checksum_record(path), f"{sha256(path)}  {path.name}\n")
    return path


def _fetch_images(home: Path, source: str, progress: bool) -> list[Path]:
    _fetch_file(FILES["test"], home, source, progress)
    names = [image_name(image_id) for image_id in sorted(test_image_ids(home))]
    images = folder(home) / "images"
    for name in track([name for name in names if not (images / name).exists()], "test images", enabled=progress):
        download.fetch(f"{source}/assets/test_imgs/{name}", images / name)
    return [images / name for name in names]
