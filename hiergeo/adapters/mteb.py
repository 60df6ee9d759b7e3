"""Models of mteb (the Massive Text Embedding Benchmark and its image-text part) by the names of its registry."""

import hashlib
from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from hiergeo._core import extras
from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo.adapters.hub import cached_if_unreachable, not_obtained, quiet_transformers
from hiergeo.adapters.model import Model, probe_rows, weights_digest
from hiergeo.datasets.pictures import ImageLike, open_rgb

TASK = "Flickr30kT2IRetrieval"
"""The task that models are told they embed for; those with instructions choose theirs by it."""


class _Column(Dataset[dict[str, Any]]):
    """A data set of one column, with what encoders of mteb ask of a data set."""

    def __init__(self, name: str, values: Sequence[Any]) -> None:
        self.features: dict[str, None] = {name: None}
        self.column_names = [name]
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        (name,) = self.column_names
        return list(self._values) if index == name else {name: self._values[index]}


@final
class MtebModel(Model):
    """An encoder with mteb's interface: ``encode(loader, task_metadata=, hf_split=, hf_subset=, prompt_type=)``.

    Raises:
        InputError: an encoder without `encode`, such as a cross-encoder, or one that embeds no texts.
    """

    preprocessing = "that of mteb"

    def __init__(self, name: str, encoder: Any, meta: Any, task: Any) -> None:
        if not callable(getattr(encoder, "encode", None)):
            raise InputError(f"{name} is not an encoder of mteb: it has no method 'encode'.")
        if "text" not in meta.modalities:
            raise InputError(f"{name} embeds {', '.join(meta.modalities) or 'nothing'}: a model of texts is needed.")
        self.name, self.has_images = name, "image" in meta.modalities
        self._encoder, self._revision, self._task = encoder, meta.revision, task

    def fingerprint(self) -> str:
        """16 hexadecimal digits over the name, the revision, and the weights where the encoder holds a network."""
        network = getattr(self._encoder, "model", None)
        weights = weights_digest(network, self.preprocessing) if isinstance(network, nn.Module) else ""
        return hashlib.sha256(f"{self.name} {self._revision} {weights}".encode()).hexdigest()[:16]

    def witness(self) -> Tensor | None:
        return probe_rows(self)

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        return self._encoded("text", list(texts))

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        return self._encoded("image", [open_rgb(image) for image in images])

    @torch.no_grad()
    def _encoded(self, column: str, values: list[Any]) -> Tensor:
        loader = DataLoader(
            _Column(column, values),
            batch_size=len(values),
            collate_fn=lambda rows: {column: [row[column] for row in rows]},
            generator=torch.Generator(),  # a loader draws a seed, of the global generator unless it has one
        )
        task = {"task_metadata": self._task, "hf_split": "test", "hf_subset": "default", "prompt_type": None}
        rows = self._encoder.encode(loader, **task, batch_size=len(values), show_progress_bar=False)
        return torch.as_tensor(rows).float()


def load_mteb(rest: str, *, device: torch.device) -> MtebModel:
    """The model ``NAME`` of mteb's registry, such as ``openai/clip-vit-base-patch32``, or ``NAME@REVISION``.

    Raises:
        InputError: an unknown name, a model that does not encode texts, or one that runs code of its own.
        UnavailableError: mteb or a package that this model needs is not installed, or the weights cannot be had.
    """
    mteb = extras.require("mteb", "this model")
    name, _, revision = rest.partition("@")
    try:
        meta = mteb.get_model_meta(name, revision or None)
    except (KeyError, ValueError) as error:
        raise InputError(f"mteb has no model '{rest}': {str(error.args[0]).rstrip('.')}.") from error
    if (getattr(meta, "loader_kwargs", None) or {}).get("trust_remote_code"):
        raise InputError(f"mteb runs code of its own for '{name}' (trust_remote_code), which hiergeo never does.")
    try:
        with cached_if_unreachable(), quiet_transformers():
            encoder = meta.load_model(device=str(device))
    except ImportError as error:
        raise UnavailableError(f"mteb cannot load '{name}' without a package: {reason(error)}.") from error
    except (OSError, ValueError) as error:
        raise not_obtained(f"the model '{name}' of mteb", "hf:PATH or sentence-transformers:PATH", error) from error
    return MtebModel(f"mteb:{rest}", encoder, meta, mteb.get_task(TASK).metadata)
