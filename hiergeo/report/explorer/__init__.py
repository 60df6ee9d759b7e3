"""The explorer: a collection of captions and pictures, seen through several models and geometries, in a browser."""

from hiergeo.report.explorer.collection import Collection, Lens, open_collection
from hiergeo.report.explorer.demo import open_demo
from hiergeo.report.explorer.explorer_app import create_explorer
from hiergeo.report.explorer.export import Exported, check_target, export_page
from hiergeo.report.explorer.items import Tiers
from hiergeo.report.explorer.mapping import build_map
from hiergeo.report.explorer.survey import survey_of
from hiergeo.report.explorer.thumbnails import Thumbnails

__all__ = [
    "build_map",
    "create_explorer",
    "export_page",
    "open_collection",
    "open_demo",
    "survey_of",
]
