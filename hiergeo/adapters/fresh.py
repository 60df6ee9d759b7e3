"""Untrained copies of a model: the same network, tokenizer and preprocessing with random weights.

A measure of what a model has learnt must be better than that of its untrained copies: embeddings of random networks
already depend on the number of tokens, and so on how specific a caption is.
"""

import torch

from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.numerics import torch_defaults
from hiergeo.adapters.head import Head, HeadModel
from hiergeo.adapters.model import Model, NetworkModel


@torch_defaults()
def untrained(model: Model, seed: int) -> Model:
    """A copy of a model with the weights that its network starts training from.

    A head is untrained together with the model that it stands on: it starts as the identity where the dimensions allow.

    Args:
        model: a network of open_clip, transformers or sentence-transformers, one that brings its own space (which is
            kept), a ProLIP, or a head on one.
        seed: of the weights; the same seed gives the same copy.

    Raises:
        InputError: a model without a network (stored embeddings), or one that cannot be built without its weights.
    """
    check_whole("seed", seed, 0, limits.SEED)
    name = f"{model.name} untrained, seed {seed}"
    if isinstance(model, HeadModel):
        base = untrained(model.base, seed)
        return HeadModel(base, Head(model.head.shape, seed).to(model.head.linear.weight.device), name)
    if not isinstance(model, NetworkModel):
        raise InputError(f"{model.name} has no network of its own, so there is no untrained copy of it.")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = model.rebuilt_network()
    copied = model.bare_copy()
    copied.name = name
    copied.network = network.to(device=model.device, dtype=torch.float32).eval().requires_grad_(False)
    return copied
