"""Text towers of transformers, stored by ``save_pretrained`` beside their processor."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from hiergeo.adapters import _hub
from hiergeo.adapters.huggingface import HuggingFaceModel, features
from hiergeo.adapters.towers._base import Tower, on


class HuggingFaceTower(Tower):
    """The text side of a dual encoder of transformers."""

    def __init__(self, model: HuggingFaceModel) -> None:
        self.processor: Any = model.processor
        self.options = model.text_options
        super().__init__(model)

    def tokenise(self, texts: Sequence[str]) -> dict[str, Tensor]:
        return on(self.device, self.processor(text=list(texts), **self.options))

    def forward(self, **tokens: Tensor) -> Tensor:
        return features(self.network.get_text_features(**tokens))

    def export(self, folder: Path, place: Path) -> str:
        with _hub.saving(folder), _hub.quiet_transformers():
            self.network.save_pretrained(folder)
            self.processor.save_pretrained(folder)
        return f"hf:{place.resolve()}"
