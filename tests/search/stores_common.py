"""What the tests of stores share: a small frame, rows of it, a store in memory, and what every store keeps."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from hiergeo.search import Frame, Index, Rows, Store, StoreFacts
from hiergeo.search.store import STORES, open_store, shell_of

FRAME, EDGES = Frame((4,), "l2", None), (0.5, 1.0)

ENDS = (0.2, 0.5, 0.9, 1.4)
"""Radii between the shells of `StoreTests`; nothing lies between the last two."""

LARGE = 1 << 53
"""Ids from here on are no longer whole numbers in float64."""


def rows(n: int, start: int = 0) -> Rows:
    generator = torch.Generator().manual_seed(n)
    direction = normalize(torch.randn(n, 4, generator=generator), dim=1)
    return Rows(torch.arange(start, start + n), direction, 1.5 * torch.rand(n, 1, generator=generator))


class Listed(Store):
    """All rows in one list; every direction is compared. With `lossy` two of three items are never proposed."""

    def __init__(self, frame: Frame, edges: Sequence[float], lossy: bool = False) -> None:
        self.frame, self.edges, self.lossy, self.rows = frame, tuple(edges), lossy, Rows.none(frame)

    def describe(self) -> StoreFacts:
        counts = self._shells().bincount(minlength=len(self.edges) + 1)
        return StoreFacts("listed", "1", self.frame, tuple(counts.tolist()))

    def add(self, rows: Rows) -> None:
        self.rows = Rows.cat([self.rows, Rows(rows.ids, rows.direction.float(), rows.radii)])

    def delete(self, ids: Tensor) -> int:
        gone = torch.isin(self.rows.ids, ids)
        self.rows = self.rows.take(~gone)
        return int(gone.sum())

    def candidates(self, queries: Tensor, shell: int, k: int) -> Tensor:
        inside = self.rows.take((self._shells() == shell) & ((self.rows.ids % 3 == 0) | (not self.lossy)))
        best = inside.ids[(queries @ inside.direction.T).argsort(dim=1, descending=True)[:, :k]]
        return pad(best, (0, k - best.shape[1]), value=-1)

    def scan(self) -> Iterator[Rows]:
        yield self.rows

    def close(self) -> None:
        pass

    def _shells(self) -> Tensor:
        return shell_of(self.rows.radii[:, 0], self.edges)


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``listed:NAME`` and ``lossy:NAME`` specs of stores in memory, each of which outlives who opens it."""
    opened: dict[tuple[str, tuple[float, ...]], Listed] = {}

    def opener(lossy: bool):
        return lambda rest, frame, edges: opened.setdefault(
            (f"{rest}{lossy}", tuple(edges)), Listed(frame, edges, lossy)
        )

    monkeypatch.setattr(STORES, "own", {**STORES.own, "listed": opener(False), "lossy": opener(True)})


class StoreTests:
    """What every store keeps and finds, held against brute force in float64. `make` gives an empty one."""

    recall = 0.9
    """The share of the ten best of a shell that an index which is approximate has to find."""

    exhaustive = True

    def make(self, frame: Frame, edges: Sequence[float]) -> Store:
        raise NotImplementedError

    def reopen(self, store: Store) -> Store:
        return store

    def test_an_empty_store_describes_itself_and_finds_nothing(self) -> None:
        store = self.make(_frame(6), ENDS)
        facts = store.describe()
        assert (facts.frame, facts.counts) == (_frame(6), (0,) * (len(ENDS) + 1))
        assert bool((store.candidates(_unit(2, 6), 1, 3) == -1).all())
        assert not sum(len(part) for part in store.scan())
        assert store.delete(torch.tensor([1, 2])) == 0

    @pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
    def test_candidates_are_the_best_of_their_shell(self, dtype) -> None:
        held = _rows(400, 24, dtype)
        queries = torch.cat([_unit(5, 24), normalize(held.direction[held.radii[:, 0] > 0][:3].float())])
        with self._store(held) as store:
            for k in (10, 500):
                self._compare(store, held, queries, k)

    def test_equal_directions_are_all_found(self) -> None:
        direction = _unit(1, 6).repeat(40, 1)
        with self._store(Rows(torch.arange(40) + 7, direction, torch.full((40, 1), 0.7))) as store:
            assert sorted(store.candidates(direction[:1], 2, 40)[0].tolist()) == list(range(7, 47))
            assert len(set(store.candidates(direction[:1], 2, 8)[0].tolist())) == 8

    def test_large_ids_come_back_unchanged(self) -> None:
        held = _rows(50, 6)
        held = Rows(held.ids + LARGE, held.direction, held.radii)
        with self._store(held) as store:
            assert sorted(i for part in store.scan() for i in part.ids.tolist()) == sorted(held.ids.tolist())
            self._compare(store, held, _unit(2, 6), 5)
            assert store.delete(held.ids[:1]) == 1

    def test_rows_are_found_at_once_until_they_are_deleted_and_when_it_is_opened_again(self) -> None:
        held = _rows(90, 6)
        gone, left = held.take(slice(0, 30)), held.take(slice(30, 90))
        with self._store(held.take(slice(0, 60))) as store:
            store.candidates(_unit(1, 6), 2, 5)
            store.add(held.take(slice(60, 90)))
            self._compare(store, held, _unit(3, 6), 10)
            assert store.delete(torch.cat([gone.ids, torch.tensor([123_456])])) == 30
            assert store.delete(gone.ids) == 0
            store = self.reopen(store)
            self._compare(store, left, _unit(3, 6), 10)
            store.add(gone)
            self._compare(store, held, _unit(3, 6), 10)

    def test_a_scan_gives_the_rows_as_they_are(self) -> None:
        held = _rows(150, 6)
        with self._store(held) as store:
            found, order = Rows.cat(list(store.scan())), held.ids.argsort()
            found = found.take(found.ids.argsort())
            assert torch.equal(found.ids, held.ids[order])
            assert torch.equal(found.radii, held.radii[order])
            assert float((found.direction - held.direction[order]).abs().max()) <= 1e-6

    @contextmanager
    def _store(self, held: Rows) -> Iterator[Store]:
        store = self.make(_frame(held.direction.shape[1]), ENDS)
        direction = held.direction.float()
        store.add(Rows(held.ids, direction / direction.norm(dim=1, keepdim=True).clamp_min(1e-9), held.radii))
        yield store
        store.close()

    def _compare(self, store: Store, held: Rows, queries: Tensor, k: int) -> None:
        """Candidates of every shell are all there are up to k, distinct, and its best by cosine."""
        place, counts = shell_of(held.radii[:, 0], ENDS), store.describe().counts
        for shell, count in enumerate(counts):
            inside = held.take(place == shell)
            assert count == len(inside)
            ids, most = store.candidates(queries, shell, k), min(k, count)
            assert (ids.shape, ids.dtype) == ((len(queries), k), torch.int64)
            assert bool((ids[:, most:] == -1).all())
            truth = normalize(queries.double(), dim=1) @ normalize(inside.direction.double(), dim=1).T
            at = {item: column for column, item in enumerate(inside.ids.tolist())}
            hits = 0
            for listed, cosine in zip(ids[:, :most].tolist(), truth, strict=True):
                assert len({*listed}) == most
                given, best = cosine[[at[item] for item in listed]], cosine.sort(descending=True).values[:most]
                hits += int((given >= best.min() - 2e-4).sum()) if most else 0
                if self.exhaustive:
                    assert torch.allclose(given, best, rtol=0, atol=2e-4)
            assert hits >= self.recall * len(queries) * most


class OpenedBySpec(StoreTests):
    """Stores that keep their items, each opened at a new place and opened there again."""

    opened: dict[int, tuple[str, Frame, Sequence[float]]]

    def place(self) -> str:
        """The spec of a new place."""
        raise NotImplementedError

    def make(self, frame: Frame, edges: Sequence[float]) -> Store:
        return self._open(self.place(), frame, edges)

    def reopen(self, store: Store) -> Store:
        store.close()
        return self._open(*self.opened[id(store)])

    def _open(self, spec: str, frame: Frame, edges: Sequence[float]) -> Store:
        store = open_store(spec, frame, edges)
        self.opened[id(store)] = (spec, frame, edges)
        return store


def _frame(dim: int) -> Frame:
    return Frame((dim,), "l2", None)


def _unit(count: int, dim: int) -> Tensor:
    return normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(count * 31 + dim)), dim=1)


def _rows(count: int, dim: int, dtype: torch.dtype = torch.float32) -> Rows:
    """Rows in every shell but the fourth; some at the root, some at equal radii, some with equal directions."""
    generator = torch.Generator().manual_seed(count + dim)
    direction = normalize(torch.randn(count, dim, generator=generator), dim=1)
    radius = 0.9 * torch.rand(count, generator=generator)
    radius[::7] += 1.4
    radius[radius < 0.02] = 0.0
    radius[:2] = 0.0
    radius[2:6] = 0.5
    direction[8:11] = direction[7]
    direction[radius == 0] = 0.0
    ids = 3 * torch.randperm(count, generator=generator) + 1
    return Rows(ids, direction.to(dtype), radius[:, None])


def pushed(index: Index, kind: type[Listed] = Listed) -> Listed:
    """A store that holds the items of an index."""
    engine = kind(index.manifest.frame, index.manifest.edges)
    index.push(engine)
    return engine
