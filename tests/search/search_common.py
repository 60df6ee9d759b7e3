"""Small indexes for tests of search: a model without weights, few rows that fill a shard, and what is within reach."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from hiergeo.adapters import Model
from hiergeo.search import layout

DIM = 8


class HashModel(Model):
    """Embeds a caption as a vector drawn from its hash, near a common direction."""

    name = "hash"
    has_images = False
    preprocessing = "none"

    def __init__(self) -> None:
        self.embedded = 0

    def fingerprint(self) -> str:
        return "0123456789abcdef"

    def check_texts(self, texts: Sequence[str]) -> None:
        pass

    def check_images(self, images: Sequence[object]) -> None:
        pass

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        self.embedded += len(texts)
        return torch.stack([vector(text) for text in texts])

    def image_rows(self, images: Sequence[object]) -> Tensor:
        raise NotImplementedError


def vector(text: str) -> Tensor:
    """(DIM,) float32."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "little")
    drawn = torch.randn(DIM, generator=torch.Generator().manual_seed(seed))
    return drawn + 2 * torch.nn.functional.one_hot(torch.tensor(0), DIM)


def embeddings(n: int, dim: int = DIM, seed: int = 0) -> Tensor:
    """(n, dim) float32, of norms from 0 to about 3; the first is at the root."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.nn.functional.normalize(torch.randn(n, dim, generator=generator), dim=1)
    rows = rows * (3 * torch.rand(n, 1, generator=generator))
    rows[:1] = 0
    return rows


def shrink_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make shards of 64 rows of `DIM` float16 numbers, 16 embedded at a time."""
    monkeypatch.setattr(layout, "BATCH", 16)
    monkeypatch.setattr(layout, "SHARD_BYTES", 64 * DIM * 2)


def reach_of(distance: np.ndarray, radius: np.ndarray, some: np.ndarray | None = None) -> float:
    """The distance within which 99 % of items have one that is a quarter of the items nearer to the root, or more.

    Args:
        distance: (n, n) of all pairs.
        radius: (n,) of all items.
        some: (n,) whether an item counts; by default all do.
    """
    edges = np.quantile(radius, np.arange(1, 16) / 16)
    shells = np.searchsorted(edges, radius) - 4
    counts = (shells >= 0) & (True if some is None else some)
    held = [distance[row, radius <= edges[shells[row]]].min() for row in np.flatnonzero(counts)]
    return float(np.sort(held)[math.ceil(0.99 * (len(held) + 1)) - 1])
