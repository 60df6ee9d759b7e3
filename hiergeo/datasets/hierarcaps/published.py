"""The published files of HierarCaps: their names, columns and hashes, and the images of the test split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from hiergeo.datasets.chains import CAPTIONS, IMAGE, NEGATIVE, POSITIVE, Layout
from hiergeo.datasets.public import recorded

OBTAIN = "run `hiergeo data fetch hierarcaps`, or set HIERGEO_DATA_HOME to the folder that holds hierarcaps/"
"""What to do about a file that is not there."""

SOURCE = "https://raw.githubusercontent.com/TAU-VAILab/hierarcaps/ba22b8914db10973e38d2c03f08bb4dce7ba118e"
"""The public repository at the commit whose files the checksums describe."""

FOLDER = Path("hierarcaps")
"""The folder of HierarCaps in the data home."""

TIERS = 4
"""Captions in a chain of HierarCaps."""


@dataclass(frozen=True)
class Published:
    """A published CSV file.

    Attributes:
        file: its name.
        layout: its columns.
        sha256: of its bytes; None where it is recorded at the first download.
    """

    file: str
    layout: Layout
    sha256: str | None

    def path(self, home: Path) -> Path:
        """Where this file lies in the data home."""
        return home / FOLDER / self.file


TEST = Published(
    "hierarcaps_test.csv",
    Layout(CAPTIONS, image=IMAGE, tiers=TIERS, coco=True),
    "3474564194fd2a85e1d8f4dbe6e040c795e94677b2982cfb161b14908cae33b0",
)
EXPANDED = Published(
    "hierarcaps_test_expanded.csv.gz",
    Layout(POSITIVE, NEGATIVE, IMAGE, tiers=TIERS, coco=True),
    "746a0fee51ee4554d7f050a9d6838699375f7175c12655cbd98562f42afe8590",
)
TRAIN = Published("hierarcaps_train.csv.gz", Layout(POSITIVE, NEGATIVE, IMAGE, tiers=TIERS), None)

FILES = {"test": TEST, "expanded": EXPANDED, "train": TRAIN}


def layout_of(path: Path, header: Sequence[str]) -> Layout:
    """The layout of the published file that `path` is like: by its name (compressed or not), else by its header."""
    stem = path.name.removesuffix(".gz")
    like = next((each for each in FILES.values() if each.file.removesuffix(".gz") == stem), None)
    return (like or (TEST if CAPTIONS in header else TRAIN)).layout


def expected_checksum(path: Path) -> str | None:
    """The digest that the file at `path` must have: the published one, or the one recorded beside it; None for neither.

    Raises:
        InputError: the record beside it is damaged.
    """
    return next((each.sha256 for each in FILES.values() if each.file == path.name), None) or recorded(path)


def image_name(image_id: int) -> str:
    """The file name of an MS-COCO val2014 image."""
    return f"COCO_val2014_{image_id:012d}.jpg"


@cache
def test_images() -> Mapping[int, str]:
    """The SHA-256 of every image of the test split by its number in MS-COCO; the list is part of this package."""
    listed = resources.files(__package__).joinpath("test_images.sha256").read_text("ascii").splitlines()
    pairs = (line.split() for line in listed)
    return {int(name[-16:-4]): digest for digest, name in pairs}
