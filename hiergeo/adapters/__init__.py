"""Pretrained models as embeddings and a root, behind one interface."""

from hiergeo.adapters.gaussians import Gaussian, inclusion
from hiergeo.adapters.head import untrained
from hiergeo.adapters.loading import ADAPTERS, load
from hiergeo.adapters.model import Model, NetworkModel
from hiergeo.adapters.npz import embedded
from hiergeo.adapters.store import embed
from hiergeo.adapters.towers import TOWERS, Tower, tower_of
from hiergeo.datasets.pictures import ImageLike

__all__ = [
    "Gaussian",
    "Model",
    "NetworkModel",
    "Tower",
    "embed",
    "inclusion",
    "load",
    "untrained",
]
