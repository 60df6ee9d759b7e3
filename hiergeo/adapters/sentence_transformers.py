"""Text models of sentence-transformers, and the same as trainable towers."""

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hiergeo._core import extras
from hiergeo._core.errors import InputError, reason
from hiergeo.adapters import hub
from hiergeo.adapters.model import NetworkModel
from hiergeo.adapters.towers import Tower, on

if TYPE_CHECKING:
    from PIL.Image import Image


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

    def embed_pictures(self, pictures: list["Image"]) -> Tensor:
        raise InputError(f"{self.name} embeds texts only.")


def load_sentence_transformers(rest: str, *, device: torch.device) -> SentenceTransformersModel:
    """The model of a hub name or of a folder written by sentence-transformers.

    Raises:
        InputError: the folder is no sentence-transformers model.
        UnavailableError: sentence-transformers is not installed, or a download failed.
    """
    library = extras.require("sentence_transformers", "this model")
    folder = hub.local_folder(rest)
    if folder and not (folder / "modules.json").is_file():
        raise _not_a_model(rest)
    if folder:
        _check_folder(folder, rest)
    with nullcontext() if folder else hub.cached_if_unreachable(), hub.quiet_transformers():
        try:
            network = library.SentenceTransformer(str(folder or rest), device=str(device), trust_remote_code=False)
        except Exception as error:  # transformers, the hub and safetensors each raise their own
            if folder:
                raise InputError(f"'{rest}' cannot be loaded by sentence-transformers: {reason(error)}.") from error
            instead = "sentence-transformers:/path/to/folder"
            raise hub.not_obtained(f"the model '{rest}'", instead, error) from error
    if not folder and not _has_modules(rest):
        raise _not_a_model(rest)
    return SentenceTransformersModel(f"sentence-transformers:{rest}", network, device)


def _check_folder(folder: Path, rest: str) -> None:
    hub.check_modules(folder / "modules.json")
    for path in folder.rglob("*config*.json"):
        hub.check_config(hub.foreign_json(path), f"{path.relative_to(folder)} of '{rest}'")


def _has_modules(name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    repository = name if "/" in name else f"sentence-transformers/{name}"
    return isinstance(try_to_load_from_cache(repository, "modules.json"), str)


def _not_a_model(source: str) -> InputError:
    return InputError(
        f"'{source}' holds no modules.json: it is no sentence-transformers model, and its pooling would be a guess."
    )


class SentenceTransformersTower(Tower):
    """A whole sentence embedder: transformer, pooling and whatever layers follow."""

    def tokenise(self, texts: Sequence[str]) -> dict[str, Tensor]:
        prepare = getattr(self.network, "preprocess", self.network.tokenize)
        return on(self.device, prepare(list(texts)))

    def forward(self, **tokens: Tensor) -> Tensor:
        rows: Tensor = self.network(tokens)["sentence_embedding"]
        return rows

    def export(self, folder: Path, place: Path) -> str:
        with hub.saving(folder), hub.quiet_transformers():
            self.network.save(str(folder), create_model_card=False)
        return f"sentence-transformers:{place.resolve()}"
