"""Embeddings that a caller gives, in blocks of any lengths, taken in others."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage.files import path_of
from hiergeo.search.stored import Stored

Embeddings: TypeAlias = Tensor | Iterable[Tensor] | str | Path | Stored


@final
class Blocks:
    """Embeddings in blocks of any lengths, taken in others."""

    def __init__(self, embeddings: Embeddings) -> None:
        if isinstance(embeddings, Stored):
            embeddings = embeddings.embeddings
        if isinstance(embeddings, str | Path):
            embeddings = [_mapped(path_of(embeddings))]
        self._blocks: Iterator[Any] = iter([embeddings] if isinstance(embeddings, Tensor | np.ndarray) else embeddings)
        self._held = torch.empty(0, 0)
        self._dim: int | None = None

    def take(self, start: int, size: int) -> Tensor:
        """The next rows, at most `size`, float32 on the CPU."""
        parts = []
        while size:
            if not len(self._held):
                block = next(self._blocks, None)
                if block is None:
                    break
                self._held = self._checked(block)
                continue
            part, self._held = self._held[:size], self._held[size:]
            parts.append(part.detach().to("cpu", torch.float32))
            size -= len(part)
        whole = torch.cat(parts) if parts else torch.empty(0, self._dim or 0)
        bad = ~whole.isfinite().all(dim=1)
        if bool(bad.any()):
            row = start + int(bad.nonzero()[0])
            raise InputError(
                f"the embedding of row {row} (the first is 0) holds NaN or Inf: every number must be finite."
            )
        return whole

    def _checked(self, block: Any) -> Tensor:
        tensor = torch.from_numpy(block) if isinstance(block, np.ndarray) else block
        if not isinstance(tensor, Tensor) or tensor.ndim != 2 or not tensor.is_floating_point():
            shape = tuple(getattr(block, "shape", ())) or type(block).__name__
            raise InputError(f"embeddings must be floating-point tensors (n, D), not {shape}.")
        if self._dim is not None and tensor.shape[1] != self._dim:
            raise InputError(f"a block of embeddings has dimension {tensor.shape[1]}, and those before it {self._dim}.")
        self._dim = tensor.shape[1]
        return tensor


def _mapped(path: Path) -> Any:
    try:
        return np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read as embeddings ({reason(error)}): name a .npy file.") from error
