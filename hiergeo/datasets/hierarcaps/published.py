"""The published files of HierarCaps: their columns, their bytes and where they come from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from hiergeo.errors import InputError
from hiergeo.storage.texts import read_text

SOURCE = "https://raw.githubusercontent.com/TAU-VAILab/hierarcaps/ba22b8914db10973e38d2c03f08bb4dce7ba118e"
"""The public repository at the commit whose files the checksums describe."""

IMAGE_COLUMN = "image_url"


@dataclass(frozen=True)
class Published:
    """A published CSV file.

    Attributes:
        file: its name.
        positive: the column of the chains of true captions.
        negative: the column of the contradicting chains, None where there are none.
        coco: whether every image is one of MS-COCO val2014; otherwise image addresses are arbitrary.
        sha256: of its bytes; None where it is recorded at the first download.
    """

    file: str
    positive: str
    negative: str | None
    coco: bool
    sha256: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a file of this kind must have."""
        return tuple(name for name in (self.positive, self.negative, IMAGE_COLUMN) if name)

    def path(self, home: Path) -> Path:
        """Where this file lies in the data home."""
        return folder(home) / self.file


TEST = Published(
    "hierarcaps_test.csv",
    positive="captions",
    negative=None,
    coco=True,
    sha256="3474564194fd2a85e1d8f4dbe6e040c795e94677b2982cfb161b14908cae33b0",
)
EXPANDED = Published(
    "hierarcaps_test_expanded.csv.gz",
    positive="positive",
    negative="negative",
    coco=True,
    sha256="746a0fee51ee4554d7f050a9d6838699375f7175c12655cbd98562f42afe8590",
)
TRAIN = Published("hierarcaps_train.csv.gz", positive="positive", negative="negative", coco=False, sha256=None)

FILES = {"test": TEST, "expanded": EXPANDED, "train": TRAIN}


def folder(home: Path) -> Path:
    """The folder of HierarCaps in the data home."""
    return home / "hierarcaps"


def layout_of(path: Path, header: list[str]) -> Published:
    """Which published file `path` is like: by its name (compressed or not), otherwise by its header."""
    stem = path.name.removesuffix(".gz")
    for published in FILES.values():
        if published.file.removesuffix(".gz") == stem:
            return published
    return TEST if TEST.positive in header else TRAIN


def recorded_checksum(path: Path) -> str | None:
    """The digest that the file at `path` must have: the published one, or the one recorded beside it.

    Raises:
        InputError: the record beside it is damaged.
    """
    for published in FILES.values():
        if published.file == path.name and published.sha256:
            return published.sha256
    record = checksum_record(path)
    if not record.exists():
        return None
    found = re.match(r"([0-9a-f]{64})\s", read_text(record, "fetch the data"))
    if found is None:
        raise InputError(f"{record} holds no SHA-256: delete it and fetch again.")
    return found[1]


def checksum_record(path: Path) -> Path:
    """The side file, in the format of ``sha256sum``, that remembers the digest of a first download."""
    return path.with_name(f"{path.name}.sha256")


@cache
def test_images() -> Mapping[int, str]:
    """The SHA-256 of every image of the test split by its number in MS-COCO; the list is part of this package."""
    listed = resources.files(__package__).joinpath("test_images.sha256").read_text("ascii").splitlines()
    pairs = (line.split() for line in listed)
    return {int(name[-16:-4]): digest for digest, name in pairs}
