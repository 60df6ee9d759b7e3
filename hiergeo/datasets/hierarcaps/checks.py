"""Pure checks beyond well-formed cells: each yields the defects that it finds."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hiergeo._progress import track
from hiergeo.datasets._base import ImageRef, Row
from hiergeo.datasets.hierarcaps.parsing import Defect
from hiergeo.datasets.hierarcaps.published import IMAGE_COLUMN, Published, recorded_checksum
from hiergeo.errors import HiergeoError, UnavailableError
from hiergeo.storage.files import sha256


def row_defects(file: str, rows: Iterable[Row], layout: Published) -> Iterator[Defect]:
    """Repeated rows, tiers that repeat their parent, and contradictions that repeat the caption (up to case)."""
    first: dict[tuple[object, ...], int] = {}
    for row in rows:
        earlier = first.setdefault((row.positive, row.negative, row.image_id), row.row_id)
        if earlier != row.row_id:
            yield Defect(file, row.row_id, None, f"repeats data row {earlier}")
        for column, chain in ((layout.positive, row.positive), (layout.negative, row.negative)):
            for level in _equal_levels(chain or (), (chain or ())[1:]):
                yield Defect(file, row.row_id, column, f"tier {level + 1} repeats tier {level}")
        for level in _equal_levels(row.positive, row.negative or ()):
            yield Defect(file, row.row_id, layout.negative, f"tier {level} repeats the positive tier {level}")


def leak_defects(file: str, rows: Iterable[Row], test_images: frozenset[int]) -> Iterator[Defect]:
    """Rows of training data that describe test images."""
    for row in rows:
        if row.image_id in test_images:
            yield Defect(file, row.row_id, IMAGE_COLUMN, f"image {row.image_id} is a test image in training data")


def image_defects(images: Sequence[ImageRef], progress: bool) -> Iterator[Defect]:
    """Image files that are missing or cannot be decoded."""
    for image in track(images, "images", enabled=progress):
        try:
            image.open()
        except HiergeoError as error:
            problem = "missing" if isinstance(error, UnavailableError) else "truncated or not an image"
            yield Defect(image.path.name if image.path else str(image.image_id), None, None, f"image file is {problem}")


def checksum_defects(path: Path) -> Iterator[Defect]:
    """Bytes other than the published (or first downloaded) ones."""
    expected = recorded_checksum(path)
    if expected is not None and (found := sha256(path)) != expected:
        yield Defect(path.name, None, None, f"sha256 is {found} instead of the published {expected}")


def _equal_levels(left: Sequence[str], right: Sequence[str]) -> list[int]:
    pairs = enumerate(zip(left, right, strict=False))
    return [level for level, (one, other) in pairs if one.casefold() == other.casefold()]
