"""What the tests of construction share: a judge that knows a table of pairs, and chains."""

from collections.abc import Mapping, Sequence

import numpy as np

from hiergeo.construction.judges import Judge
from hiergeo.datasets import Hierarchy, Row

ENTAILS, SILENT, CONTRADICTS = (0.8, 0.1, 0.1), (0.2, 0.7, 0.1), (0.0, 0.1, 0.9)


class TableJudge(Judge):
    """Answers from a table (premise, hypothesis) -> probabilities, `SILENT` about all else; keeps what it was asked."""

    name = "table"

    def __init__(self, table: Mapping[tuple[str, str], tuple[float, float, float]]) -> None:
        self.table, self.closed = dict(table), False
        self.asked: list[object] = []

    @property
    def identity(self):
        return {"judge": "table", "pairs": len(self.table)}

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        self.asked += pairs
        return np.array([self.table.get(pair, SILENT) for pair in pairs], dtype=np.float64).reshape(-1, 3)

    def close(self) -> None:
        self.closed = True


def chains_of(*rows: tuple, name: str = "made", split: str = "test") -> Hierarchy:
    """A hierarchy of rows (positive, negative, image), texts joined by ``=>``; None for no negative or image."""
    parted = [(_texts(row[0]), _texts(row[1]), row[2]) for row in rows]
    return Hierarchy(name, split, tuple(Row(place, *row) for place, row in enumerate(parted)))


def _texts(joined):
    return None if joined is None else tuple(text.strip() for text in joined.split("=>"))
