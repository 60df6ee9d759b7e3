"""What the tests of HierarCaps share: rows, and small files in its layouts."""

import csv
import gzip
import io
from pathlib import Path

COCO = "http://images.cocodataset.org/val2014/COCO_val2014_{:012d}.jpg"
DOG = "animal => dog => wet dog => A wet dog."
CAT = "food => cat => dry dog => A dry dog."
TESTED = 139
"""The number of an image of the test split; 7 and 8 are none."""


def write(home: Path, name: str, *records: tuple[str, ...]) -> Path:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(records)
    raw = text.getvalue().encode()
    path = home / "hierarcaps" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def write_test(home: Path, *records: tuple[str, ...]) -> Path:
    return write(home, "hierarcaps_test.csv", ("id", "captions", "image_url"), *records)


def write_expanded(home: Path, *records: tuple[str, ...]) -> Path:
    return write(home, "hierarcaps_test_expanded.csv.gz", ("positive", "negative", "image_url"), *records)
