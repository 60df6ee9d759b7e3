"""The protocol of stores: what holds embeddings at any size and finds candidates among them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.plugins import Plugins
from hiergeo.search.rows import Frame, Rows

MOST_CANDIDATES = 16_384
"""Candidates of one call; engines take no more."""


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

    Searches of `hiergeo.search` stand on these methods alone.
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
    "store",
    "hiergeo.stores",
    {"milvus": "hiergeo.search.stores.milvus:MilvusStore"},
)
"""Name -> what opens a store: called with the rest of the spec ``NAME:REST``, the frame and the edges of its shells."""


ENDED = "faiss"
"""A store of version 0.2, which was held in memory: searches through it scan the index."""


def open_store(spec: str, frame: Frame, edges: Sequence[float]) -> Store:
    """Open the store of a spec ``NAME:REST``, such as ``milvus:http://localhost:19530``.

    `edges` are the ascending radii between the shells, one fewer than shells. Raises InputError for an unknown name or
    the frame of a product, UnavailableError for a store that cannot be reached, or a package that is missing.
    """
    name, _, rest = spec.partition(":")
    if name == ENDED:
        raise InputError(f"the store {name} ended with version 0.3: search without a store, which is exact and faster.")
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


def check_rows(rows: Rows, frame: Frame) -> None:
    """Raise InputError for rows that a store of that frame cannot hold: other shapes, NaN, an id twice."""
    n = len(rows)
    if rows.direction.shape != (n, frame.dim) or rows.radii.shape != (n, len(frame.dims)):
        raise InputError(
            f"directions {tuple(rows.direction.shape)} and radii {tuple(rows.radii.shape)} of {n} rows do not fit an "
            f"index of dimension {frame.dim}."
        )
    if rows.ids.dtype != torch.int64:
        raise InputError(f"ids must be int64, not {rows.ids.dtype}.")
    if not bool(rows.direction.isfinite().all() and rows.radii.isfinite().all() and (rows.radii >= 0).all()):
        raise InputError("rows hold NaN, Inf or a negative radius: every number must be finite.")
    ordered = rows.ids.sort().values
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        raise InputError(f"the id {int(twice[0])} is there twice: ids must be distinct.")


def check_new(ids: Tensor, present: Tensor) -> None:
    """Raise InputError, naming it, for an id (n,) that is among those that are `present` (m,) already."""
    taken = ids[torch.isin(ids, present)]
    if len(taken):
        raise InputError(f"the store holds an item {int(taken[0])} already: delete it first, or choose another id.")


def check_asked(queries: Tensor, shell: int, k: int, frame: Frame, shells: int) -> None:
    """Raise InputError for arguments that `Store.candidates` cannot take."""
    check_whole("k", k, 1, MOST_CANDIDATES)
    check_whole("shell", shell, 0, shells - 1)
    if queries.ndim != 2 or queries.shape[1] != frame.dim:
        raise InputError(f"queries have the shape {tuple(queries.shape)} and the store dimension {frame.dim}.")
    if not bool(queries.isfinite().all()):
        raise InputError("queries hold NaN or Inf: every number must be finite.")
