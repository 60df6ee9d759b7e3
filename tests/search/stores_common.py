"""What the tests of stores on engines share: a small frame, rows of it, and conformance of stores opened by a spec."""

from collections.abc import Sequence

import torch

from hiergeo.search import Frame, Rows, Store
from hiergeo.search.store import open_store
from hiergeo.testing import StoreConformance

FRAME, EDGES = Frame((4,), "l2", None), (0.5, 1.0)


def rows(n: int, start: int = 0) -> Rows:
    generator = torch.Generator().manual_seed(n)
    direction = torch.nn.functional.normalize(torch.randn(n, 4, generator=generator), dim=1)
    return Rows(torch.arange(start, start + n), direction, 1.5 * torch.rand(n, 1, generator=generator))


class OpenedBySpec(StoreConformance):
    """Conformance of stores that keep their items, each opened at a new place and opened there again."""

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
