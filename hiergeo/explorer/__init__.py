"""The explorer: a collection of captions and pictures, seen through several models and geometries, in a browser."""

from hiergeo.explorer.app import create_explorer
from hiergeo.explorer.collection import Collection, Lens, open_collection
from hiergeo.explorer.demo import open_demo
from hiergeo.explorer.export import Exported, check_target, export_page
from hiergeo.explorer.mapping import Map, build_map
from hiergeo.explorer.moved import compare
from hiergeo.explorer.movers import Moved
from hiergeo.explorer.service import Explorer
from hiergeo.explorer.survey import Survey, survey_of
from hiergeo.explorer.thumbnails import Thumbnails
from hiergeo.explorer.tiers import Tiers

__all__ = [
    "Collection",
    "Explorer",
    "Exported",
    "Lens",
    "Map",
    "Moved",
    "Survey",
    "Thumbnails",
    "Tiers",
    "build_map",
    "check_target",
    "compare",
    "create_explorer",
    "export_page",
    "open_collection",
    "open_demo",
    "survey_of",
]
