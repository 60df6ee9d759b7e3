"""Pretrained models as embeddings and a root, behind one interface."""

from hiergeo.adapters.fresh import untrained
from hiergeo.adapters.loading import ADAPTERS, load
from hiergeo.adapters.model import Model, NetworkModel
from hiergeo.adapters.store import embed
from hiergeo.adapters.towers import TOWERS, Tower, tower_of
from hiergeo.datasets.pictures import ImageLike

__all__ = [
    "ADAPTERS",
    "TOWERS",
    "ImageLike",
    "Model",
    "NetworkModel",
    "Tower",
    "embed",
    "load",
    "tower_of",
    "untrained",
]
