"""Trainable text towers: captions in, embeddings with gradient out, a folder for the model's own library at the end."""

from collections.abc import Callable
from typing import Any

from hiergeo._plugins import Plugins
from hiergeo.adapters._base import Model
from hiergeo.adapters.towers._base import Tower
from hiergeo.errors import InputError

__all__ = ["TOWERS", "Tower", "tower_of"]

TOWERS: Plugins[Callable[[Any], Tower]] = Plugins(
    "text tower",
    "hiergeo.towers",
    {
        "open_clip": "hiergeo.adapters.towers.open_clip:OpenClipTower",
        "tiny": "hiergeo.adapters.towers.open_clip:OpenClipTower",
        "hf": "hiergeo.adapters.towers.huggingface:HuggingFaceTower",
        "sentence-transformers": "hiergeo.adapters.towers.sentence_transformers:SentenceTransformersTower",
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
    tower.check_against(model)
    if lora is not None:
        from hiergeo.adapters.towers import _lora

        _lora.adapt(tower.network, tower.trainable(), lora)
    return tower
