"""faiss as a store: one index a shell, in memory, filled from the index folder when it is opened.

``faiss:flat`` compares every direction and is exhaustive; ``faiss:hnsw32`` and ``faiss:ivf64`` are approximate, with 32
links a row or 64 lists a shell.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor

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
    """Rows in memory with a faiss index of each shell, which is built when the shell is first searched after a change.

    Args:
        rest: ``flat``, ``hnswM`` with M links a row, or ``ivfN`` with N lists a shell.
        frame: of the rows.
        edges: ascending radii between the shells.

    Raises:
        InputError: another kind of index.
        UnavailableError: faiss is not installed.
    """

    durable: ClassVar[bool] = False

    def __init__(self, rest: str, frame: Frame, edges: Sequence[float]) -> None:
        read = re.fullmatch(r"(flat)|(hnsw|ivf)([1-9][0-9]{0,3})", rest or "flat")
        if read is None:
            raise InputError(f"faiss knows flat, hnswM and ivfN such as hnsw32 and ivf64, not '{rest}'.")
        self.kind, self.number = read[1] or read[2], int(read[3] or 0)
        self.frame, self.edges = frame, tuple(edges)
        self._faiss = _imported()
        none = Rows(torch.empty(0, dtype=torch.int64), torch.empty(0, frame.dim), torch.empty(0, len(frame.dims)))
        self._shells = [none for _ in range(len(self.edges) + 1)]
        self._indices: dict[int, Any] = {}

    def describe(self) -> StoreFacts:
        shells = [Shell(float(r.radii.min()), float(r.radii.max()), len(r)) for r in self._shells if len(r)]
        held = iter(shells)
        listed = tuple(next(held) if len(rows) else Shell(0.0, 0.0, 0) for rows in self._shells)
        total = sum(shell.count for shell in listed)
        return StoreFacts("faiss", self._faiss.__version__, self.frame, total, listed, self.kind == "flat")

    def add(self, rows: Rows) -> None:
        check_rows(rows, self.frame)
        check_new(rows.ids, torch.cat([held.ids for held in self._shells]))
        place = shell_of(rows.radii[:, 0], self.edges)
        for shell in place.unique().tolist():
            part, held = rows.take(place == shell), self._shells[shell]
            self._change(shell, Rows.cat([held, part]) if len(held) else part)

    def delete(self, ids: Tensor) -> int:
        removed = 0
        for shell, held in enumerate(self._shells):
            gone = torch.isin(held.ids, ids)
            if bool(gone.any()):
                removed += int(gone.sum())
                self._change(shell, held.take(~gone))
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
        whole = Rows.cat([held for held in self._shells if len(held)] or self._shells[:1])
        return whole.by_ids(ids, "the store")

    def count(self, low: float = 0.0, high: float = float("inf")) -> int:
        return sum(int(_within(rows, low, high).sum()) for rows in self._shells)

    def close(self) -> None:
        self._indices.clear()

    def _change(self, shell: int, rows: Rows) -> None:
        self._shells[shell] = rows
        self._indices.pop(shell, None)

    def _search(self, shell: int, queries: Any, k: int) -> tuple[Any, Any]:
        index = self._index(shell)
        if self.kind == "hnsw":
            index.hnsw.efSearch = max(BREADTH, 2 * k)
        if isinstance(index, self._faiss.IndexIVFFlat):
            index.nprobe = max(1, index.nlist // PROBED)
        scores, places = index.search(queries, k)
        if (places < 0).any():
            scores, places = self._flat(shell).search(queries, k)
        return scores, places

    def _index(self, shell: int) -> Any:
        if shell not in self._indices:
            self._indices[shell] = self._built(shell)
        return self._indices[shell]

    def _built(self, shell: int) -> Any:
        faiss, dim, rows = self._faiss, self.frame.dim, len(self._shells[shell])
        if self.kind == "hnsw":
            index = faiss.IndexHNSWFlat(dim, self.number, faiss.METRIC_INNER_PRODUCT)
            index.add(self._directions(shell))
            return index
        lists = min(self.number, rows // PER_LIST)
        if self.kind == "flat" or lists < 2:
            return self._flat(shell)
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, lists, faiss.METRIC_INNER_PRODUCT)
        index.train(self._directions(shell))
        index.add(self._directions(shell))
        return index

    def _flat(self, shell: int) -> Any:
        index = self._faiss.IndexFlatIP(self.frame.dim)
        index.add(self._directions(shell))
        return index

    def _directions(self, shell: int) -> Any:
        return torch.nn.functional.normalize(self._shells[shell].direction.float(), dim=1).numpy()


def _imported() -> Any:
    return extras.require("faiss", "the store faiss")


def _within(rows: Rows, low: float, high: float) -> Tensor:
    """Which rows (n,) bool have a radius in a range, compared in float64."""
    radius = rows.radii[:, 0].double()
    return (radius >= low) & (radius <= high)
