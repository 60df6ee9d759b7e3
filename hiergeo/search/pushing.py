"""Filling a store with the items of an index, and opening one that holds them.

The index folder stays the home of the items: a store is sent ids, unit directions and radii, and what is deleted in the
index is deleted there.
"""

from itertools import zip_longest
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.errors import InputError, UnavailableError, warn
from hiergeo._core.progress import track
from hiergeo.search.requests import Request
from hiergeo.search.rows import Rows
from hiergeo.search.store import Store, open_store
from hiergeo.search.stores.exact import ExactStore

ROUNDING = 1e-3
"""Largest difference of a coordinate between an item of the index and the same item in a store."""

ENDED = "faiss"
"""A store of version 0.2, which was held in memory: searches through it scan the index."""


def push(home: ExactStore, engine: Store, *, progress: bool = False) -> int:
    """As `Index.push`: items that the store holds already are left there, others are deleted from it.

    Raises InputError for rows of another frame, UnavailableError where a shell then has another number of items.
    """
    check_frame(home, engine)
    present, sent = _without_others(home, engine), 0
    filled = [shell for shell in home.describe().shells if shell.count]
    for shell in track(filled, "pushing items", enabled=progress, size=lambda shell: shell.count):
        for rows in home.scan(shell.low, shell.high):
            fresh = rows.take(~torch.isin(rows.ids, present))
            if len(fresh):
                engine.add(Rows(fresh.ids, normalize(fresh.direction.float(), dim=1), fresh.radii))
            sent += len(fresh)
    check_counts(home, engine)
    return sent


def check_frame(home: ExactStore, engine: Store) -> None:
    """Raise InputError for a store that cannot hold the items of an index."""
    frame = home.manifest.frame
    if not frame.single:
        raise InputError(f"the index is one of {len(frame.dims)} factors: search it without a store.")
    if engine.describe().frame != frame:
        raise InputError("the store holds items of another root or dimension than the index: push to another one.")


def check_counts(home: ExactStore, engine: Store) -> None:
    """Raise UnavailableError for a store with another number of items in a shell than the index."""
    facts = engine.describe()
    wanted = [shell.count for shell in home.describe().shells]
    for shell, (own, others) in enumerate(zip_longest(wanted, facts.counts, fillvalue=0)):
        if own != others:
            raise UnavailableError(
                f"{facts.name} holds {others} items of shell {shell} and the index {own}: push the index to it with "
                f"'hiergeo index push', after a compaction to an empty one."
            )


@final
class Engines:
    """The stores that an index is searched through, each opened once."""

    def __init__(self, home: ExactStore) -> None:
        self.home = home
        self._opened: dict[str, tuple[tuple[float, ...], Store]] = {}
        self._checked: dict[Store, int] = {}
        self._warned = False

    def current(self, request: Request) -> Request:
        """A request, as a scan where it names a store that ended, which is said once."""
        if not isinstance(request.store, str) or request.store.partition(":")[0] != ENDED:
            return request
        if not self._warned:
            warn(f"the store {ENDED} ended with version 0.3: the index is scanned, which is exact and faster.")
            self._warned = True
        return request.model_copy(update={"store": None})

    def opened(self, store: Store | str) -> Store:
        """A store by its spec, whatever it holds; raises HiergeoError."""
        if isinstance(store, Store):
            return store
        if not isinstance(store, str):
            raise InputError(f"a store is a Store or the spec of one, not {type(store).__name__}.")
        frame, edges = self.home.manifest.frame, self.home.manifest.edges
        cached = self._opened.get(store)
        if cached is None or cached[0] != edges:
            if cached is not None:  # opened before a compaction
                self._opened.pop(store)[1].close()
            cached = self._opened[store] = (edges, open_store(store, frame, edges))
        return cached[1]

    def checked(self, store: Store | str) -> Store:
        """A store that holds as many items of each shell as the index; raises HiergeoError for any other."""
        engine, generation = self.opened(store), self.home.manifest.generation
        if self._checked.get(engine) != generation:
            check_frame(self.home, engine)
            check_counts(self.home, engine)
            self._checked[engine] = generation
        return engine

    def close(self) -> None:
        """Close all of them."""
        for _, engine in self._opened.values():
            engine.close()
        self._opened.clear()
        self._checked.clear()


def _without_others(home: ExactStore, engine: Store) -> Tensor:
    """Delete what differs from the index from a store; returns the ids of the items that it still holds."""
    own = torch.cat([torch.empty(0, dtype=torch.int64), *(rows.ids for rows in home.scan())])
    same, gone = [own[:0]], [own[:0]]
    for rows in engine.scan():
        shared = torch.isin(rows.ids, own)
        gone.append(rows.ids[~shared])
        rows = rows.take(shared)
        own_rows = home.fetch(rows.ids)
        apart = (normalize(own_rows.direction.float(), dim=1) - rows.direction.float()).abs().amax(1) > ROUNDING
        changed = apart | (own_rows.radii[:, 0] != rows.radii[:, 0])
        same.append(rows.ids[~changed])
        gone.append(rows.ids[changed])
    if len(lost := torch.cat(gone)):
        engine.delete(lost)
    return torch.cat(same)
