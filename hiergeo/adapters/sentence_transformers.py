"""Text models of sentence-transformers, and the same as trainable towers."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from hiergeo._core import extras
from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage.documents import Foreign
from hiergeo.adapters import hub
from hiergeo.adapters.model import NetworkModel
from hiergeo.adapters.towers import Tower, on


class _Module(Foreign):
    """What ``modules.json`` may list: classes of that library."""

    type: Annotated[str, Field(pattern=r"^sentence_transformers\.[\w.]+$")]


class SentenceTransformersModel(NetworkModel):
    """A sentence embedder with its own tokenizer, prompt and pooling; it has no image tower."""

    has_images = False

    def __init__(self, name: str, network: Any, device: torch.device) -> None:
        super().__init__(name, network, device, preprocessing=f"at most {network.max_seq_length} tokens")

    def rebuilt_network(self) -> nn.Module:
        import transformers

        built: Any = copy.deepcopy(self.network)
        for layer in built.children():
            if hasattr(layer, "auto_model"):
                fresh = transformers.AutoModel.from_config(layer.auto_model.config, trust_remote_code=False)
                layer.auto_model.load_state_dict(fresh.state_dict())
            else:
                layer.apply(lambda part: part.reset_parameters() if hasattr(part, "reset_parameters") else None)
        return built

    def embed_texts(self, texts: list[str]) -> Tensor:
        rows: Tensor = self.network.encode(texts, convert_to_tensor=True, show_progress_bar=False)
        return rows


def load_sentence_transformers(rest: str, *, device: torch.device) -> SentenceTransformersModel:
    """The model of a hub name or of a folder written by sentence-transformers.

    Raises:
        InputError: the folder is not a model of sentence-transformers.
        UnavailableError: sentence-transformers is not installed, or a download failed.
    """
    library = extras.require("sentence_transformers", "this model")
    instead = "sentence-transformers:/path/to/folder"
    repository = rest if "/" in rest else f"sentence-transformers/{rest}"
    folder = hub.local_folder(rest) or hub.snapshot(repository, f"the model '{rest}'", instead)
    if not (folder / "modules.json").is_file():
        raise InputError(
            f"'{rest}' holds no modules.json: it is not a sentence-transformers model, its pooling would be a guess."
        )
    modules = folder / "modules.json"
    hub.fitting(hub.foreign_json(modules), list[_Module], str(modules))
    for path in folder.rglob("*config*.json"):
        hub.check_config(hub.foreign_json(path), f"{path.relative_to(folder)} of '{rest}'")
    with hub.only_cached(), hub.quiet_transformers():
        try:
            network = library.SentenceTransformer(str(folder), device=str(device), trust_remote_code=False)
        except Exception as error:  # transformers and safetensors each raise their own
            raise InputError(f"'{rest}' cannot be loaded by sentence-transformers: {reason(error)}.") from error
    return SentenceTransformersModel(f"sentence-transformers:{rest}", network, device)


class SentenceTransformersTower(Tower):
    """A whole sentence embedder: transformer, pooling and whatever layers follow."""

    def tokenise(self, texts: Sequence[str]) -> dict[str, Tensor]:
        prepare = getattr(self.network, "preprocess", self.network.tokenize)
        return on(self.device, prepare(list(texts)))

    def forward(self, **tokens: Tensor) -> Tensor:
        rows: Tensor = self.network(tokens)["sentence_embedding"]
        return rows

    def export(self, folder: Path, home: Path) -> str:
        with hub.saving(folder), hub.quiet_transformers():
            self.network.save(str(folder), create_model_card=False)
        return f"sentence-transformers:{home.resolve()}"
