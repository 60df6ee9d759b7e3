"""faiss as a store: it passes the suite of stores, and refuses kinds of index that it does not know."""

from collections.abc import Sequence

import pytest

from hiergeo._core.errors import InputError
from hiergeo.search import Frame, Store
from hiergeo.search.store import open_store
from hiergeo.testing import StoreConformance

FRAME = Frame((6,), "l2", None)


class TestFlat(StoreConformance):
    spec = "faiss:flat"

    def make(self, frame: Frame, edges: Sequence[float]) -> Store:
        return open_store(self.spec, frame, edges)


class TestGraph(TestFlat):
    spec = "faiss:hnsw32"


class TestLists(TestFlat):
    spec = "faiss:ivf4"
    recall = 0.2


@pytest.mark.parametrize("spec", ["faiss:pq8", "faiss:hnsw", "faiss:hnsw0", "faiss:ivf99999"])
def test_other_kinds_of_index_are_refused(spec: str) -> None:
    with pytest.raises(InputError, match=spec.partition(":")[2]):
        open_store(spec, FRAME, ())


def test_an_unknown_store_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match="faiss"):
        open_store("fais:flat", FRAME, ())


def test_products_are_refused() -> None:
    with pytest.raises(InputError, match="faiss"):
        open_store("faiss:flat", Frame((3, 3), "l2", None), ())
