"""HierarCaps from its public source: tables by hash, and the images of the test split."""

from collections.abc import Iterable
from pathlib import Path

from hiergeo._core import limits
from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.storage.texts import GZIP
from hiergeo.datasets.chains import parse
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarcaps.published import FILES, FOLDER, OBTAIN, SOURCE, TRAIN, image_name, test_images
from hiergeo.datasets.public import PublicFile, fetch_files
from hiergeo.datasets.tables import TableDefect, read_table

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
    parts = list(dict.fromkeys(what))
    for part in parts:
        if part not in PARTS:
            raise unknown_name("part of hierarcaps", part, PARTS)
    files = [file for part in parts for file in _files(part)]
    return fetch_files(files, home or data_home(), FOLDER, source, progress)


def _files(part: str) -> list[PublicFile]:
    if part in FILES:
        name, digest = FILES[part].file, FILES[part].sha256
        check = None if digest else _check_train
        return [PublicFile(FOLDER / name, f"data/{name}", digest, most=limits.DOWNLOAD_BYTES, check=check)]
    named = [(image_name(number), digest) for number, digest in sorted(test_images().items())]
    return [
        PublicFile(FOLDER / "images" / name, f"assets/test_imgs/{name}", digest, most=limits.IMAGE_BYTES)
        for name, digest in named
    ]


def _check_train(path: Path) -> None:
    """Raise InputError unless a file, whose bytes nobody has published a hash of, reads as the training table."""
    with path.open("rb") as handle:
        if handle.read(len(GZIP)) != GZIP:
            raise InputError(f"{path} is not a gzip file.")
    sound, odd = set[int](), set[int | None]()
    for each in parse(read_table(path, OBTAIN), TRAIN.layout):
        if not isinstance(each, TableDefect):
            sound.add(each.row)
        elif each.row is None:
            raise InputError(f"{each}.")
        else:
            odd.add(each.row)
    if len(sound) < TRAIN_ROWS or len(odd) > ODD_ROWS * len(sound):
        raise InputError(
            f"{path} has {len(sound):,} rows of four tiers and {len(odd):,} others, "
            f"and should have {TRAIN_ROWS:,} or more with hardly an exception."
        )
