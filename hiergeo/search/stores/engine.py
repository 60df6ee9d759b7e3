"""Stores on vector engines: what is the same for every engine, above the few calls in which they differ.

An engine keeps one collection an index: for each item its id, its shell, its radius and its unit direction in float32.
A card, which the engine keeps beside the rows, says which frame and shells they belong to.
"""

import json
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.search.rows import Frame, Rows
from hiergeo.search.store import Candidates, Shell, Store, StoreFacts, check_asked, check_new, check_rows, shell_of

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


class Block(NamedTuple):
    """Rows as engines take and give them: ids (n,) int64, radius (n,) float64, unit direction (n, D) float32."""

    ids: NDArray[np.int64]
    radius: NDArray[np.float64]
    direction: NDArray[np.float32]


class Census(NamedTuple):
    """For each shell (S,) how many items it has, and their smallest and largest radius (0 in an empty shell)."""

    counts: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class Engine(ABC):
    """The calls in which engines differ. Arguments are checked; ids are distinct; what does not exist yet is empty.

    Attributes:
        name: of the engine, such as ``milvus``.
        version: of the engine.
        place: where it is, as messages name it: ``the Milvus server http://localhost:19530``.
        exhaustive: whether `search` compares every direction of the shell.
    """

    name: str
    version: str
    place: str
    exhaustive: bool

    @abstractmethod
    def card(self) -> str | None:
        """The card of the collection; None where there is no collection.

        Raises:
            InputError: the collection or the folder is not one of hiergeo.
        """

    @abstractmethod
    def create(self, card: str, dim: int, shells: int) -> None:
        """Make the collection."""

    @abstractmethod
    def insert(self, shell: int, rows: Block) -> None:
        """Store rows of a shell, none of whose ids is there."""

    @abstractmethod
    def settle(self) -> None:
        """Return when rows inserted and deleted so far are durable and every search sees the change."""

    @abstractmethod
    def remove(self, ids: NDArray[np.int64]) -> None:
        """Delete items that are there."""

    @abstractmethod
    def known(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of the ids that are there, in any order."""

    @abstractmethod
    def search(self, shell: int, queries: NDArray[np.float32], k: int) -> list[tuple[Sequence[int], Sequence[float]]]:
        """For each query (q, D) the ids and inner products of at most k items of the shell, largest first."""

    @abstractmethod
    def scan(self, low: float, high: float, most: int) -> Iterator[Block]:
        """The items of a range of radii, in any order, at most so many in a block."""

    @abstractmethod
    def get(self, ids: NDArray[np.int64]) -> Block:
        """The items of ids that are there, in any order."""

    @abstractmethod
    def count(self, low: float, high: float, shell: int | None = None) -> int:
        """How many items a range of radii has, in one shell or in all."""

    @abstractmethod
    def census(self, shells: int) -> Census:
        """What the shells hold."""

    @abstractmethod
    def close(self) -> None:
        """Release connections and files."""


@final
class EngineStore(Store):
    """A store on an engine.

    Args:
        engine: whose collection is read, or made by the first `add`.
        frame: of the rows, with a single factor.
        edges: ascending radii between the shells.

    Raises:
        InputError: the collection holds another index.
        UnavailableError: the engine cannot be reached, or is of a version that is not supported.
    """

    def __init__(self, engine: Engine, frame: Frame, edges: Sequence[float]) -> None:
        self.engine, self.frame, self.edges = engine, frame, tuple(map(float, edges))
        try:
            card = engine.card()
            if card is not None:
                self._check(card)
        except BaseException:
            engine.close()
            raise
        self._made = card is not None

    def describe(self) -> StoreFacts:
        shells = (Shell(0.0, 0.0, 0),) * (len(self.edges) + 1)
        if self._made:
            held = self.engine.census(len(shells))
            low, high = (ends.astype(np.float32).tolist() for ends in (held.low, held.high))
            shells = tuple(map(Shell, low, high, held.counts.tolist()))
        rows = sum(shell.count for shell in shells)
        return StoreFacts(self.engine.name, self.engine.version, self.frame, rows, shells, self.engine.exhaustive)

    def add(self, rows: Rows) -> None:
        check_rows(rows, self.frame)
        _check_ids(rows.ids)
        check_new(rows.ids, self.holds(rows.ids))
        if not len(rows):
            return
        if not self._made:
            self.engine.create(self._card(), self.frame.dim, len(self.edges) + 1)
            self._made = True
        place = shell_of(rows.radii[:, 0], self.edges)
        most = self._rows_a_message()
        for shell in place.unique().tolist():
            inside = (place == shell).nonzero()[:, 0]
            for part in inside.split(most):
                self.engine.insert(shell, _block(rows.take(part)))
        self.engine.settle()

    def holds(self, ids: Tensor) -> Tensor:
        """Those of the ids (n,) that are there, in any order."""
        if not self._made or not len(ids):
            return ids[:0]
        found = [self.engine.known(part.numpy()) for part in ids.unique().split(BATCH)]
        return torch.from_numpy(np.concatenate(found).astype(np.int64))

    def delete(self, ids: Tensor) -> int:
        there = self.holds(ids)
        if len(there):
            for part in there.split(BATCH):
                self.engine.remove(part.numpy())
            self.engine.settle()
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
        expected, ids = self.engine.count(*ends), torch.empty(0, dtype=torch.int64)
        for block in self.engine.scan(*ends, self._rows_a_message()):
            rows = self._rows(block)
            ids = torch.cat([ids, rows.ids])
            yield rows
        if not len(ids) == len(ids.unique()) == expected:
            raise UnavailableError(
                f"{self.engine.place} counts {expected} items and gave {len(ids.unique())} of them in {len(ids)} rows: "
                f"scan again, when nobody else writes."
            )

    def fetch(self, ids: Tensor) -> Rows:
        if not len(ids):
            return Rows(ids, torch.empty(0, self.frame.dim), torch.empty(0, 1))
        parts = ids.unique().split(self._rows_a_message()) if self._made else ()
        held = [self._rows(self.engine.get(part.numpy())) for part in parts]
        rows = Rows.cat(held) if held else Rows(ids[:0], torch.empty(0, self.frame.dim), torch.empty(0, 1))
        return rows.by_ids(ids, self.engine.place)

    def count(self, low: float = 0.0, high: float = float("inf")) -> int:
        return self.engine.count(*between_radii(low, high)) if self._made and low <= high else 0

    def close(self) -> None:
        self.engine.close()

    def _rows_a_message(self) -> int:
        return max(1, min(BATCH, MESSAGE // (NUMBER * self.frame.dim)))

    def _searched(
        self, shell: int, queries: NDArray[np.float32], k: int
    ) -> list[tuple[Sequence[int], Sequence[float]]]:
        """What the engine finds, asked a second time where it fails or an exhaustive one finds fewer than there are."""
        fault = ""
        for _ in range(2):
            try:
                found = self.engine.search(shell, queries, k)
            except UnavailableError as error:
                fault = str(error).rstrip(".")
                log.info("shell %d is asked again: %s", shell, fault)
                continue
            fewest = min(len(ids) for ids, _ in found)
            if fewest >= k or not self.engine.exhaustive:
                return found
            held = min(k, self.engine.count(-math.inf, math.inf, shell))
            if fewest >= held:
                return found
            fault = f"{self.engine.place} found {fewest} of {held} items"
        raise UnavailableError(f"shell {shell} has no answer: {fault}.")

    def _rows(self, block: Block) -> Rows:
        n = len(block.ids)
        direction = np.array(block.direction, dtype=np.float32).reshape(n, -1 if n else self.frame.dim)
        radius = torch.from_numpy(np.array(block.radius, dtype=np.float32))
        ids = torch.from_numpy(np.array(block.ids, dtype=np.int64))
        return Rows(ids, torch.from_numpy(direction)[:, : self.frame.dim], radius[:, None])

    def _card(self) -> str:
        frame = {"dims": list(self.frame.dims), "norm": self.frame.norm, "root_sha256": self.frame.root_sha256}
        return json.dumps({"hiergeo": CARD, "frame": frame, "edges": list(self.edges)})

    def _check(self, card: str) -> None:
        try:
            held = json.loads(card)
            version, frame, edges = held["hiergeo"], held["frame"], held["edges"]
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{self.engine.place} holds a collection whose card is damaged: push again.") from error
        wanted = json.loads(self._card())
        if version != CARD:
            raise InputError(f"{self.engine.place} was written by another version of hiergeo: push again.")
        if frame != wanted["frame"]:
            raise InputError(
                f"{self.engine.place} holds the items of another index, of another root or dimension: name another "
                f"collection and push to it."
            )
        if edges != wanted["edges"]:
            raise InputError(
                f"{self.engine.place} holds shells of other radii, from another index or from this one before it was "
                f"compacted or built again: name another collection and push to it."
            )


def between_radii(low: float, high: float) -> tuple[float, float]:
    """Ends that admit the same float32 radii as [low, high] and lie halfway between two of them, or at infinity.

    Engines may round the numbers that they store and compare, some by the last bit: not by that much.
    """
    ends = []
    for end, outwards in ((low, -np.inf), (high, np.inf)):
        with np.errstate(over="ignore"):
            inside = np.float32(end)
        if (float(inside) - end) * outwards > 0:
            inside = np.nextafter(inside, np.float32(-outwards))
        ends.append((float(inside) + float(np.nextafter(inside, np.float32(outwards)))) / 2)
    return (ends[0] if low > 0 else -np.inf), ends[1]


def _check_ids(ids: Tensor) -> None:
    outside = ids[(ids < 0) | (ids > LARGEST_ID)]
    if len(outside):
        raise InputError(f"the id {int(outside[0])} is outside of 0 to 2^63 - 2: engines cannot hold it.")


def _block(rows: Rows) -> Block:
    direction = normalize(rows.direction.float(), dim=1)
    return Block(rows.ids.numpy(), rows.radii[:, 0].double().numpy(), direction.contiguous().numpy())
