"""The exact store: a folder of immutable shards that are streamed through the engine."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from hiergeo.errors import InputError
from hiergeo.geometry import parse
from hiergeo.search import layout
from hiergeo.search.layout import SHARDS, Manifest, Shard
from hiergeo.search.rows import Rows
from hiergeo.search.shards import Labels, read_labels, read_rows, write_shard
from hiergeo.search.store import Candidates, Shell, Store, StoreFacts, shell_of

CHUNK = 1 << 15
"""Rows that are read at a time."""


@final
class ExactStore(Store):
    """An index folder as a store; see `hiergeo.search.layout`.

    Args:
        folder: of the index.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = layout.read(folder)
        self.geometry = parse(self.manifest.geometry)
        self._where: tuple[Tensor, Tensor, Tensor] | None = None

    def refresh(self) -> None:
        """See what writers have changed since."""
        self._use(layout.read(self.folder))

    def describe(self) -> StoreFacts:
        radius = [rows.radius(self.geometry) for rows in self.scan()]
        whole = torch.cat(radius) if radius else torch.empty(0)
        place = shell_of(whole, self.manifest.edges)
        inside = [whole[place == s] for s in range(len(self.manifest.edges) + 1)]
        shells = tuple(
            Shell(float(held.min()), float(held.max()), len(held)) if len(held) else Shell(0.0, 0.0, 0)
            for held in inside
        )
        return StoreFacts("exact", str(layout.VERSION), self.manifest.frame, self.manifest.rows, shells, True)

    def add(self, rows: Rows) -> None:
        self.add_labelled(rows, Labels([None] * len(rows), [None] * len(rows)))

    def add_labelled(self, rows: Rows, labels: Labels) -> None:
        """As `add`, with captions and images."""
        name = f"{self.manifest.generation:08d}"
        shard = write_shard(self.folder / SHARDS / name, rows, labels, self.geometry)
        manifest = self.manifest.next(shards=(*self.manifest.shards, shard))
        layout.commit(self.folder, manifest)
        self._use(manifest)

    def delete(self, ids: Tensor) -> int:
        raise NotImplementedError

    def candidates(self, queries: Tensor, shell: int, k: int) -> Candidates:
        raise NotImplementedError

    def scan(self, low: float = 0.0, high: float = float("inf")) -> Iterator[Rows]:
        for shard in self.manifest.shards:
            if shard.high < low or shard.low > high:
                continue
            for start in range(0, shard.rows, CHUNK):
                stop = min(start + CHUNK, shard.rows)
                rows = read_rows(self.folder / SHARDS, self.manifest, shard, start, stop)
                radius = rows.radius(self.geometry)
                yield rows.take((radius >= low) & (radius <= high))

    def fetch(self, ids: Tensor) -> Rows:
        found = [
            read_rows(self.folder / SHARDS, self.manifest, shard, row, row + 1) for shard, row in self._located(ids)
        ]
        return Rows.cat(found)

    def labels(self, ids: Tensor) -> Labels:
        """Captions and images of the items of the ids (n,), in their order."""
        found = [read_labels(self.folder / SHARDS, shard, [row]) for shard, row in self._located(ids)]
        return Labels([held.captions[0] for held in found], [held.images[0] for held in found])

    def count(self, low: float = 0.0, high: float = float("inf")) -> int:
        return sum(len(rows) for rows in self.scan(low, high))

    def close(self) -> None:
        self._where = None

    def _use(self, manifest: Manifest) -> None:
        self.manifest, self._where = manifest, None

    def _located(self, ids: Tensor) -> Sequence[tuple[Shard, int]]:
        if self._where is None:
            parts = [
                (read_rows(self.folder / SHARDS, self.manifest, shard, 0, shard.rows).ids, place)
                for place, shard in enumerate(self.manifest.shards)
            ]
            known = torch.cat([held for held, _ in parts])
            shard = torch.cat([torch.full_like(held, place) for held, place in parts])
            row = torch.cat([torch.arange(len(held)) for held, _ in parts])
            order = known.argsort()
            self._where = known[order], shard[order], row[order]
        known, shard, row = self._where
        place = torch.searchsorted(known, ids).clamp_max(len(known) - 1)
        if not bool((known[place] == ids).all()):
            raise InputError(f"the index holds no item {int(ids[known[place] != ids][0])}.")
        return [(self.manifest.shards[s], r) for s, r in zip(shard[place].tolist(), row[place].tolist(), strict=True)]
