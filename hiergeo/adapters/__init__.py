"""Pretrained models as embeddings and a root, behind one interface."""

from hiergeo.adapters._base import Model
from hiergeo.adapters._network import NetworkModel
from hiergeo.adapters._registry import ADAPTERS, load
from hiergeo.adapters.store import embed
from hiergeo.adapters.towers import TOWERS, Tower, tower_of
from hiergeo.datasets.pictures import ImageLike

__all__ = ["ADAPTERS", "TOWERS", "ImageLike", "Model", "NetworkModel", "Tower", "embed", "load", "tower_of"]
