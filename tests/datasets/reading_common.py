"""What the one reader of corpora gives: samples, their texts, and defects by row."""

from pathlib import Path

from hiergeo.datasets import reading
from hiergeo.datasets.reading import Columns, Defect, Sample

TEXTS, IMAGES, PAIRS = Columns(), Columns("images"), Columns("pairs")


def read(path: Path, columns: Columns = TEXTS) -> list[Sample | Defect]:
    return list(reading.read(path, columns))


def texts(path: Path, columns: Columns = TEXTS) -> dict[int, str | None]:
    return {each.row: each.caption for each in read(path, columns) if isinstance(each, Sample)}


def defects(path: Path, columns: Columns = TEXTS) -> dict[int, str]:
    return {each.row: each.reason for each in read(path, columns) if isinstance(each, Defect)}
