"""What can be asked of a collection over HTTP: the models of requests, and what they are read into."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, cast, final

import torch
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError
from torch import Tensor

from hiergeo.report.explorer.collection import Collection, Lens
from hiergeo.report.explorer.moved import MOST_NEIGHBOURS, MOVERS
from hiergeo.report.explorer.thumbnails import SIDES
from hiergeo.search import Item, Request
from hiergeo.search.requests import Kind, Whole, fitting, parameters
from hiergeo.search.serving.answer_schemas import list_of
from hiergeo.search.serving.limits import Limits, Refused
from hiergeo.search.serving.wire import Models, Number, Query, Strict, check_load, read_queries, read_query

QueryName = Literal["text", "item", "image", "embedding"]

CORNERS, IDS = 512, 256
"""Corners of a polygon, and ids in one request, at most."""

SETTINGS = ("k", "by", "thresholds")
"""Options of searches that the page sets; every kind takes all and uses those that say something of it."""

LEVELS = 40
"""Levels of a map, at most."""


def _id(value: object) -> int:
    """The id of an item: numbers of JavaScript are exact up to 2^53 alone, so it is a string."""
    if not isinstance(value, str) or not re.fullmatch("[0-9]{1,19}", value) or int(value) >= 1 << 63:
        raise ValueError("must be the id of an item, a string of decimal digits")
    return int(value)


def _ids(value: str) -> Tensor:
    parts = value.split(",")
    if len(parts) > IDS:
        raise PydanticCustomError("too_long", "must be {most} ids at most, separated by commas", {"most": IDS})
    return torch.tensor([_id(part) for part in parts], dtype=torch.int64)


ItemId: Any = Annotated[int, BeforeValidator(_id), WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,19}$"})]
"""The id of an item."""


@final
class Asked(NamedTuple):
    """Requests of one kind, one a query, and the lens that they are asked through."""

    lens: Lens
    requests: list[Request]


@final
class Questions:
    """The models of requests to a collection, and how they are read.

    Args:
        collection: that is asked.
        limits: of requests.

    Attributes:
        one: the model of one query; every verb takes all settings and uses those that it needs.
        several: the model of several queries.
        models: of requests that are not searches, by their names.
    """

    def __init__(self, collection: Collection, limits: Limits) -> None:
        self.limits, self._dim = limits, max(index.encoder.dim for index in collection.indexes)
        models = Models(limits, item=ItemId)
        keys: Any = Literal[tuple(each.key for each in collection.lenses)]
        view: Any = Annotated[keys, AfterValidator(collection.lens)]
        about = "A model and a geometry, by their key in /api/collection."
        lens = view, Field(collection.lenses[0].key, validate_default=True, description=about)
        options = parameters("children") | parameters("ladder")
        settings = {"lens": lens, **{name: options[name] for name in SETTINGS}}
        text = models.text, Field(None, description="The query, a text.")
        item = ItemId, Field(None, description="The query, an item of the collection by its id; instead of q.")
        self.one = _model("Asked", **settings, q=text, item=item)
        self.several = _model("AskedSeveral", **settings, queries=models.queries)
        lenses: Any = list_of(view)
        through = lenses, Field(min_length=1, max_length=len(collection.lenses), description="Lenses, by their keys.")
        k = settings["k"]
        side: Any = Literal[tuple(map(str, SIDES))]
        place = Annotated[Whole, Field(ge=0, le=1 << LEVELS)]
        neighbours = Whole, Field(10, ge=1, le=MOST_NEIGHBOURS, description="Neighbours that are compared.")
        point = Annotated[list[Number], Field(min_length=2, max_length=2)]
        fields: dict[str, dict[str, Any]] = {
            "ladders": {"lenses": through, "query": (models.query, Field()), "thresholds": settings["thresholds"]},
            "items": {"ids": (Annotated[str, AfterValidator(_ids)], Field(description="Of items."))},
            "roots": {"lens": lens, "k": k},
            "find": {"text": (models.text, Field(description="What captions contain.")), "k": k},
            "map": {"lens": lens},
            "tile": {
                "lens": lens,
                "level": (Whole, Field(ge=0, le=LEVELS, description="Of the tile; 0 is the whole map.")),
                "x": (place, Field(description="Its column.")),
                "y": (place, Field(description="Its row.")),
                "version": (str | None, Field(None, max_length=64, description="Of the map, as /api/map has it.")),
            },
            "moved": {
                "a": (view, Field(description="One lens.")),
                "b": (view, Field(description="The other lens.")),
                "k": neighbours,
                "count": (Whole, Field(MOVERS, ge=1, le=MOVERS, description="Items that are listed.")),
            },
            "audit": {"lens": lens},
            "thumbnail": {"side": (side, Field(str(SIDES[0]), description="Longest side, pixels."))},
            "places": {"lens": lens, "queries": models.queries},
            "select": {"lens": lens, "polygon": models.several(point, CORNERS, "Corners on the map.", 3)},
        }
        self.models = {name: _model(name.capitalize(), **each) for name, each in fields.items()}

    def of_one(self, kind: Kind, values: Any) -> Asked:
        """The question about one query; raises Refused."""
        if (values.q is None) == (values.item is None):
            raise Refused(400, "the query must be either q, a text, or item, an id: send one of the two.", "q")
        return self._asked(kind, values, [Item(values.item) if values.q is None else values.q])

    def of_several(self, kind: Kind, values: Any) -> Asked:
        """The question about several queries; raises Refused."""
        dim = values.lens.index.encoder.dim
        return self._asked(kind, values, read_queries(values.queries, "queries", dim, self.limits))

    def of_ladders(self, values: Any) -> list[Asked]:
        """The question of one query for its ladder through each of several lenses; raises Refused."""
        query = read_query(values.query, "query", values.lenses[0].index.encoder.dim, self.limits)
        asked = [self._asked("ladder", values, [query], lens) for lens in values.lenses]
        check_load(self.limits, [query] * len(asked), "ladder", values)
        return asked

    def of_places(self, values: Any) -> tuple[Query, ...]:
        """Queries to place on a map; raises Refused."""
        given = read_queries(values.queries, "queries", values.lens.index.encoder.dim, self.limits)
        check_load(self.limits, given)
        return tuple(given)

    def _asked(self, kind: Kind, values: Any, queries: Sequence[Query], lens: Lens | None = None) -> Asked:
        chosen = values.lens if lens is None else lens
        check_load(self.limits, queries, kind, values)
        options = fitting(kind, {"strict": True, **{name: getattr(values, name, None) for name in SETTINGS}})
        return Asked(chosen, [Request(kind, cast(Any, query), space=chosen.spec, **options) for query in queries])


def _model(name: str, **fields: Any) -> Any:
    return create_model(name, __base__=Strict, **fields)


def name_of(query: Query) -> QueryName:
    """What kind of query one is."""
    if isinstance(query, str):
        return "text"
    if isinstance(query, Item):
        return "item"
    return "embedding" if isinstance(query, Tensor) else "image"
