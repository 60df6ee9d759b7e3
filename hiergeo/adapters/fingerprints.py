"""How a model is told from others: digests of its weights, and its embeddings of a few fixed inputs."""

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

SAMPLED = 4096
"""Elements of each weight that enter the fingerprint, evenly spread."""

ACTIVATIONS = ("elu", "silu", "swish", "mish", "tanh", "sigmoid")
"""What the class of an activation has in its name, in lower case."""

PROBES = ("a dog", "two people on a beach at sunset", "The 3 blue cups are left of an old wooden chair.")
"""Texts of `Model.witness`."""


def weights_digest(network: nn.Module, preprocessing: str) -> str:
    """SHA-256 over preprocessing, kinds of activations, and shapes and samples of the floating-point weights.

    What modules and weights are called, and in which order they come, does not count: versions of libraries differ in
    that and give the same embeddings.
    """
    kinds = {type(module).__name__ for module in network.modules()}
    activations = sorted(kind for kind in kinds if any(part in kind.lower() for part in ACTIVATIONS))
    weights = (weight for weight in network.state_dict().values() if weight.is_floating_point())
    facts = [preprocessing, *activations, *sorted(hashlib.sha256(_described(weight)).hexdigest() for weight in weights)]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _described(weight: Tensor) -> bytes:
    """Shape, dtype and a sample of a tensor."""
    flat = weight.reshape(-1)
    sample = flat[:: max(1, flat.numel() // SAMPLED)].cpu().contiguous()
    return f"{tuple(weight.shape)}{weight.dtype}".encode() + sample.view(torch.uint8).numpy().tobytes()


def probe_rows(model: Any) -> Tensor:
    """The `Model.witness` of a model that embeds any text: that of `PROBES` and, with images, of a made-up picture."""
    rows = [model.encode_text(PROBES).flatten()]
    if model.has_images:
        across, down = np.meshgrid(np.arange(96), np.arange(64))
        pixels = np.stack([2 * across, 3 * down, (across * down) % 256], axis=-1).astype(np.uint8)
        rows.append(model.encode_image([pixels]).flatten())
    return torch.cat(rows)
