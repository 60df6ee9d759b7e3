"""A model whose embeddings pass through a head."""

from collections.abc import Sequence
from hashlib import sha256
from typing import final

import torch
from torch import Tensor

from hiergeo.adapters._base import Model, unit_rows
from hiergeo.adapters.head.network import Head
from hiergeo.datasets.pictures import ImageLike
from hiergeo.errors import InputError


@final
class HeadModel(Model):
    """A frozen model with a head behind it; texts, images and the root, f(e of the empty caption), pass alike.

    In a space around that root the tangent vector of a caption is f(e) - f(e_root), so that the empty caption lies at
    the root whatever the head has learnt. The embeddings of a head that is not `unit` keep their norms.

    Args:
        model: the frozen model.
        head: the network.
        name: the spec that loads the two.
        trained_in: the spec of the geometry that the head was trained in, where that is known.

    Raises:
        InputError: the head takes another dimension than the model gives.
    """

    def __init__(self, model: Model, head: Head, name: str | None = None, trained_in: str | None = None) -> None:
        if model.dim != head.shape.inputs:
            raise InputError(
                f"the head takes embeddings of dimension {head.shape.inputs}, and {model.name} gives {model.dim}."
            )
        self.base = model
        self.head = head.eval()
        self.name = name or f"head@{model.name}"
        self.has_images = model.has_images
        self.preprocessing = f"{model.preprocessing}, then a head"
        self.normalised = head.shape.unit
        self.trained_in = trained_in

    def fingerprint(self) -> str:
        """16 hexadecimal digits over the frozen model's fingerprint and the head's weights."""
        digest = sha256(self.base.fingerprint().encode())
        for name, weight in self.head.state_dict().items():
            digest.update(name.encode() + weight.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def through(self, embeddings: Tensor) -> Tensor:
        """Embeddings (N, inputs) of the frozen model as this one gives them, (N, dim)."""
        return through(self.head, embeddings, self.name)

    def check_texts(self, texts: Sequence[str]) -> None:
        self.base.check_texts(texts)

    def check_images(self, images: Sequence[ImageLike]) -> None:
        self.base.check_images(images)

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        return applied(self.head, self.base.encode_text(texts, batch_size=len(texts), device=self._place))

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        return applied(self.head, self.base.encode_image(images, batch_size=len(images), device=self._place))

    @property
    def _place(self) -> torch.device:
        return self.head.linear.weight.device


def through(head: Head, embeddings: Tensor, name: str) -> Tensor:
    """Embeddings (N, inputs) behind a head, (N, outputs): float32, of norm one where the head's shape says so.

    The head computes where its weights are; the result is left on the device of the embeddings.

    Raises:
        InputError: a row that is not finite, or is zero and has no norm to divide by; `name` says whose it is.
    """
    rows = applied(head, embeddings).to(embeddings.device)
    return unit_rows(rows, f"the embeddings of {name}") if head.shape.unit else rows


@torch.no_grad()
def applied(head: Head, embeddings: Tensor) -> Tensor:
    """Embeddings (N, inputs) behind a head without gradient, (N, outputs), on the device of the head's weights."""
    rows: Tensor = head(embeddings.to(head.linear.weight))
    return rows
