"""Rows of real captions at any size: MiniLM embeddings of HierarCaps captions, each repeated with noise."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

NOISE = 0.3
"""Norm of the noise that is added to the copies of a unit embedding, in random directions; then norms are 1 again."""

BLOCK = 8192
"""Embeddings that are made at a time."""


class Captions:
    """Embeddings of captions and their root.

    Args:
        file: npz with `text` (n, D) of norm one, and `root` (D,).
    """

    def __init__(self, file: Path) -> None:
        held = np.load(file)
        self.text = torch.from_numpy(held["text"].astype(np.float32))
        self.root = torch.from_numpy(held["root"].astype(np.float32))

    def rows(self, count: int) -> Iterator[Tensor]:
        """The first `count` rows, a block at a time: the captions once as they are, then copies with noise."""
        for start in range(0, count, BLOCK):
            yield self.block(start, min(BLOCK, count - start))

    def block(self, start: int, size: int) -> Tensor:
        """Rows start to start + size; the same numbers however they are asked for in multiples of `BLOCK`."""
        place = torch.arange(start, start + size)
        rows = self.text[place % len(self.text)]
        draw = torch.Generator().manual_seed(start)
        noise = torch.randn(rows.shape, generator=draw) * (NOISE / rows.shape[1] ** 0.5)
        copies = torch.nn.functional.normalize(rows + noise, dim=1)
        return torch.where((place < len(self.text)).unsqueeze(1), rows, copies)

    def said(self, count: int) -> str:
        """How the rows were made."""
        return (
            f"{count:,} x {self.text.shape[1]}: {len(self.text):,} MiniLM embeddings of captions, and copies of them "
            f"to which noise of norm {NOISE} is added before they are normalised again"
        )
