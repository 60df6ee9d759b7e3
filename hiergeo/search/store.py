"""The protocol of stores: what holds embeddings at any size and finds candidates among them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.plugins import Plugins
from hiergeo.search.rows import Frame, Rows


@dataclass(frozen=True)
class StoreFacts:
    """What a store says of itself.

    Attributes:
        name: of the engine, such as ``milvus``.
        version: of the engine.
        frame: of its rows.
        counts: how many items each shell has, from the innermost to the outermost.
    """

    name: str
    version: str
    frame: Frame
    counts: tuple[int, ...]


class Store(ABC):
    """Embeddings as unit directions and radii, in shells of equal mass.

    Searches of `hiergeo.search` stand on these methods alone. What they are given is that of an index: finite rows of
    the frame that the store was opened with, distinct ids, shells that there are.
    """

    @abstractmethod
    def describe(self) -> StoreFacts:
        """What the store holds."""

    @abstractmethod
    def add(self, rows: Rows) -> None:
        """Store rows whose ids are not there; when it returns they are durable and the next search finds them."""

    @abstractmethod
    def delete(self, ids: Tensor) -> int:
        """Remove items by their ids (n,) int64; returns how many of them there were."""

    @abstractmethod
    def candidates(self, queries: Tensor, shell: int, k: int) -> Tensor:
        """Ids (Q, k) of the items of a shell whose direction has the largest inner product with each query, best first.

        -1 stands where there are fewer. An approximate index may miss some.

        Args:
            queries: unit directions (Q, D) float32.
            shell: place in `describe().counts`.
            k: 1 <= k <= 16,384.
        """

    @abstractmethod
    def scan(self) -> Iterator[Rows]:
        """All items, in any order, a bounded number at a time."""

    @abstractmethod
    def close(self) -> None:
        """Release connections and files."""


STORES: Plugins[Callable[..., Store]] = Plugins(
    "store", "hiergeo.stores", {"milvus": "hiergeo.search.stores.milvus:MilvusStore"}
)
"""Name -> what opens a store: called with the rest of the spec ``NAME:REST``, the frame and the edges of its shells."""


def open_store(spec: str, frame: Frame, edges: Sequence[float]) -> Store:
    """Open the store of a spec ``NAME:REST``, such as ``milvus:http://localhost:19530``.

    `edges` are the ascending radii between the shells, one fewer than shells. Raises InputError for an unknown name or
    the frame of a product, UnavailableError for a store that cannot be reached, or a package that is missing.
    """
    name, _, rest = spec.partition(":")
    STORES.check(name)
    if not frame.single:
        raise InputError(
            f"{name} holds spaces of one factor and the index one of {len(frame.dims)}: search it without a store."
        )
    with STORES.running(name, "cannot be opened"):
        return STORES.get(name)(rest, frame, tuple(edges))


def shell_of(radius: Tensor, edges: Sequence[float]) -> Tensor:
    """The shell (n,) int64 of each radius (n,): shell s holds edges[s - 1] < radius <= edges[s], with ends at infinity.

    `edges` ascend; there is one shell more than edges.
    """
    return torch.bucketize(radius.double(), torch.tensor(list(edges), dtype=torch.float64))
