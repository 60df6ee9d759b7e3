"""Search at any size: what entails what among millions of texts and images, and ladders through them."""

from hiergeo.search.answers import Answer, Climb, Hit, Recall, Rung
from hiergeo.search.appending import Added
from hiergeo.search.building import build, open
from hiergeo.search.checking import Checked
from hiergeo.search.compaction import Compacted
from hiergeo.search.index import Index
from hiergeo.search.queries import Item, Query
from hiergeo.search.requests import Request
from hiergeo.search.rows import Frame, Rows
from hiergeo.search.sources import CaptionFiles
from hiergeo.search.store import STORES, Store, StoreFacts

__all__ = [
    "CaptionFiles",
    "Index",
    "Request",
    "Rows",
    "Store",
    "StoreFacts",
    "build",
    "open",
]
