"""The protocol of stores: what holds embeddings at any size and finds candidates among them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.plugins import Plugins
from hiergeo.search.rows import Frame, Rows

MOST_CANDIDATES = 16_384
"""Candidates of one call; engines take no more."""

COSINE_ERROR = 1e-4
"""Error of a cosine that an engine is allowed: that of float32 sums over thousands of dimensions, and room to spare."""


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

    @classmethod
    def of(cls, radius: Tensor) -> "Shell":
        """The shell of items at these radii (n,)."""
        return cls(float(radius.min()), float(radius.max()), len(radius)) if len(radius) else cls(0.0, 0.0, 0)


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
        cosine_error: the largest error of a cosine of `candidates`; answers are certified with that much room.
    """

    name: str
    version: str
    frame: Frame
    rows: int
    shells: tuple[Shell, ...]
    exhaustive: bool
    cosine_error: float = COSINE_ERROR


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

    Attributes:
        durable: whether its rows outlive the process. One that is not is filled from the index when it is opened.
    """

    durable: ClassVar[bool] = True

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
    {
        "faiss": "hiergeo.search.stores.faiss:FaissStore",
        "milvus": "hiergeo.search.stores.milvus:MilvusStore",
    },
)
"""Name -> what opens a store: called with the rest of the spec ``NAME:REST``, the frame and the edges of its shells."""


def open_store(spec: str, frame: Frame, edges: Sequence[float]) -> Store:
    """Open the store of a spec ``NAME:REST``, such as ``faiss:flat`` or ``milvus:http://localhost:19530``.

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


def check_new(ids: Tensor, known: Tensor) -> None:
    """Raise InputError, naming it, for an id (n,) that is among the `known` (m,) already."""
    taken = ids[torch.isin(ids, known)]
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
