"""Trainable text towers: captions in, embeddings with gradient out, a folder for the model's own library at the end."""

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from hiergeo._core import extras
from hiergeo._core.errors import InputError
from hiergeo._core.plugins import Plugins
from hiergeo.adapters.model import Model, NetworkModel

SAMPLE = ("", "a photograph of two small dogs")
"""Captions of different lengths that show which weights an embedding depends on."""

TOLERANCE = 1e-4
"""Largest difference between a unit embedding in training and in use, from padding and rounding."""


class Tower(nn.Module, ABC):
    """A text tower in evaluation mode (no dropout): only its weights and projection require gradients.

    A subclass says how texts are tokenised, embedded and stored; it is made of the frozen model that it continues.

    Attributes:
        network: the whole network of the model; its other towers are those of the model itself.
    """

    network: Any

    def __init__(self, model: NetworkModel) -> None:
        super().__init__()
        self.network = model.network
        self.device = model.device
        names = {type(module).__name__ for module in model.network.modules()}
        self.activations = sorted(name for name in names if "GELU" in name or name in ("ReLU", "SiLU"))
        text = self._text_weights()
        frozen = {id(weight): weight for weight in self.network.parameters() if id(weight) not in text}
        self.network = copy.deepcopy(model.network, memo=frozen)
        for weight in self.network.parameters():
            weight.requires_grad_(id(weight) not in frozen)

    @abstractmethod
    def tokenise(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """The keyword arguments of `forward` for stripped texts, on the device of the tower."""

    @abstractmethod
    def forward(self, **tokens: Tensor) -> Tensor:
        """The embeddings (B, D), with gradient and of any norm."""

    @abstractmethod
    def export(self, folder: Path, home: Path) -> str:
        """Write the whole model, trained tower included, for its own library.

        Args:
            folder: where it is written, an empty folder.
            home: where that folder goes when it is whole.

        Returns:
            The spec that loads it from there.

        Raises:
            UnavailableError: the folder cannot be written.
        """

    def trainable(self) -> dict[str, nn.Parameter]:
        """The weights of `network` that training moves, by name."""
        return {name: weight for name, weight in self.network.named_parameters() if weight.requires_grad}

    def merge(self) -> None:
        """Fold low-rank adapters, if there are any, into the weights they adapt."""
        merge_adapters(self.network)

    @torch.no_grad()
    def encode(self, texts: Sequence[str], batch_size: int = 256) -> Tensor:
        """Unit embeddings (N, D) without gradient, on the device of the tower."""
        batches = [texts[start : start + batch_size] for start in range(0, len(texts), batch_size)]
        return normalize(torch.cat([self(**self.tokenise(batch)).float() for batch in batches]), dim=-1)

    def _text_weights(self) -> set[int]:
        """The ids of the weights that the embedding of a text depends on."""
        weights = list(self.network.requires_grad_(True).parameters())
        try:
            total = self(**self.tokenise(SAMPLE)).sum()
            gradients = torch.autograd.grad(total, weights, allow_unused=True)
        finally:
            self.network.requires_grad_(False)
        return {id(weight) for weight, gradient in zip(weights, gradients, strict=True) if gradient is not None}


def on(device: torch.device, tokens: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors among the tokens, on a device."""
    return {name: value.to(device) for name, value in tokens.items() if isinstance(value, Tensor)}


def merge_adapters(network: nn.Module) -> None:
    """Fold low-rank adapters, if there are any, into the weights they adapt."""
    for name, layer in list(network.named_modules()):
        if hasattr(layer, "base_layer") and not name.endswith(".base_layer"):
            layer.merge()
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, layer.get_base_layer())


def adapt(network: nn.Module, trained: Mapping[str, nn.Parameter], rank: int) -> None:
    """Add low-rank adapters to the linear layers whose weights are `trained`; only the adapters are trained then.

    The adapters start as the identity: their output is 0 at first. Scaling is 1 (alpha = rank).

    Raises:
        InputError: a rank below 1, or no linear layers.
        UnavailableError: peft is not installed.
    """
    if rank < 1:
        raise InputError(f"the rank of low-rank adapters must be at least 1, not {rank}.")
    peft = extras.require("peft", "low-rank adaptation")
    layers = [name for name, layer in network.named_modules() if type(layer) is nn.Linear]
    layers = [name for name in layers if f"{name}.weight" in trained]
    if not layers:
        raise InputError("this text tower has no linear layers to adapt: train it whole, without low-rank adapters.")
    named = "|".join(re.escape(name) for name in layers)
    peft.inject_adapter_in_model(peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=named), network)


TOWERS: Plugins[Callable[[Any], Tower]] = Plugins(
    "text tower",
    "hiergeo.towers",
    {
        "open_clip": "hiergeo.adapters.open_clip:OpenClipTower",
        "tiny": "hiergeo.adapters.open_clip:OpenClipTower",
        "hf": "hiergeo.adapters.huggingface:HuggingFaceTower",
        "sentence-transformers": "hiergeo.adapters.sentence_transformers:SentenceTransformersTower",
    },
)
"""Name of an adapter, with which the specs of its models begin -> what makes the text tower of such a model trainable:
a subclass of `Tower`, or a function of the model that returns one."""


def tower_of(model: Model, lora: int | None = None) -> Tower:
    """A trainable copy of a model's text tower; the model itself stays as it is.

    Args:
        model: a model of an adapter that is among `TOWERS`.
        lora: the rank of adapters on the linear layers of the tower, which are trained in its stead; None trains the
            tower and its projection whole.

    Raises:
        InputError: a model without a text tower to train, or one without linear layers to adapt.
        UnavailableError: peft is not installed, and `lora` asks for it.
    """
    name = model.name.partition(":")[0]
    if name not in TOWERS:
        raise InputError(f"{model.name} has no text tower to train: use a model of {', '.join(TOWERS.names())}.")
    make = TOWERS.get(name)
    with TOWERS.running(name, f"cannot be made of {model.name}"):
        tower = make(model)
    if not isinstance(tower, Tower):
        raise InputError(f"the text tower '{name}' is a {type(tower).__name__}, not a hiergeo.adapters.Tower.")
    difference = float((tower.encode(SAMPLE).cpu() - model.encode_text(SAMPLE)).abs().max())
    if difference > TOLERANCE:
        raise InputError(
            f"{model.name} embeds texts otherwise than its bare text tower does (by {difference:.1g}): prompts or "
            "stages outside the network cannot be trained."
        )
    if lora is not None:
        adapt(tower.network, tower.trainable(), lora)
    return tower
