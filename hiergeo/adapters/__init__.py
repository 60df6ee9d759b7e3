"""Pretrained models as embeddings and a root, behind one interface."""

from hiergeo.adapters._base import ImageLike, Model
from hiergeo.adapters._registry import load
from hiergeo.adapters.store import embed

__all__ = ["ImageLike", "Model", "embed", "load"]
