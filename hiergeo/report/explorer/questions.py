"""What can be asked of a collection over HTTP: the models of requests, and what they are read into."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, cast, final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError
from torch import Tensor

from hiergeo.report.explorer.collection import Collection, Lens
from hiergeo.report.explorer.moved import MOST_NEIGHBOURS, MOVERS
from hiergeo.report.explorer.thumbnails import SIDES
from hiergeo.search import Item
from hiergeo.search.serving.limits import Limits, Refused
from hiergeo.search.serving.pictures import Encoded
from hiergeo.search.serving.requests import (
    Given,
    Models,
    Number,
    Query,
    Question,
    Strict,
    Verb,
    Whole,
    check_load,
    decoded,
    read_queries,
    read_query,
)

QueryName = Literal["text", "item", "image", "embedding"]

Pair = tuple[Query, Query]
"""The general query and the specific one."""

PAIRS, CORNERS, IDS = 1024, 512, 256
"""Pairs, corners of a polygon, and ids in one request, at most."""

EMBEDDED = 256
"""Texts and pictures among the pairs of one request, at most."""

LEVELS = 40
"""Levels of a map, at most."""


def _id(value: object) -> int:
    """The id of an item: numbers of JavaScript are exact up to 2^53 alone, so it is a string."""
    if not isinstance(value, str) or not re.fullmatch("[0-9]{1,19}", value) or int(value) >= 1 << 63:
        raise ValueError("must be the id of an item, a string of decimal digits")
    return int(value)


def _ids(value: str) -> list[int]:
    parts = value.split(",")
    if len(parts) > IDS:
        raise PydanticCustomError("too_long", "must be {most} ids at most, separated by commas", {"most": IDS})
    return [_id(part) for part in parts]


ItemId: Any = Annotated[int, BeforeValidator(_id), WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,19}$"})]
"""The id of an item."""


@final
class Asked(NamedTuple):
    """A question and the lens that it is asked through."""

    lens: Lens
    question: Question


@final
class Questions:
    """The models of requests to a collection, and how they are read.

    Args:
        collection: that is asked.
        limits: of requests.

    Attributes:
        asked: the model of one query; every verb takes all settings and uses those that it needs.
        several: the model of several queries.
        got: models of the GETs that are no searches, by their names.
        posted: models of the POSTs that are no searches, by their names.
    """

    def __init__(self, collection: Collection, limits: Limits) -> None:
        self.collection, self.limits = collection, limits
        models = Models(limits, item=ItemId)
        keys: Any = Literal[tuple(each.key for each in collection.lenses)]
        lens = keys, Field(collection.lenses[0].key, description="A model and a geometry, by their key.")
        k, by, steps = (models.settings[name] for name in ("k", "by", "steps"))
        one = models.text, Field(None, description="The query, a text.")
        item = ItemId, Field(None, description="The query, an item of the collection by its id; instead of q.")
        self.asked = _model("Asked", q=one, item=item, lens=lens, k=k, by=by, steps=steps)
        self.several = _model("AskedSeveral", lens=lens, queries=models.queries, k=k, by=by, steps=steps)
        whole = Annotated[Whole, Field(ge=0, le=1 << LEVELS)]
        self.got = {
            "items": _model("Ids", ids=(Annotated[str, AfterValidator(_ids)], Field(description="Ids of items."))),
            "roots": _model("Roots", lens=lens, k=k),
            "find": _model("Find", text=(models.text, Field(description="What captions contain.")), k=k),
            "map": _model("Map", lens=lens),
            "tile": _model(
                "Tile",
                lens=lens,
                level=(Whole, Field(ge=0, le=LEVELS, description="Of the tile; 0 is the whole map.")),
                x=(whole, Field(description="Its column.")),
                y=(whole, Field(description="Its row.")),
                version=(str | None, Field(None, max_length=64, description="Of the map, as /api/map has it.")),
            ),
            "moved": _model(
                "Moved",
                a=(keys, Field(description="One lens.")),
                b=(keys, Field(description="The other lens.")),
                k=(Whole, Field(10, ge=1, le=MOST_NEIGHBOURS, description="Neighbours that are compared.")),
                count=(Whole, Field(MOVERS, ge=1, le=MOVERS, description="Items that are listed.")),
            ),
            "audit": _model("Audit", lens=lens),
        }
        sides: Any = Literal[tuple(map(str, SIDES))]
        self.thumbnail = _model("Thumbnail", side=(sides, Field(str(SIDES[0]), description="Longest side, pixels.")))
        pair = Annotated[list[models.query], Field(min_length=2, max_length=2)]
        point = Annotated[list[Number], Field(min_length=2, max_length=2)]
        self.posted = {
            "pairs": _model("Pairs", lens=lens, pairs=models.several(pair, PAIRS, "The general query first.")),
            "places": _model("Places", lens=lens, queries=models.queries),
            "select": _model("Select", lens=lens, polygon=models.several(point, CORNERS, "Corners on the map.", 3)),
        }

    def lens(self, values: Any) -> Lens:
        """The lens that a request names."""
        return cast(Lens, self.collection.lens(values.lens))

    def of_one(self, verb: Verb, values: Any) -> Asked:
        """The question about one query; raises Refused."""
        if (values.q is None) == (values.item is None):
            raise Refused(400, "the query must be either q, a text, or item, an id: send one of the two.", "q")
        return self._asked(verb, values, [Item(values.item) if values.q is None else values.q])

    def of_several(self, verb: Verb, values: Any) -> Asked:
        """The question about several queries, whose pictures are decoded; raises Refused."""
        dim = self.lens(values).index.encoder.dim
        return self._asked(verb, values, read_queries(values.queries, "queries", dim, self.limits))

    def of_pairs(self, values: Any) -> list[Pair]:
        """Pairs of queries, whose pictures are decoded; raises Refused."""
        dim = self.lens(values).index.encoder.dim
        given = [
            read_query(query, f"pairs[{row}][{side}]", dim, self.limits)
            for row, pair in enumerate(values.pairs)
            for side, query in enumerate(pair)
        ]
        count = len({each for each in given if isinstance(each, str)}) + sum(
            isinstance(each, Encoded) for each in given
        )
        if count > EMBEDDED:
            told = f"pairs hold {count:,} texts and pictures: send up to {EMBEDDED} at a time."
            raise Refused(422, told, "pairs")
        check_load(self.limits, given, "pairs", 1)
        queries = decoded(given)
        return list(zip(queries[::2], queries[1::2], strict=True))

    def of_places(self, values: Any) -> tuple[Query, ...]:
        """Queries to place on a map, whose pictures are decoded; raises Refused."""
        given = read_queries(values.queries, "queries", self.lens(values).index.encoder.dim, self.limits)
        check_load(self.limits, given, "queries", 1)
        return decoded(given)

    def _asked(self, verb: Verb, values: Any, given: Sequence[Given]) -> Asked:
        lens, name = self.lens(values), "steps" if verb == "ladder" else "k"
        check_load(self.limits, given, name, getattr(values, name))
        return Asked(lens, Question(verb, decoded(given), values.k, values.by, lens.spec, values.steps))


def _model(name: str, **fields: Any) -> Any:
    return create_model(name, __base__=Strict, **fields)


def name_of(query: Query) -> QueryName:
    """What kind of query one is."""
    if isinstance(query, str):
        return "text"
    if isinstance(query, Item):
        return "item"
    return "embedding" if isinstance(query, Tensor) else "image"
