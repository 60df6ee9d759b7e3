"""Heads: small networks on top of frozen embeddings, stored as folders and loaded as models."""

from hiergeo.adapters.head.files import check_free, load, read_config, write
from hiergeo.adapters.head.model import HeadModel, through
from hiergeo.adapters.head.network import Head

__all__ = ["Head", "HeadModel", "check_free", "load", "read_config", "through", "write"]
