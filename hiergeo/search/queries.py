"""What people ask with, texts, images or embeddings, as points of the space of an index."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo import adapters
from hiergeo._core.errors import InputError
from hiergeo._core.plugins import quoting
from hiergeo.adapters import Model
from hiergeo.datasets.pictures import SUFFIXES
from hiergeo.search.ids import Id
from hiergeo.search.layout import ModelFacts

if TYPE_CHECKING:
    from PIL.Image import Image


@final
@dataclass(frozen=True)
class Item:
    """An item of the index, by its id, as a query: its point as it is stored, so that it finds itself at distance 0."""

    id: Id


Query: TypeAlias = Union[str, Path, "Image", Tensor, NDArray[np.floating], Item]
"""A text, the path or picture of an image, an embedding (D,), or an item of the index itself."""


@final
class Encoder:
    """Embeds queries by the model of an index, which is loaded when it is first needed.

    An index of unknown origin has no `facts` of a model, and takes embeddings (D,) only.
    """

    def __init__(self, facts: ModelFacts | None, dim: int, model: Model | None = None, device: str = "auto") -> None:
        self.facts, self.dim, self.device = facts, dim, device
        self._model: Model | None = None
        if model is not None:
            self._model = self._checked(model)

    @property
    def loaded(self) -> Model | None:
        """The model of the index if it is loaded."""
        return self._model

    @property
    def model(self) -> Model:
        """The model of the index; raises InputError if it is unknown, or another one than the index was built with."""
        if self._model is None:
            if self.facts is None:
                raise InputError("the index does not say which model embedded it: search with embeddings.")
            with quoting():
                self._model = self._checked(adapters.load(self.facts.name, device=self.device))
        return self._model

    def encode(self, queries: Sequence[Query]) -> Tensor:
        """Embeddings (Q, D) of queries of any kinds, zero for items, whose points are stored; raises InputError."""
        rows, texts, images = torch.zeros(len(queries), self.dim), dict[int, str](), dict[int, Any]()
        for i, query in enumerate(queries):
            if isinstance(query, np.ndarray):
                query = torch.as_tensor(np.array(query)) if query.dtype.kind == "f" else query
            if isinstance(query, Tensor):
                rows[i] = self._vector(query)
            elif isinstance(query, str) and not is_image(query):
                texts[i] = query
            elif isinstance(query, str | Path) or hasattr(query, "convert"):
                images[i] = query
            elif not isinstance(query, Item):
                kind = f"not {type(query).__name__}"
                raise InputError(f"a query is a text, an image, an embedding (D,) or an item of the index, {kind}.")
        if texts:
            rows[list(texts)] = self.model.encode_text(list(texts.values()))
        if images:
            rows[list(images)] = self.model.encode_image(list(images.values()))
        return rows

    def _vector(self, query: Tensor) -> Tensor:
        if not are_numbers(query, 1):
            raise InputError(f"a query must be a dense floating-point tensor (D,), not {tensor_kind(query)}.")
        if len(query) != self.dim:
            raise InputError(f"the query has dimension {len(query)} and the index {self.dim}: embed it by its model.")
        if not bool(query.isfinite().all()):
            raise InputError("the query holds NaN or Inf: every coordinate must be finite.")
        return query.detach().to("cpu", torch.float32)

    def _checked(self, model: Model) -> Model:
        facts = self.facts
        if facts is not None and not facts.fit(model):
            raise InputError(
                f"the index was built with {facts.name} (fingerprint {facts.fingerprint}), and {model.name} has the "
                f"fingerprint {model.fingerprint()}: search with that model, or build the index again."
            )
        return model


def are_numbers(value: object, dimensions: int) -> bool:
    """Whether a value is a dense tensor of floating-point numbers with so many dimensions."""
    if not isinstance(value, Tensor) or not is_dense(value):
        return False
    return value.ndim == dimensions and value.is_floating_point()


def is_dense(value: Tensor) -> bool:
    """Whether every number of a tensor is there, one behind the other."""
    return value.layout is torch.strided and not (value.is_nested or value.is_meta)


def tensor_kind(value: Any) -> str:
    """What a message calls a value that is not the tensor that it should be."""
    if isinstance(value, Tensor) and not is_dense(value):
        return "nested" if value.is_nested else "meta" if value.is_meta else f"{value.layout}"
    return f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor | np.ndarray) else type(value).__name__


def is_image(query: str) -> bool:
    """Whether a string names an existing file with the suffix of a picture."""
    return Path(query).suffix.lower() in SUFFIXES and len(query) < 4096 and Path(query).is_file()
