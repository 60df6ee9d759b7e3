"""HierarCaps (Alper and Averbuch-Elor, ECCV 2024): images with chains of four captions, from general to specific.

The captions and the images (MS-COCO's) are not part of this package: `fetch` downloads them into the data home.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError, unknown_name, warn
from hiergeo.datasets import chains
from hiergeo.datasets.addresses import coco_number, image_refs
from hiergeo.datasets.chains import Chain
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarchy import Hierarchy, Row
from hiergeo.datasets.public import PublicFile, check_published, fetch_files
from hiergeo.datasets.tables import read_table

__all__ = [
    "load",
]

NAME = "hierarcaps"

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
    lines = resources.files(__name__).joinpath("test_images.sha256").read_text("ascii").splitlines()
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
    rows = sum(1 for _ in _read(path))
    if rows < TRAIN_ROWS:
        raise InputError(f"{path} has {rows:,} rows of four tiers, and should have {TRAIN_ROWS:,} or more.")


FETCH = "run `hiergeo data fetch hierarcaps` for the test images, or "
"""What to do about an image that is not there, before other advice."""


@dataclass(frozen=True)
class TableSplit:
    """The rows of a file: all of them, or only those whose image is (or is not) a test image."""

    source: PublishedTable
    of_test_images: bool | None = None

    def holds(self, chain: Chain) -> bool:
        """Whether a row of the file is one of this split."""
        tested = coco_number(chain.image) in test_images()
        return self.of_test_images is None or tested == self.of_test_images


SPLITS = {
    "test": TableSplit(TEST),
    "expanded": TableSplit(EXPANDED),
    "expanded-train": TableSplit(EXPANDED, of_test_images=False),
    "expanded-test": TableSplit(EXPANDED, of_test_images=True),
    "train": TableSplit(TRAIN),
}


def load(split: str = "test", *, home: Path | None = None) -> Hierarchy:
    """Read a split of HierarCaps.

    Args:
        split: a key of `SPLITS`. ``test`` has one row an image and no contradicting chains; ``expanded`` has about
            five rows an image, those of the test images included; ``expanded-train`` and ``expanded-test`` part it.
        home: the data home, by default `data_home()`.

    Raises:
        InputError: the split is unknown, or its file is damaged (which row, and how).
        UnavailableError: the file is not there.
    """
    chosen = _split(split)
    path = chosen.source.path(home or data_home())
    rows, numbers = [], dict[str, int]()
    for index, chain in enumerate(_read(path)):
        if chosen.holds(chain):
            number = coco_number(chain.image)
            if number is not None:
                numbers[chain.image] = number
            rows.append(Row(index, chain.positive, chain.negative, number))
    return Hierarchy(NAME, split, tuple(rows), image_refs(numbers, path.parent, FETCH))


def check_bytes(split: str, *, home: Path | None = None) -> None:
    """Raise InputError where the file of a split, or a test image that is there, is not the published one."""
    table = _split(split).source
    files = [file for part, listed in FILES.items() if listed is table for file in _files(part)] + _files("images")
    home = home or data_home()
    check_published([file for file in files if (home / file.path).is_file()], home)


def _split(name: str) -> TableSplit:
    if name not in SPLITS:
        raise unknown_name("split of hierarcaps", name, SPLITS)
    return SPLITS[name]


def _read(path: Path) -> Iterator[Chain]:
    return chains.parse(read_table(path, OBTAIN), TIERS)


def check_no_leakage(training: Hierarchy | Sequence[Row]) -> None:
    """Refuse to train on rows that describe images of the test split.

    Rows are recognised by the number of their image in MS-COCO. Those that have none are recognised by their captions,
    if all of a chain are those of a test row; that needs the test split in the data home, and a warning says where it
    is missing.

    Args:
        training: the rows to train on; a hierarchy of another dataset passes. Chains of one's own are recognised by the
            numbers of their images alone.

    Raises:
        InputError: some rows do; it counts them and names the split to use.
    """
    own = isinstance(training, Hierarchy) and training.name.partition(":")[0] == chains.NAME
    if isinstance(training, Hierarchy) and training.name != NAME and not own:
        return
    rows = training.rows if isinstance(training, Hierarchy) else training
    leaked = sum(row.image_id in test_images() for row in rows)
    if unnumbered := [row.positive for row in rows if row.image_id is None and not own]:
        leaked += sum(map(_test_chains().__contains__, unnumbered))
    if leaked:
        source = f"split '{training.split}'" if isinstance(training, Hierarchy) else "these rows"
        cure = "leave them out (`hiergeo chains leaks --kept FILE` does)" if own else "train on split 'expanded-train'"
        raise InputError(f"cannot train on {source}: {leaked} of {len(rows)} rows describe test images; {cure}.")


def _test_chains() -> frozenset[tuple[str, ...]]:
    try:
        return frozenset(chain.positive for chain in _read(TEST.path(data_home())))
    except UnavailableError as error:
        warn(f"rows without a number of MS-COCO cannot be compared with the test captions of HierarCaps: {error}")
        return frozenset()
