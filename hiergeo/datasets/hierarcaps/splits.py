"""The splits of HierarCaps, and the guard against training on the test rows or images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hiergeo._core.errors import InputError, UnavailableError, unknown_name, warn
from hiergeo.datasets import chains
from hiergeo.datasets.addresses import coco_number, image_refs
from hiergeo.datasets.chains import Chain
from hiergeo.datasets.controls import balanced_by_length
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarcaps import published
from hiergeo.datasets.hierarcaps.published import EXPANDED, OBTAIN, TEST, TIERS, TRAIN, PublishedTable
from hiergeo.datasets.hierarchy import Hierarchy, Row
from hiergeo.datasets.tables import read_table

NAME = "hierarcaps"

FETCH = "run `hiergeo data fetch hierarcaps` for the test images, or "
"""What to do about an image that is not there, before other advice."""


@dataclass(frozen=True)
class TableSplit:
    """The rows of a file: all of them, or only those whose image is (or is not) a test image.

    A `balanced` split holds pairs of tiers of those rows, as `balanced_by_length` chooses them.
    """

    source: PublishedTable
    of_test_images: bool | None = None
    balanced: bool = False

    def holds(self, chain: Chain) -> bool:
        """Whether a row of the file is one of this split."""
        tested = coco_number(chain.image) in published.test_images()
        return self.of_test_images is None or tested == self.of_test_images


SPLITS = {
    "test": TableSplit(TEST),
    "balanced": TableSplit(TEST, balanced=True),
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
            ``balanced`` holds pairs of tiers of ``test`` in which the number of words says nothing of which caption is
            the more specific: see `hiergeo.datasets.balanced_by_length`.
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
    whole = Hierarchy(NAME, split, tuple(rows), image_refs(numbers, path.parent, True, FETCH))
    return replace(balanced_by_length(whole), split=split) if chosen.balanced else whole


def check_bytes(split: str, *, home: Path | None = None) -> None:
    """Raise InputError where the file of a split, or a test image that is there, is not the published one."""
    published.check_bytes(_split(split).source, home or data_home())


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
    leaked = sum(row.image_id in published.test_images() for row in rows)
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
