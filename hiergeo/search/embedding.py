"""From batches of captions, images or embeddings to the rows of an index."""

from collections.abc import Callable
from pathlib import Path
from typing import cast, final

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo.adapters import Model
from hiergeo.geometry import Space
from hiergeo.search.ids import ID, numbers_of
from hiergeo.search.layout import DTYPES, Manifest
from hiergeo.search.rows import Rows
from hiergeo.search.shards import Labels
from hiergeo.search.sources import ItemBatch

NORM = 1e-2
"""How far from 1 the norm of an embedding may be that a normalised model gave: float16 rounds by less."""


@final
class Embedder:
    """Makes rows of an index of batches; ids are counted from `first` on where a batch has none."""

    def __init__(
        self, folder: Path, manifest: Manifest, space: Space, model: Callable[[], Model], first: int = 0
    ) -> None:
        self.folder, self.manifest, self.space, self.model, self.first = folder, manifest, space, model, first

    def rows(self, batch: ItemBatch) -> tuple[Rows, Labels]:
        """The rows of a batch, with their labels; raises InputError for an item that the index cannot hold."""
        if batch.ids is not None:
            ids = numbers_of(batch.ids)
        else:
            start = self.first + batch.start
            if start + batch.size > ID:
                raise InputError(f"there is no id left: the largest may be {ID - 1}; give ids.")
            ids = torch.arange(start, start + batch.size)
        embeddings = batch.embeddings
        if embeddings is None and batch.captions is not None:
            embeddings = self.model().encode_text(batch.captions)
        elif embeddings is None:
            embeddings = self.model().encode_image(cast(list[str | Path], batch.images))
        self._check(embeddings, batch)
        rows = Rows.of(ids, embeddings, self.space, DTYPES[self.manifest.dtype])
        return rows, batch.labels(self.folder)

    def _check(self, embeddings: Tensor, batch: ItemBatch) -> None:
        """Raise InputError for embeddings (n, D) of another dimension, or given ones of another norm."""
        facts, dim = self.manifest.model, self.manifest.frame.dim
        if embeddings.shape[1] != dim:
            raise InputError(
                f"the embeddings have dimension {embeddings.shape[1]} and the index {dim}: embed by the model of the "
                f"index."
            )
        if batch.embeddings is None or facts is None or not facts.normalised:
            return
        norm = embeddings.norm(dim=1)
        off = ((norm - 1).abs() > NORM).nonzero()
        if len(off):
            row = int(off[0])
            raise InputError(
                f"the embedding of row {batch.start + row} (the first is 0) has norm {float(norm[row]):.4g}, and those "
                f"of {facts.name} have norm 1: divide embeddings by their norms."
            )
