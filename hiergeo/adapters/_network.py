"""What adapters that run a neural network share: where pixels come from and how weights are told apart."""

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hiergeo.adapters._base import Model
from hiergeo.datasets.pictures import ImageLike, check_images, open_rgb

if TYPE_CHECKING:
    from PIL.Image import Image

SAMPLED = 4096
"""Elements of each weight that enter the fingerprint, evenly spread."""


class NetworkModel(Model):
    """A model that is a `torch.nn.Module`: frozen, in evaluation mode, in float32, on one device.

    A subclass implements `embed_texts` and `embed_pictures`; both run without gradients.

    Args:
        name: the spec that loads the model.
        network: the module; it is moved to `device` and frozen.
        device: where it runs.
        preprocessing: how inputs reach it, in words; part of the fingerprint.
    """

    has_images = True

    def __init__(self, name: str, network: nn.Module, device: torch.device, preprocessing: str) -> None:
        self.name = name
        self.preprocessing = preprocessing
        self.device = device
        self.network: Any = network.to(device=device, dtype=torch.float32).eval().requires_grad_(False)

    def fingerprint(self) -> str:
        """16 hexadecimal digits over preprocessing, layer types, and names, shapes and samples of the weights."""
        digest = hashlib.sha256(self.preprocessing.encode())
        for name, module in self.network.named_modules():
            digest.update(f"{name}:{type(module).__name__};".encode())
        for name, weight in self.network.state_dict().items():
            flat = weight.reshape(-1)
            sample = flat[:: max(1, flat.numel() // SAMPLED)].cpu().contiguous()
            digest.update(f"{name}{tuple(weight.shape)}{weight.dtype}".encode())
            digest.update(sample.numpy().tobytes())
        return digest.hexdigest()[:16]

    @abstractmethod
    def embed_texts(self, texts: list[str]) -> Tensor:
        """Stripped texts -> (B, dim)."""

    @abstractmethod
    def embed_pictures(self, pictures: list["Image"]) -> Tensor:
        """Upright RGB pictures -> (B, dim)."""

    def check_texts(self, texts: Sequence[str]) -> None:
        """Every text can be tokenized."""

    def check_images(self, images: Sequence[ImageLike]) -> None:
        check_images(images)

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        with torch.inference_mode():
            return self.embed_texts(list(texts))

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        with torch.inference_mode():
            return self.embed_pictures([open_rgb(image) for image in images])
