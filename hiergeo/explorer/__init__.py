"""The explorer: a collection of captions and pictures, seen through several models and geometries, in a browser."""

from hiergeo.explorer.app import create_explorer
from hiergeo.explorer.collection import Collection, Lens, open_collection
from hiergeo.explorer.demo import open_demo
from hiergeo.explorer.service import Explorer
from hiergeo.explorer.thumbnails import Thumbnails
from hiergeo.explorer.tiers import Tiers

__all__ = [
    "Collection",
    "Explorer",
    "Lens",
    "Thumbnails",
    "Tiers",
    "create_explorer",
    "open_collection",
    "open_demo",
]
