"""Text models of sentence-transformers."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hiergeo.adapters import _foreign, _hub
from hiergeo.adapters._network import NetworkModel
from hiergeo.errors import InputError, reason

if TYPE_CHECKING:
    from PIL.Image import Image


class SentenceTransformersModel(NetworkModel):
    """A sentence embedder with its own tokenizer, prompt and pooling; it has no image tower."""

    has_images = False

    def __init__(self, name: str, network: Any, device: torch.device) -> None:
        super().__init__(name, network, device, preprocessing=f"at most {network.max_seq_length} tokens")

    def embed_texts(self, texts: list[str]) -> Tensor:
        rows: Tensor = self.network.encode(texts, convert_to_tensor=True, show_progress_bar=False)
        return rows

    def embed_pictures(self, pictures: list["Image"]) -> Tensor:
        raise InputError(f"{self.name} embeds texts only.")


def load(rest: str, *, device: torch.device) -> SentenceTransformersModel:
    """The model of a hub name or of a folder written by sentence-transformers.

    Raises:
        InputError: the folder is no sentence-transformers model.
        UnavailableError: sentence-transformers is not installed, or a download failed.
    """
    library = _hub.require("sentence_transformers", "sentence-transformers")
    folder = _hub.local_folder(rest)
    if folder and not (folder / "modules.json").is_file():
        raise _not_a_model(rest)
    if folder:
        _check_folder(folder, rest)
    with nullcontext() if folder else _hub.cached_if_unreachable(), _hub.quiet_transformers():
        try:
            network = library.SentenceTransformer(str(folder or rest), device=str(device), trust_remote_code=False)
        except Exception as error:  # transformers, the hub and safetensors each raise their own
            if folder:
                raise InputError(f"'{rest}' cannot be loaded by sentence-transformers: {reason(error)}.") from error
            instead = "sentence-transformers:/path/to/folder"
            raise _hub.not_obtained(f"the model '{rest}'", instead, error) from error
    if not folder and not _has_modules(rest):
        raise _not_a_model(rest)
    return SentenceTransformersModel(f"sentence-transformers:{rest}", network, device)


def _check_folder(folder: Path, rest: str) -> None:
    _foreign.check_modules(folder / "modules.json")
    for path in folder.rglob("*config*.json"):
        _foreign.check(_foreign.read(path), f"{path.relative_to(folder)} of '{rest}'")


def _has_modules(name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    repository = name if "/" in name else f"sentence-transformers/{name}"
    return isinstance(try_to_load_from_cache(repository, "modules.json"), str)


def _not_a_model(source: str) -> InputError:
    return InputError(
        f"'{source}' holds no modules.json: it is no sentence-transformers model, and its pooling would be a guess."
    )
