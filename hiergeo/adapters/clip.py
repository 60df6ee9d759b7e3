"""CLIPs of open_clip, and their text towers for training."""

import copy
import inspect
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage import tensors
from hiergeo._core.storage.files import atomic_write, atomic_write_text
from hiergeo.adapters import hub
from hiergeo.adapters.model import ClipModel
from hiergeo.adapters.towers import Tower
from hiergeo.geometry import Space

FOLDER = "local-dir:"
"""What the name of a folder of `CONFIG` and `WEIGHTS` has before it in a spec."""

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
"""What open_clip looks for in a folder."""


class OpenClipModel(ClipModel):
    """An OpenCLIP model with its own tokenizer and its validation transform.

    Attributes:
        config: open_clip's configuration of the network, with the activation that its weights need.
    """

    def __init__(self, name: str, network: Any, device: torch.device, config: dict[str, Any], **prepared: Any) -> None:
        super().__init__(name, network, device, preprocessing=str(network.visual.preprocess_cfg), **prepared)
        self.config = config
        self._space: Space | None = None

    def live_in(self, space: Space, normalised: bool) -> None:
        """Say which space the model was trained in, and whether its rows are unit vectors of it."""
        self._space, self.normalised = space, normalised
        self.settings += "" if normalised else "free norms"

    def native_space(self) -> Space | None:
        """The space that the spec names; None where it names none."""
        return self._space

    @property
    def embed_dim(self) -> int:
        """The dimension of the embedding space, without an embedding."""
        return int(self.config["embed_dim"])

    def save(self, folder: Path, home: Path, towers: Any) -> None:
        """Write other towers of this architecture; as `save_folder`."""
        save_folder(folder, home, towers, self)

    def rebuilt_network(self) -> nn.Module:
        kind = type(self.network)
        parameters = inspect.signature(kind).parameters
        config = copy.deepcopy({key: value for key, value in self.config.items() if key in parameters})
        for part, library in (("text_cfg", "hf"), ("vision_cfg", "timm")):
            if config[part].get(f"{library}_model_name"):
                config[part][f"{library}_model_pretrained"] = False
        try:
            with hub.only_cached():  # where the network that is copied came from
                built: nn.Module = kind(**config)
        except Exception as error:  # open_clip, timm and transformers check what they build in their own ways
            raise InputError(f"{self.name} cannot be built without its weights: {reason(error)}.") from error
        built.get_submodule("visual").preprocess_cfg = self.network.visual.preprocess_cfg
        return built


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

    def export(self, folder: Path, home: Path) -> str:
        save_folder(folder, home, self.network, self)
        return f"open_clip:{FOLDER}{home.resolve()}"


def save_folder(folder: Path, home: Path, network: Any, source: OpenClipModel | OpenClipTower) -> None:
    """Write a network as a folder of open_clip, with the configuration and the tokenizer of `source`.

    Args:
        folder: where it is written.
        home: where that folder goes when it is whole.
        network: the towers.
        source: of the same architecture.

    Raises:
        UnavailableError: the folder cannot be written.
    """
    state = {name: weight.clone() for name, weight in network.state_dict().items()}
    with atomic_write(folder / WEIGHTS) as handle:
        handle.write(tensors.packed(state, {"format": "pt"}))
    config = copy.deepcopy(source.config)
    text, tokenizer = config["text_cfg"], source.tokenizer
    with hub.saving(folder):
        if hasattr(tokenizer, "save_pretrained"):
            tokenizer.save_pretrained(folder)
            text.setdefault("hf_tokenizer_name", str(home.resolve()))
        if merges := text.get("tokenizer_kwargs", {}).get("bpe_path"):
            name = Path(merges).name
            if (folder / name).resolve() != Path(merges).resolve():
                shutil.copyfile(merges, folder / name)
            text["tokenizer_kwargs"]["bpe_path"] = str(home.resolve() / name)
    described = {"model_cfg": config, "preprocess_cfg": network.visual.preprocess_cfg}
    atomic_write_text(folder / CONFIG, json.dumps(described, indent=2) + "\n")
