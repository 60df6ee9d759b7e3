"""Low-rank adapters on the linear layers of a text tower. Source: Hu et al., LoRA (ICLR 2022), as peft has it."""

import re
from collections.abc import Mapping
from typing import Any

from torch import nn

from hiergeo.adapters import _hub
from hiergeo.errors import InputError


def adapt(network: nn.Module, trained: Mapping[str, nn.Parameter], rank: int) -> None:
    """Put adapters of a rank on the linear layers whose weights are `trained`; only the adapters are trained then.

    The adapters start as the identity: their output is 0 at first. Scaling is 1 (alpha = rank).

    Raises:
        InputError: a rank below 1, or no linear layers.
        UnavailableError: peft is not installed.
    """
    if rank < 1:
        raise InputError(f"the rank of low-rank adapters must be at least 1, not {rank}.")
    peft = _hub.require("peft", "train", "low-rank adaptation")
    layers = [name for name, layer in network.named_modules() if type(layer) is nn.Linear]
    layers = [name for name in layers if f"{name}.weight" in trained]
    if not layers:
        raise InputError("this text tower has no linear layers to adapt: train it whole, without low-rank adapters.")
    named = "|".join(re.escape(name) for name in layers)
    peft.inject_adapter_in_model(peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=named), network)


def merge(network: nn.Module) -> None:
    """Fold every adapter into the layer it adapts and put that layer back in its place."""
    for name, layer in list(network.named_modules()):
        if name.endswith(".base_layer") or not hasattr(layer, "base_layer"):
            continue
        adapted: Any = layer
        adapted.merge()
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, adapted.get_base_layer())
