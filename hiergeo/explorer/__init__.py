"""The explorer: a collection of captions and pictures, seen through several models and geometries, in a browser."""

from hiergeo.explorer.collection import Collection, Lens, open_collection
from hiergeo.explorer.thumbnails import Thumbnails
from hiergeo.explorer.tiers import Tiers

__all__ = ["Collection", "Lens", "Thumbnails", "Tiers", "open_collection"]
