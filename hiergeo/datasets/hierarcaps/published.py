"""The published files of HierarCaps: names, hashes, and how to get them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from hiergeo._core import limits
from hiergeo._core.errors import InputError, unknown_name
from hiergeo.datasets.chains import parse
from hiergeo.datasets.download import data_home
from hiergeo.datasets.public import PublicFile, check_published, fetch_files
from hiergeo.datasets.tables import read_table

OBTAIN = "run `hiergeo data fetch hierarcaps`, or set HIERGEO_DATA_HOME to the folder that holds hierarcaps/"
"""What to do about a file that is not there."""

SOURCE = "https://raw.githubusercontent.com/TAU-VAILab/hierarcaps/ba22b8914db10973e38d2c03f08bb4dce7ba118e"
"""The public repository at the commit whose files the checksums describe."""

FOLDER = Path("hierarcaps")
"""The folder of HierarCaps in the data home."""

TIERS = 4
"""Captions in a chain of HierarCaps."""


@dataclass(frozen=True)
class PublishedTable:
    """A published CSV file: its name, and the hash of its bytes, None where nobody has published it."""

    file: str
    sha256: str | None = None

    def path(self, home: Path) -> Path:
        """Where this file lies in the data home."""
        return home / FOLDER / self.file


TEST = PublishedTable("hierarcaps_test.csv", "3474564194fd2a85e1d8f4dbe6e040c795e94677b2982cfb161b14908cae33b0")
EXPANDED = PublishedTable(
    "hierarcaps_test_expanded.csv.gz", "746a0fee51ee4554d7f050a9d6838699375f7175c12655cbd98562f42afe8590"
)
TRAIN = PublishedTable("hierarcaps_train.csv.gz")

FILES = {"test": TEST, "expanded": EXPANDED, "train": TRAIN}


def image_name(image_id: int) -> str:
    """The file name of an MS-COCO val2014 image."""
    return f"COCO_val2014_{image_id:012d}.jpg"


@cache
def test_images() -> Mapping[int, str]:
    """The SHA-256 of every image of the test split by its number in MS-COCO; the list is part of this package."""
    lines = resources.files(__package__).joinpath("test_images.sha256").read_text("ascii").splitlines()
    return {int(name[-16:-4]): digest for digest, name in map(str.split, lines)}


PARTS = (*FILES, "images")
"""What can be downloaded: the three CSV files, and the images of the test split."""

TRAIN_ROWS = 50_000
"""Least number of rows of the training file; its authors report 73,000."""


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


def check_bytes(table: PublishedTable, home: Path) -> None:
    """Raise InputError where a table, or a test image that is there, has other bytes than the published one."""
    files = [file for part, listed in FILES.items() if listed is table for file in _files(part)] + _files("images")
    check_published([file for file in files if (home / file.path).is_file()], home)


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
    """Raise InputError unless a file, whose hash nobody has published, reads as the training table."""
    rows = sum(1 for _ in parse(read_table(path, OBTAIN), TIERS))
    if rows < TRAIN_ROWS:
        raise InputError(f"{path} has {rows:,} rows of four tiers, and should have {TRAIN_ROWS:,} or more.")
