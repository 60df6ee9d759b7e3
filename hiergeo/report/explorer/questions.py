"""Requests to a collection over HTTP: the models that FastAPI validates, and the searches in them."""

from typing import Annotated, Any, Literal, cast, final

import torch
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError
from torch import Tensor

from hiergeo.report.explorer.collection import Collection
from hiergeo.report.explorer.thumbnails import SIDES
from hiergeo.report.explorer.tiles import DEEPEST
from hiergeo.search import Item, Request
from hiergeo.search.ids import CHARACTERS, number_of
from hiergeo.search.requests import Kind, Whole, fitting, parameters
from hiergeo.search.serving.limits import Limits, Refused
from hiergeo.search.serving.wire import Models, Query, Strict, check_load, read_queries, read_query

IDS = 256
"""Ids in one request, at most."""

SETTINGS = ("k", "by", "thresholds")
"""Options of searches that the page sets; every kind takes all and uses those that say something of it."""


def _id(value: object) -> int:
    """The number of the id of an item: those of JavaScript are exact up to 2^53 alone, so it is a string."""
    if not isinstance(value, str):
        raise ValueError("must be the id of an item, a string")
    return number_of(value)


def _ids(value: str) -> Tensor:
    parts = value.split(",")
    if len(parts) > IDS:
        raise PydanticCustomError("too_long", "must be {most} ids at most, separated by commas", {"most": IDS})
    return torch.tensor([_id(part) for part in parts], dtype=torch.int64)


ItemId: Any = Annotated[
    int, BeforeValidator(_id), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": CHARACTERS})
]
"""The id of an item, or the number by which the index keeps it."""


@final
class Questions:
    """The models of requests to a collection, and how they are read.

    Args:
        collection: that is explored.
        limits: of requests.

    Attributes:
        models: by the name of their route; "search" is that of a query of any kind, "query" of a text or an item.
    """

    def __init__(self, collection: Collection, limits: Limits) -> None:
        self._limits = limits
        models = Models(limits, item=ItemId)
        keys: Any = Literal[tuple(lens.key for lens in collection.lenses)]
        view: Any = Annotated[keys, AfterValidator(collection.lens)]
        about = "A model and a geometry, by their key in /api/collection."
        lens = view, Field(collection.lenses[0].key, validate_default=True, description=about)
        options = parameters("children") | parameters("ladder")
        settings = {name: options[name] for name in SETTINGS}
        side: Any = Literal[tuple(map(str, SIDES))]
        column = Annotated[Whole, Field(ge=0, lt=1 << DEEPEST)]
        fields: dict[str, dict[str, Any]] = {
            "query": {
                "lens": lens,
                "q": (models.text, Field(None, description="The query, a text.")),
                "item": (ItemId, Field(None, description="The query, an item by its id; instead of q.")),
                **settings,
            },
            "search": {"kind": (Kind, Field()), "lens": lens, "query": (models.query, Field()), **settings},
            "items": {"ids": (Annotated[str, AfterValidator(_ids)], Field(description="Of items."))},
            "find": {
                "lens": lens,
                "text": (models.text | None, Field(None, description="What captions contain; without it all items.")),
                "k": settings["k"],
            },
            "map": {"lens": lens},
            "tile": {
                "lens": lens,
                "level": (Whole, Field(ge=0, le=DEEPEST, description="Of the tile; 0 is the whole map.")),
                "x": (column, Field(description="Its column.")),
                "y": (column, Field(description="Its row.")),
                "version": (str | None, Field(None, max_length=64, description="Of the map, as /api/map has it.")),
            },
            "audit": {"lens": lens},
            "thumbnail": {"side": (side, Field(str(SIDES[0]), description="Longest side, pixels."))},
            "places": {"lens": lens, "queries": models.queries},
        }
        self.models: dict[str, Any] = {
            name: create_model(name.capitalize(), __base__=Strict, **cast(Any, values))
            for name, values in fields.items()
        }

    def query(self, kind: Kind, values: Any) -> Request:
        """The search in a model "query"; raises Refused."""
        if (values.q is None) == (values.item is None):
            raise Refused(400, "the query must be either q, a text, or item, an id: send one of the two.", "q")
        query = Item(values.item) if values.q is None else values.q
        return self._search(kind, query, values)

    def search(self, values: Any) -> Request:
        """The search in a model "search"; raises Refused."""
        query = read_query(values.query, "query", values.lens.index.encoder.dim, self._limits)
        return self._search(values.kind, query, values)

    def places(self, values: Any) -> list[Query]:
        """Queries to place on a map; raises Refused."""
        queries = read_queries(values.queries, "queries", values.lens.index.encoder.dim, self._limits)
        check_load(self._limits, queries)
        return queries

    def _search(self, kind: Kind, query: Query, values: Any) -> Request:
        check_load(self._limits, [query], kind, values)
        options = fitting(kind, {"strict": True, **{name: getattr(values, name) for name in SETTINGS}})
        return Request(kind, cast(Any, query), space=values.lens.spec, **options)
