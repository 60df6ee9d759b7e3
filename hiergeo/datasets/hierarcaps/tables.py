"""The tables of HierarCaps: the published files, and what their records say."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from hiergeo._core.errors import InputError
from hiergeo._core.storage.texts import read_text
from hiergeo.datasets.hierarchy import Row
from hiergeo.datasets.tables import Defect, Table, chain, chain_problems, parse_records, quoted

OBTAIN = "run `hiergeo data fetch hierarcaps`, or set HIERGEO_DATA_HOME to the folder that holds hierarcaps/"
"""What to do about a file that is not there."""

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


_COCO = re.compile(r"/COCO_val2014_([0-9]{12})\.jpg$")

TIERS = 4
"""Captions in a chain of HierarCaps."""


def parse_rows(table: Table, layout: Published) -> Iterator[Row | Defect]:
    """Read every record of `table` as a row of the columns that `layout` names: the row, or its defects.

    Where a column is missing or there twice, those are the only defects.
    """
    for found in parse_records(table, layout.columns):
        if isinstance(found, Defect):
            yield found
            continue
        row_id, (*cells, url) = found
        chains = [chain(cell) for cell in cells]
        image_id = coco_number(url)
        unnamed = layout.coco and image_id is None
        if unnamed or not all(len(tiers) == TIERS and all(tiers) for tiers in chains):
            for name, tiers in zip(layout.columns, chains, strict=False):
                for problem in chain_problems(tiers, TIERS):
                    yield Defect(table.file, row_id, name, problem)
            if unnamed:
                yield Defect(table.file, row_id, IMAGE_COLUMN, f"'{quoted(url)}' names no MS-COCO val2014 image")
        else:
            yield Row(row_id, chains[0], chains[1] if layout.negative else None, image_id)


def coco_number(url: str) -> int | None:
    """The number of the MS-COCO val2014 image at `url`; None for any other address."""
    match = _COCO.search(url)
    return int(match[1]) if match else None
