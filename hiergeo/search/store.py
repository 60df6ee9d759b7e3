"""The protocol of stores: what holds embeddings at any size and finds candidates among them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from hiergeo._plugins import Plugins
from hiergeo.search.rows import Frame, Rows


@dataclass(frozen=True)
class Shell:
    """The items whose radius lies in one interval.

    Attributes:
        low: smallest radius of its items, geodesic units.
        high: largest radius of its items.
        count: how many items it has.
    """

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class StoreFacts:
    """What a store says of itself.

    Attributes:
        name: of the engine, such as ``exact`` or ``milvus``.
        version: of the engine.
        frame: of its rows.
        rows: how many items it holds.
        shells: from the innermost to the outermost; empty shells have count 0.
        exhaustive: whether `candidates` returns the true best by inner product; an approximate index says no.
    """

    name: str
    version: str
    frame: Frame
    rows: int
    shells: tuple[Shell, ...]
    exhaustive: bool


class Candidates(NamedTuple):
    """The items of largest inner product with each query.

    Attributes:
        ids: (Q, k) int64; -1 where there are fewer.
        cosine: (Q, k) float32, largest first; NaN where there are fewer.
    """

    ids: Tensor
    cosine: Tensor


class Store(ABC):
    """Embeddings as unit directions and radii, in shells of equal mass.

    Searches of `hiergeo.search` stand on these methods alone. A new store implements them and passes
    `hiergeo.testing.StoreConformance`.
    """

    @abstractmethod
    def describe(self) -> StoreFacts:
        """What the store holds."""

    @abstractmethod
    def add(self, rows: Rows) -> None:
        """Store rows; when it returns they are durable and the next search finds them.

        Raises:
            InputError: an id that is there already or twice among the rows, or rows of another frame; nothing is
                stored.
        """

    @abstractmethod
    def delete(self, ids: Tensor) -> int:
        """Remove items by their ids (n,) int64; returns how many of them there were."""

    @abstractmethod
    def candidates(self, queries: Tensor, shell: int, k: int) -> Candidates:
        """The k items of a shell whose direction has the largest inner product with each query.

        Args:
            queries: unit directions (Q, D) float32.
            shell: place in `describe().shells`.
            k: 1 <= k <= 16,384.
        """

    @abstractmethod
    def scan(self, low: float = 0.0, high: float = float("inf")) -> Iterator[Rows]:
        """All items with low <= radius <= high, in any order, a bounded number at a time."""

    @abstractmethod
    def fetch(self, ids: Tensor) -> Rows:
        """The items of the ids (n,) int64, in their order.

        Raises:
            InputError: an id that is not there.
        """

    @abstractmethod
    def count(self, low: float = 0.0, high: float = float("inf")) -> int:
        """How many items have low <= radius <= high."""

    @abstractmethod
    def close(self) -> None:
        """Release connections and files."""


STORES: Plugins[Callable[..., Store]] = Plugins(
    "store",
    "hiergeo.stores",
    {},
)
"""Name -> what opens a store: called with the rest of the spec ``NAME:REST``, the frame and the edges of its shells."""


def shell_of(radius: Tensor, edges: Sequence[float]) -> Tensor:
    """The shell (n,) int64 of each radius (n,): shell s holds edges[s - 1] < radius <= edges[s], with ends at infinity.

    `edges` ascend; there is one shell more than edges.
    """
    return torch.bucketize(radius.double(), torch.tensor(list(edges), dtype=torch.float64))
