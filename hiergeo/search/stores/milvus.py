"""Milvus as a store: one collection an index, with a card beside the rows that says whose frame and shells they are.

``milvus:http://HOST:19530`` asks a server or a cluster, ``milvus:./NAME.db`` Milvus Lite.
"""

import json
import logging
import math
from collections.abc import Iterator, Sequence
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.search.rows import Frame, Rows
from hiergeo.search.shards import inside
from hiergeo.search.store import Candidates, Shell, Store, StoreFacts, check_asked, check_new, check_rows, shell_of
from hiergeo.search.stores.collection import OPTIONS, MilvusCollection, MilvusRows
from hiergeo.search.stores.places import StoreAddress

MESSAGE = 16 << 20
"""Bytes that one call sends or receives at most; servers take 32 to 64 MiB."""

NUMBER = 8
"""Bytes that a number takes in a message, with what surrounds it."""

BATCH = 4096
"""Most queries, ids or rows of one call."""

LARGEST_ID = 2**63 - 2
"""Milvus 2.3 accepts the id 2^63 - 1 and never finds it again."""

CARD = 1
"""Version of the card."""

log = logging.getLogger(__name__)


@final
class MilvusStore(Store):
    """A collection of Milvus as a store; the first `add` makes it.

    Args:
        rest: the spec ``milvus:REST``.
        frame: of the rows, with a single factor.
        edges: ascending radii between the shells.

    Raises:
        InputError: an option that is not valid, or a collection of another index.
        UnavailableError: pymilvus or Milvus Lite is not installed, the server cannot be reached, or its version is not
            supported.
    """

    def __init__(self, rest: str, frame: Frame, edges: Sequence[float]) -> None:
        address = StoreAddress.of("milvus", rest, OPTIONS, "milvus:http://HOST:19530 or milvus:./NAME.db")
        self.collection, self.frame, self.edges = MilvusCollection(address), frame, tuple(map(float, edges))
        try:
            card = self.collection.card()
            if card is not None:
                self._check(card)
        except BaseException:
            self.collection.close()
            raise
        self._made = card is not None

    def describe(self) -> StoreFacts:
        shells = (Shell(0.0, 0.0, 0),) * (len(self.edges) + 1)
        if self._made:
            held = self.collection.census(len(shells))
            low, high = (ends.astype(np.float32).tolist() for ends in (held.low, held.high))
            shells = tuple(map(Shell, low, high, held.counts.tolist()))
        rows = sum(shell.count for shell in shells)
        return StoreFacts("milvus", self.collection.version, self.frame, rows, shells, self.collection.exhaustive)

    def add(self, rows: Rows) -> None:
        check_rows(rows, self.frame)
        _check_ids(rows.ids)
        check_new(rows.ids, self.holds(rows.ids))
        if not len(rows):
            return
        if not self._made:
            self.collection.create(self._card(), self.frame.dim, len(self.edges) + 1)
            self._made = True
        place = shell_of(rows.radii[:, 0], self.edges)
        most = self._rows_a_message()
        for shell in place.unique().tolist():
            inside = (place == shell).nonzero()[:, 0]
            for part in inside.split(most):
                self.collection.insert(shell, _block(rows.take(part)))
        self.collection.settle()

    def holds(self, ids: Tensor) -> Tensor:
        """Those of the ids (n,) that are there, in any order."""
        if not self._made or not len(ids):
            return ids[:0]
        found = [self.collection.known(part.numpy()) for part in ids.unique().split(BATCH)]
        return torch.from_numpy(np.concatenate(found).astype(np.int64))

    def delete(self, ids: Tensor) -> int:
        there = self.holds(ids)
        if len(there):
            for part in there.split(BATCH):
                self.collection.remove(part.numpy())
            self.collection.settle()
        return len(there)

    def candidates(self, queries: Tensor, shell: int, k: int) -> Candidates:
        check_asked(queries, shell, k, self.frame, len(self.edges) + 1)
        ids = torch.full((len(queries), k), -1, dtype=torch.int64)
        cosine = torch.full((len(queries), k), torch.nan)
        if not self._made:
            return Candidates(ids, cosine)
        most = max(1, min(MESSAGE // (2 * NUMBER * k), self._rows_a_message()))
        for start in range(0, len(queries), most):
            part = queries[start : start + most].detach().cpu().float().contiguous().numpy()
            for row, (found, scores) in enumerate(self._searched(shell, part, k), start):
                ids[row, : len(found)] = torch.tensor(found, dtype=torch.int64)
                cosine[row, : len(found)] = torch.tensor(scores, dtype=torch.float32)
        return Candidates(ids, cosine)

    def scan(self, low: float = 0.0, high: float = float("inf")) -> Iterator[Rows]:
        if not self._made or not low <= high:
            return
        ends = between_radii(low, high)
        expected, ids = self.collection.count(*ends), torch.empty(0, dtype=torch.int64)
        for block in self.collection.scan(*ends, self._rows_a_message()):
            rows = self._rows(block)
            ids = torch.cat([ids, rows.ids])
            yield rows
        if not len(ids) == len(ids.unique()) == expected:
            counted = f"counts {expected} items and gave {len(ids.unique())} of them in {len(ids)} rows"
            raise UnavailableError(f"{self.collection.place} {counted}: scan again, when nobody else writes.")

    def fetch(self, ids: Tensor) -> Rows:
        if not len(ids):
            return Rows(ids, torch.empty(0, self.frame.dim), torch.empty(0, 1))
        parts = ids.unique().split(self._rows_a_message()) if self._made else ()
        held = [self._rows(self.collection.get(part.numpy())) for part in parts]
        rows = Rows.cat(held) if held else Rows(ids[:0], torch.empty(0, self.frame.dim), torch.empty(0, 1))
        return rows.by_ids(ids, self.collection.place)

    def count(self, low: float = 0.0, high: float = float("inf")) -> int:
        return self.collection.count(*between_radii(low, high)) if self._made and low <= high else 0

    def close(self) -> None:
        self.collection.close()

    def _rows_a_message(self) -> int:
        return max(1, min(BATCH, MESSAGE // (NUMBER * self.frame.dim)))

    def _searched(
        self, shell: int, queries: NDArray[np.float32], k: int
    ) -> list[tuple[Sequence[int], Sequence[float]]]:
        """What Milvus finds, asked a second time where it fails or an exhaustive index finds fewer than there are."""
        fault = ""
        for _ in range(2):
            try:
                found = self.collection.search(shell, queries, k)
            except UnavailableError as error:
                fault = str(error).rstrip(".")
                log.info("shell %d is asked again: %s", shell, fault)
                continue
            fewest = min(len(ids) for ids, _ in found)
            if fewest >= k or not self.collection.exhaustive:
                return found
            held = min(k, self.collection.count(-math.inf, math.inf, shell))
            if fewest >= held:
                return found
            fault = f"{self.collection.place} found {fewest} of {held} items"
        raise UnavailableError(f"shell {shell} has no answer: {fault}.")

    def _rows(self, block: MilvusRows) -> Rows:
        n = len(block.ids)
        direction = np.array(block.direction, dtype=np.float32).reshape(n, -1 if n else self.frame.dim)
        radius = torch.from_numpy(np.array(block.radius, dtype=np.float32))
        ids = torch.from_numpy(np.array(block.ids, dtype=np.int64))
        return Rows(ids, torch.from_numpy(direction)[:, : self.frame.dim], radius[:, None])

    def _card(self) -> str:
        frame = {"dims": list(self.frame.dims), "norm": self.frame.norm, "root_sha256": self.frame.root_sha256}
        return json.dumps({"hiergeo": CARD, "frame": frame, "edges": list(self.edges)})

    def _check(self, card: str) -> None:
        place = self.collection.place
        try:
            held = json.loads(card)
            version, frame, edges = held["hiergeo"], held["frame"], held["edges"]
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{place} holds a collection whose card is damaged: push again.") from error
        wanted = json.loads(self._card())
        if version != CARD:
            raise InputError(f"{place} was written by another version of hiergeo: push again.")
        if frame != wanted["frame"]:
            raise InputError(
                f"{place} holds the items of another index, of another root or dimension: name another "
                f"collection and push to it."
            )
        if edges != wanted["edges"]:
            raise InputError(
                f"{place} holds shells of other radii, from another index or from this one before it was "
                f"compacted or built again: name another collection and push to it."
            )


def between_radii(low: float, high: float) -> tuple[float, float]:
    """Ends that admit the same float32 radii as [low, high] and lie halfway between two of them, or at infinity.

    Milvus may round the numbers that it stores and compares by the last bit: not by that much.
    """
    ends = []
    for end, up in ((low, True), (high, False)):
        near = inside(end, up=up)
        ends.append((float(near) + float(np.nextafter(near, np.float32(-np.inf if up else np.inf)))) / 2)
    return (ends[0] if low > 0 else -np.inf), ends[1]


def _check_ids(ids: Tensor) -> None:
    outside = ids[(ids < 0) | (ids > LARGEST_ID)]
    if len(outside):
        raise InputError(f"the id {int(outside[0])} is outside of 0 to 2^63 - 2: Milvus cannot hold it.")


def _block(rows: Rows) -> MilvusRows:
    direction = normalize(rows.direction.float(), dim=1)
    return MilvusRows(rows.ids.numpy(), rows.radii[:, 0].double().numpy(), direction.contiguous().numpy())
