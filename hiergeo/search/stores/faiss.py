"""faiss as a store: one index a shell, in memory, filled from the index folder when it is opened.

``faiss:flat`` compares every direction and is exhaustive; ``faiss:hnsw32`` and ``faiss:ivf64`` are approximate, with 32
links a row or 64 lists a shell.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core import extras
from hiergeo._core.errors import InputError
from hiergeo.search.rows import Frame, Rows
from hiergeo.search.store import Candidates, Shell, Store, StoreFacts, check_asked, check_new, check_rows, shell_of

CHUNK = 1 << 15
"""Rows that `scan` gives at a time."""

BREADTH = 128
"""Rows that a search of a graph looks at, and twice k where that is more."""

PER_LIST = 39
"""Rows that faiss wants to train a list on."""

PROBED = 4
"""One in this many lists is read."""


@final
class FaissStore(Store):
    """Rows in memory with a faiss index of each shell, built when the shell is first searched after a change.

    Its arguments are those of `hiergeo.search.store.open_store`: ``flat``, ``hnswM`` with M links a row, or ``ivfN``
    with N lists a shell. Raises InputError for another kind, UnavailableError without faiss.
    """

    durable: ClassVar[bool] = False

    def __init__(self, rest: str, frame: Frame, edges: Sequence[float]) -> None:
        read = re.fullmatch(r"(flat)|(hnsw|ivf)([1-9][0-9]{0,3})", rest or "flat")
        if read is None:
            raise InputError(f"faiss knows flat, hnswM and ivfN such as hnsw32 and ivf64, not '{rest}'.")
        self.kind, self.number = read[1] or read[2], int(read[3] or 0)
        self.frame, self.edges = frame, tuple(edges)
        self._faiss = extras.require("faiss", "the store faiss")
        self._shells = [Rows.none(frame) for _ in range(len(self.edges) + 1)]
        self._indices: dict[int, Any] = {}

    def describe(self) -> StoreFacts:
        shells = tuple(Shell.of(rows.radii[:, 0]) for rows in self._shells)
        total = sum(shell.count for shell in shells)
        return StoreFacts("faiss", self._faiss.__version__, self.frame, total, shells, self.kind == "flat")

    def add(self, rows: Rows) -> None:
        check_rows(rows, self.frame)
        check_new(rows.ids, torch.cat([before.ids for before in self._shells]))
        place = shell_of(rows.radii[:, 0], self.edges)
        for shell in place.unique().tolist():
            part, before = rows.take(place == shell), self._shells[shell]
            self._change(shell, Rows.cat([before, part]))

    def delete(self, ids: Tensor) -> int:
        removed = 0
        for shell, rows in enumerate(self._shells):
            gone = torch.isin(rows.ids, ids)
            if bool(gone.any()):
                removed += int(gone.sum())
                self._change(shell, rows.take(~gone))
        return removed

    def candidates(self, queries: Tensor, shell: int, k: int) -> Candidates:
        check_asked(queries, shell, k, self.frame, len(self._shells))
        rows = self._shells[shell]
        found = min(k, len(rows))
        ids = torch.full((len(queries), k), -1, dtype=torch.int64)
        cosine = torch.full((len(queries), k), torch.nan)
        if found and len(queries):
            scores, places = self._search(shell, queries.float().contiguous().numpy(), found)
            ids[:, :found] = rows.ids[torch.from_numpy(places)]
            cosine[:, :found] = torch.from_numpy(scores)
        return Candidates(ids, cosine)

    def scan(self, low: float = 0.0, high: float = float("inf")) -> Iterator[Rows]:
        for rows in self._shells:
            inside = rows.take(_within(rows, low, high))
            for start in range(0, len(inside), CHUNK):
                yield inside.take(slice(start, start + CHUNK))

    def fetch(self, ids: Tensor) -> Rows:
        return Rows.cat(self._shells).by_ids(ids, "the store")

    def count(self, low: float = 0.0, high: float = float("inf")) -> int:
        return sum(int(_within(rows, low, high).sum()) for rows in self._shells)

    def close(self) -> None:
        self._indices.clear()

    def _change(self, shell: int, rows: Rows) -> None:
        self._shells[shell] = rows
        self._indices.pop(shell, None)

    def _search(self, shell: int, queries: Any, k: int) -> tuple[Any, Any]:
        if shell not in self._indices:
            self._indices[shell] = self._index(shell, self.kind)
        index = self._indices[shell]
        if self.kind == "hnsw":
            index.hnsw.efSearch = max(BREADTH, 2 * k)
        if isinstance(index, self._faiss.IndexIVFFlat):
            index.nprobe = max(1, index.nlist // PROBED)
        scores, places = index.search(queries, k)
        return self._index(shell, "flat").search(queries, k) if (places < 0).any() else (scores, places)

    def _index(self, shell: int, kind: str) -> Any:
        faiss, dim, rows = self._faiss, self.frame.dim, self._shells[shell]
        directions, lists = normalize(rows.direction.float(), dim=1).numpy(), min(self.number, len(rows) // PER_LIST)
        index = faiss.IndexFlatIP(dim)
        if kind == "hnsw":
            index = faiss.IndexHNSWFlat(dim, self.number, faiss.METRIC_INNER_PRODUCT)
        elif kind == "ivf" and lists >= 2:
            index = faiss.IndexIVFFlat(index, dim, lists, faiss.METRIC_INNER_PRODUCT)
            index.train(directions)
        index.add(directions)
        return index


def _within(rows: Rows, low: float, high: float) -> Tensor:
    """Which rows (n,) bool have a radius in a range, compared in float64."""
    radius = rows.radii[:, 0].double()
    return (radius >= low) & (radius <= high)
