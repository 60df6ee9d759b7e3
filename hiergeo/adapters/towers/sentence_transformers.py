"""Sentence embedders of sentence-transformers, stored as that library stores them."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from hiergeo.adapters import _hub
from hiergeo.adapters.towers._base import Tower, on


class SentenceTransformersTower(Tower):
    """A whole sentence embedder: transformer, pooling and whatever layers follow."""

    def tokenise(self, texts: Sequence[str]) -> dict[str, Tensor]:
        prepare = getattr(self.network, "preprocess", self.network.tokenize)
        return on(self.device, prepare(list(texts)))

    def forward(self, **tokens: Tensor) -> Tensor:
        rows: Tensor = self.network(tokens)["sentence_embedding"]
        return rows

    def export(self, folder: Path, place: Path) -> str:
        with _hub.saving(folder), _hub.quiet_transformers():
            self.network.save(str(folder), create_model_card=False)
        return f"sentence-transformers:{place.resolve()}"
