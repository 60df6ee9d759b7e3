"""Trainable text towers: captions in, embeddings with gradient out, a folder for the model's own library at the end."""

from importlib import import_module

from hiergeo.adapters._base import Model
from hiergeo.adapters.towers._base import Tower
from hiergeo.errors import InputError

__all__ = ["Tower", "tower_of"]

OWN = {
    "OpenClipModel": "open_clip",
    "HuggingFaceModel": "huggingface",
    "SentenceTransformersModel": "sentence_transformers",
}
"""Class of an adapter -> the module here whose ``tower(model)`` makes its text tower trainable."""


def tower_of(model: Model, lora: int | None = None) -> Tower:
    """A trainable copy of a model's text tower; the model itself stays as it is.

    Args:
        model: an open_clip, transformers or sentence-transformers model.
        lora: the rank of adapters on the linear layers of the tower, which are trained in its stead; None trains the
            tower and its projection whole.

    Raises:
        InputError: a model without a text tower to train, or one without linear layers to adapt.
        UnavailableError: peft is not installed, and `lora` asks for it.
    """
    module = OWN.get(type(model).__name__)
    if module is None:
        raise InputError(
            f"{model.name} has no text tower to train: use an open_clip, hf or sentence-transformers model, or tiny."
        )
    tower: Tower = import_module(f"{__name__}.{module}").tower(model)
    tower.check_against(model)
    if lora is not None:
        from hiergeo.adapters.towers import _lora

        _lora.adapt(tower.network, tower.trainable(), lora)
    return tower
