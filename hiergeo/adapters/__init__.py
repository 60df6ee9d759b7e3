"""Pretrained models as embeddings and a root, behind one interface."""

from hiergeo.adapters._base import Model
from hiergeo.adapters._registry import load
from hiergeo.adapters.store import embed
from hiergeo.datasets.pictures import ImageLike

__all__ = ["ImageLike", "Model", "embed", "load"]
