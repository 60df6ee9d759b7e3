"""Conformance suite for stores: each method of the protocol against brute force in float64."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo.search import Frame, Rows, Store
from hiergeo.search.store import shell_of
from hiergeo.testing.assertions import assert_refused

EDGES = (0.2, 0.5, 0.9, 1.4)
"""Radii between the shells of the suite; nothing lies between the last two."""

LARGE = 1 << 53
"""Ids from here on are no longer whole numbers in float64."""


class StoreConformance:
    """Inherit from this, define `make`, and pytest checks that your store keeps what it is given and finds it.

    Attributes:
        recall: the share of the ten best of a shell that a store which is not exhaustive has to find.
        rounding: the largest error of a coordinate of a direction that comes back.

    Override `reopen` for a durable store, and `discard` to remove what `make` made.
    """

    recall: ClassVar[float] = 0.9
    rounding: ClassVar[float] = 1e-6

    def make(self, frame: Frame, edges: Sequence[float]) -> Store:
        """An empty store; those of two calls share nothing."""
        raise NotImplementedError

    def reopen(self, store: Store) -> Store:
        """Close the store and open it again, as another process would."""
        raise NotImplementedError

    def discard(self, store: Store) -> None:
        """Close the store and remove it."""
        store.close()

    def test_an_empty_store_describes_itself_and_finds_nothing(self) -> None:
        with self._store(None) as store:
            facts = store.describe()
            assert facts.name, "the store has no name"
            assert "\n" not in facts.name + facts.version, "name and version fit on one line"
            assert facts.frame == _frame(6), f"the frame is {facts.frame}"
            assert [shell.count for shell in facts.shells] == [0] * (len(EDGES) + 1), "an empty store has empty shells"
            assert (facts.rows, store.count()) == (0, 0), "an empty store has no rows"
            found = store.candidates(_unit(2, 6), 1, 3)
            assert bool((found.ids == -1).all()), "missing candidates have the id -1"
            assert bool(found.cosine.isnan().all()), "missing candidates have the cosine NaN"
            assert not sum(len(rows) for rows in store.scan()), "an empty store has nothing to scan"
            assert store.delete(torch.tensor([1, 2])) == 0, "nothing can be deleted from an empty store"

    def test_it_describes_its_shells(self) -> None:
        rows = _rows(200, 6)
        with self._store(rows) as store:
            facts, place = store.describe(), shell_of(rows.radii[:, 0], EDGES)
            assert facts.rows == len(rows), f"there are {len(rows)} rows and the store says {facts.rows}"
            for number, shell in enumerate(facts.shells):
                held = rows.radii[place == number, 0]
                assert shell.count == len(held), f"shell {number} has {len(held)} rows, not {shell.count}"
                if len(held):
                    assert shell.low <= float(held.min()), f"shell {number} begins below {shell.low}"
                    assert shell.high >= float(held.max()), f"shell {number} ends above {shell.high}"

    def test_candidates_are_the_best_of_their_shell(self) -> None:
        for dtype in (torch.float16, torch.float32):
            rows = _rows(400, 24, dtype)
            queries = torch.cat([_unit(5, 24), normalize(rows.direction[rows.radii[:, 0] > 0][:3].float())])
            with self._store(rows) as store:
                self._compare_all(store, rows, queries, 10)

    def test_more_candidates_than_a_shell_holds_are_padded(self) -> None:
        rows = _rows(60, 6)
        with self._store(rows) as store:
            self._compare_all(store, rows, _unit(3, 6), 200)

    def test_equal_directions_are_all_found(self) -> None:
        n = 40
        direction = _unit(1, 6).repeat(n, 1)
        rows = Rows(torch.arange(n) + 7, direction, torch.full((n, 1), 0.7))
        with self._store(rows) as store:
            found = store.candidates(direction[:1], 2, n)
            assert sorted(found.ids[0].tolist()) == rows.ids.tolist(), "a copy of a row is missing or there twice"
            assert len(set(store.candidates(direction[:1], 2, 8).ids[0].tolist())) == 8, "an id is there twice"

    def test_one_row_and_one_dimension_are_enough(self) -> None:
        for dim in (1, 6):
            rows = Rows(torch.tensor([5]), -torch.eye(dim)[:1], torch.tensor([[0.7]]))
            with self._store(rows) as store:
                found = store.candidates(rows.direction, 2, 2)
                assert found.ids.tolist() == [[5, -1]], f"the one row is not found: {found.ids.tolist()}"
                assert abs(float(found.cosine[0, 0]) - 1) < 1e-5, f"its cosine is {float(found.cosine[0, 0])}"

    def test_large_ids_come_back_unchanged(self) -> None:
        rows = _rows(50, 6)
        rows = Rows(rows.ids + LARGE, rows.direction, rows.radii)
        with self._store(rows) as store:
            held = sorted(i for part in store.scan() for i in part.ids.tolist())
            assert held == sorted(rows.ids.tolist()), "ids beyond 2^53 are rounded"
            self._compare(store, rows, _unit(2, 6), 2, 5)
            assert store.delete(rows.ids[:1]) == 1, "an id beyond 2^53 is not deleted"

    def test_added_rows_are_found_at_once(self) -> None:
        first, second = _rows(80, 6).take(slice(0, 60)), _rows(80, 6).take(slice(60, 80))
        with self._store(first) as store:
            store.candidates(_unit(1, 6), 2, 5)
            store.add(second)
            self._compare_all(store, Rows.cat([first, second]), normalize(second.direction[-2:].float()), 10)
            assert store.count() == 80, "added rows are not counted"

    def test_ids_twice_and_rows_that_do_not_fit_are_refused_whole(self) -> None:
        rows = _rows(20, 6)
        fresh = Rows(rows.ids[:2] + 1000, rows.direction[:2], rows.radii[:2])
        broken = fresh.direction.clone()
        broken[1, 0] = torch.nan
        with self._store(rows) as store:
            assert_refused(lambda: store.add(Rows.cat([fresh, rows.take(slice(0, 1))])), str(int(rows.ids[0])))
            assert_refused(lambda: store.add(Rows.cat([fresh, fresh.take(slice(1, 2))])), str(int(fresh.ids[1])))
            assert_refused(lambda: store.add(Rows(fresh.ids, broken, fresh.radii)), "NaN")
            assert_refused(lambda: store.add(Rows(fresh.ids, fresh.direction[:, :5], fresh.radii)), "dimension")
            assert store.count() == 20, "rows of an add that was refused are there"
            assert_refused(lambda: store.fetch(fresh.ids[:1]), str(int(fresh.ids[0])))
            assert_refused(lambda: store.candidates(_unit(1, 5), 1, 3), "dimension")
            assert_refused(lambda: store.candidates(_unit(1, 6), len(EDGES) + 1, 3), "shell")
            assert_refused(lambda: store.candidates(_unit(1, 6), 1, 0), "k")

    def test_deleted_rows_are_gone_and_may_return(self) -> None:
        rows = _rows(90, 6)
        gone, kept = rows.take(slice(0, 30)), rows.take(slice(30, 90))
        with self._store(rows) as store:
            assert store.delete(torch.cat([gone.ids, torch.tensor([123_456])])) == 30, "delete miscounts"
            assert store.delete(gone.ids) == 0, "deleted rows are deleted again"
            self._compare_all(store, kept, _unit(3, 6), 10)
            assert store.count() == store.describe().rows == 60, "deleted rows are counted"
            assert_refused(lambda: store.fetch(gone.ids[:1]), str(int(gone.ids[0])))
            store.add(gone)
            self._compare_all(store, rows, _unit(3, 6), 10)

    def test_scans_and_counts_hold_the_rows_of_a_range(self) -> None:
        rows = _rows(150, 6)
        radius = rows.radii[:, 0].double()
        ends = [float(radius.sort().values[i]) for i in (20, 90)]
        with self._store(rows) as store:
            for low, high in ((0.0, float("inf")), (ends[0], ends[1]), (0.0, 0.0), (3.0, 2.0), (100.0, 200.0)):
                inside = rows.ids[(radius >= low) & (radius <= high)].sort().values
                parts = list(store.scan(low, high))
                found = torch.cat([part.ids for part in parts]) if parts else inside[:0]
                assert found.sort().values.tolist() == inside.tolist(), f"the scan of [{low}, {high}] differs"
                assert store.count(low, high) == len(inside), f"the count of [{low}, {high}] differs"

    def test_rows_come_back_in_the_order_of_their_ids(self) -> None:
        rows = _rows(70, 6)
        order = torch.randperm(70, generator=torch.Generator().manual_seed(1))[:25]
        with self._store(rows) as store:
            found, wanted = store.fetch(rows.ids[order]), rows.take(order)
            assert found.ids.tolist() == wanted.ids.tolist(), "rows come back in another order"
            assert torch.equal(found.radii, wanted.radii), "radii are changed"
            error = float((found.direction.double() - wanted.direction.double()).abs().max())
            assert error <= self.rounding, f"a coordinate of a direction is wrong by {error:.2g}"
            assert_refused(lambda: store.fetch(torch.tensor([987_654])), "987654")

    def test_it_holds_its_rows_when_it_is_opened_again(self) -> None:
        store = self.make(_frame(6), EDGES)
        try:
            if not store.durable:
                return
            rows = _rows(80, 6)
            store.add(rows.take(slice(0, 50)))
            store.add(rows.take(slice(50, 80)))
            store.delete(rows.ids[:10])
            store = self.reopen(store)
            kept = rows.take(slice(10, 80))
            assert store.describe().rows == store.count() == 70, "rows are lost or return after reopening"
            self._compare_all(store, kept, _unit(3, 6), 10)
        finally:
            self.discard(store)

    @contextmanager
    def _store(self, rows: Rows | None) -> Iterator[Store]:
        """A store of these rows, for the block."""
        store = self.make(_frame(rows.direction.shape[1] if rows is not None else 6), EDGES)
        try:
            if rows is not None:
                store.add(rows)
            yield store
        finally:
            self.discard(store)

    def _compare_all(self, store: Store, rows: Rows, queries: Tensor, k: int) -> None:
        for shell in range(len(EDGES) + 1):
            self._compare(store, rows, queries, shell, k)

    def _compare(self, store: Store, rows: Rows, queries: Tensor, shell: int, k: int) -> None:
        """Assert that candidates are all there are up to k, distinct, of their shell, and its best by cosine."""
        held = rows.take(shell_of(rows.radii[:, 0], EDGES) == shell)
        found, facts = store.candidates(queries, shell, k), store.describe()
        assert found.ids.shape == found.cosine.shape == (len(queries), k), f"ids have shape {tuple(found.ids.shape)}"
        assert found.ids.dtype == torch.int64, f"ids are {found.ids.dtype}"
        most = min(k, len(held))
        truth = normalize(queries.double(), dim=1) @ normalize(held.direction.double(), dim=1).T
        for ids, cosine, true in zip(found.ids, found.cosine.double(), truth, strict=True):
            there = ids[ids >= 0].tolist()
            assert len(there) == most, f"shell {shell} gives {len(there)} of {most} candidates"
            assert bool((ids[:most] >= 0).all()), "missing candidates do not come last"
            assert bool(cosine[most:].isnan().all()), "missing candidates have a cosine"
            place = {item: at for at, item in enumerate(held.ids.tolist())}
            assert set(there) <= place.keys(), f"shell {shell} gives items that are not in it"
            assert len(set(there)) == most, f"shell {shell} gives an item twice"
            exact = true[[place[item] for item in there]]
            error = float((exact - cosine[:most]).abs().max()) if most else 0.0
            assert error <= facts.cosine_error, f"a cosine of shell {shell} is wrong by {error:.2g}"
            assert bool((cosine[:most].diff() <= 0).all()), "candidates are not in the order of their cosines"
            best = true.sort(descending=True).values[:most]
            if facts.exhaustive and most:
                worse = float((best - exact).abs().max())
                assert worse <= 2 * facts.cosine_error, f"shell {shell} misses a better item, by {worse:.2g}"
        if not facts.exhaustive and most:
            self._check_recall(found.ids[:, :most], held.ids[truth.topk(most, dim=1).indices], shell)

    def _check_recall(self, found: Tensor, truth: Tensor, shell: int) -> None:
        hits = sum(len({*a} & {*b}) for a, b in zip(found.tolist(), truth.tolist(), strict=True))
        share = hits / truth.numel()
        assert share >= self.recall, f"shell {shell} finds {share:.3f} of the best {truth.shape[1]}, not {self.recall}"


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
