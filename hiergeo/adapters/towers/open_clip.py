"""Text towers of open_clip, stored as folders that ``local-dir:`` loads."""

import copy
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from hiergeo.adapters import _hub
from hiergeo.adapters.open_clip import FOLDER, OpenClipModel
from hiergeo.adapters.towers._base import Tower
from hiergeo.storage import tensors
from hiergeo.storage.files import atomic_write, atomic_write_text

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
"""What open_clip looks for in a folder."""


class OpenClipTower(Tower):
    """The text side of a CLIP, SigLIP or CoCa of open_clip."""

    def __init__(self, model: OpenClipModel) -> None:
        self.tokenizer: Any = model.tokenizer
        self.config = model.config
        super().__init__(model)

    def tokenise(self, texts: Sequence[str]) -> dict[str, Tensor]:
        return {"text": self.tokenizer(list(texts)).to(self.device)}

    def forward(self, **tokens: Tensor) -> Tensor:
        rows: Tensor = self.network.encode_text(tokens["text"])
        return rows

    def export(self, folder: Path, place: Path) -> str:
        state = {name: weight.clone() for name, weight in self.network.state_dict().items()}
        with atomic_write(folder / WEIGHTS) as handle:
            handle.write(tensors.packed(state, {"format": "pt"}))
        with _hub.saving(folder):
            config = {
                "model_cfg": self._portable(folder, place.resolve()),
                "preprocess_cfg": self.network.visual.preprocess_cfg,
            }
        atomic_write_text(folder / CONFIG, json.dumps(config, indent=2) + "\n")
        return f"open_clip:{FOLDER}{place.resolve()}"

    def _portable(self, folder: Path, place: Path) -> dict[str, Any]:
        """The configuration, its tokenizer's files put into the folder."""
        config = copy.deepcopy(self.config)
        text = config["text_cfg"]
        if hasattr(self.tokenizer, "save_pretrained"):
            self.tokenizer.save_pretrained(folder)
            text.setdefault("hf_tokenizer_name", str(place))
        if merges := text.get("tokenizer_kwargs", {}).get("bpe_path"):
            name = Path(merges).name
            shutil.copyfile(merges, folder / name)
            text["tokenizer_kwargs"]["bpe_path"] = str(place / name)
        return config
