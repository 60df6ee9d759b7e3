"""Pretrained models as embeddings and a root, behind one interface."""

from hiergeo._pictures import ImageLike
from hiergeo.adapters._base import Model
from hiergeo.adapters._registry import load
from hiergeo.adapters.store import embed

__all__ = ["ImageLike", "Model", "embed", "load"]
