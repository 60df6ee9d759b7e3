"""What can be asked of a collection over HTTP: requests read into a lens and a question to its index."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, cast, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hiergeo.report.explorer.collection import Collection, Lens
from hiergeo.report.explorer.kinds import IdsKind, ItemKind, PairKind, PointKind
from hiergeo.report.explorer.moved import MOST_NEIGHBOURS, MOVERS
from hiergeo.report.explorer.thumbnails import SIDES
from hiergeo.search import Item
from hiergeo.search.serving.limits import Limits, Refused
from hiergeo.search.serving.requests import (
    FORM,
    JSON,
    Given,
    Query,
    QueryKind,
    Question,
    Requests,
    Verb,
    check_load,
    query_values,
    read_form,
    read_object,
)
from hiergeo.search.serving.values import Choice, Encoded, Parameter, Several, Text, Vector, Whole, taken

QueryName = Literal["text", "item", "image", "embedding"]


@final
class Asked(NamedTuple):
    """A question and the lens that it is asked through."""

    lens: Lens
    question: Question


ITEM = Parameter("item", ItemKind(), "The query, an item of the collection by its id; instead of q.")

Pair = tuple[Query, Query]
"""The general query and the specific one."""

PAIRS, CORNERS = 1024, 512
"""Pairs, and corners of a polygon, in one request, at most."""

EMBEDDED = 256
"""Texts and pictures among the pairs of one request, at most."""

LEVELS = 40
"""Levels of a map, at most."""


SIDE = Parameter("side", Choice(tuple(map(str, SIDES))), "Longest side of the picture, pixels.", default=str(SIDES[0]))

POLYGON = Parameter(
    "polygon", Several(PointKind(), CORNERS, 3), "Corners on the map, as its tiles have points.", required=True
)


@final
class Questions:
    """Reads requests to a collection.

    Args:
        collection: that is asked.
        limits: of requests.

    Attributes:
        lens: the parameter that names a lens.
        requests: what can be asked of the index of each lens, by the key of the lens.
        settings: of a question beside its query; every verb takes all of them and uses those that it needs.
        listed: the parameters of the GETs that are no searches, by their names.
    """

    def __init__(self, collection: Collection, limits: Limits) -> None:
        self.collection, self.limits = collection, limits
        keys = tuple(lens.key for lens in collection.lenses)
        self.lens = Parameter("lens", Choice(keys), "A model and a geometry, by their key in /api/collection.", keys[0])
        self.requests = {lens.key: Requests(limits, lens.index.encoder.dim) for lens in collection.lenses}
        first = self.requests[keys[0]]
        self.q = Parameter("q", first.text, "The query, a text.")
        known = {each.name: each for settings in first.settings.values() for each in settings}
        self.settings = self.lens, known["k"], known["by"], known["steps"]
        self.listed = {
            "items": (Parameter("ids", IdsKind(), "Ids of items.", required=True),),
            "roots": (self.lens, known["k"]),
            "find": (
                Parameter("text", Text(limits.text_characters), "What captions contain.", required=True),
                known["k"],
            ),
            "map": (self.lens,),
            "tile": (
                self.lens,
                Parameter("level", Whole(0, LEVELS), "Of the tile; 0 is the whole map.", required=True),
                Parameter("x", Whole(0, 1 << LEVELS), "Its column.", required=True),
                Parameter("y", Whole(0, 1 << LEVELS), "Its row.", required=True),
                Parameter("version", Text(64), "Of the map, as /api/map has it: tiles of another are refused."),
            ),
            "moved": (
                Parameter("a", self.lens.kind, "One lens.", required=True),
                Parameter("b", self.lens.kind, "The other lens.", required=True),
                Parameter("k", Whole(1, MOST_NEIGHBOURS), "Neighbours that are compared.", default=10),
                Parameter("count", Whole(1, MOVERS), "Items that are listed.", default=MOVERS),
            ),
            "audit": (self.lens,),
        }

    def of_query_string(self, verb: Verb, content: bytes) -> Asked:
        """The question of a GET; raises Refused."""
        found = taken((self.q, ITEM, *self.settings), query_values(content), written=True)
        text, item = found.pop("q"), found.pop("item")
        if (text is None) == (item is None):
            raise Refused(400, "the query must be either q, a text, or item, an id: send one of the two.", "q")
        return self._asked(verb, [item if text is None else text], found)

    def of_body(self, verb: Verb, kind: str, content: bytes) -> Asked:
        """The question of a POST, JSON or a form with one image; raises Refused."""
        media = kind.partition(";")[0].strip().lower()
        if media == FORM:
            image, written = read_form(next(iter(self.requests.values())).image, kind, content)
            return self._asked(verb, [image], taken(self.settings, written, written=True))
        if media != JSON:
            raise Refused(415, f"the body must be {JSON}, or {FORM} with an image: set Content-Type.")
        body = read_object(content)
        found = taken((self.queries(self.named(body)), *self.settings), body)
        return self._asked(verb, found.pop("queries"), found)

    def of_get(self, name: str, content: bytes) -> dict[str, Any]:
        """The values of a GET of `listed`, lenses in place of their keys; raises Refused."""
        found = taken(self.listed[name], query_values(content), written=True)
        return {key: self.collection.lens(held) if key in ("lens", "a", "b") else held for key, held in found.items()}

    def of_pairs(self, kind: str, content: bytes) -> tuple[Lens, list[Pair]]:
        """A lens, and pairs of queries to measure through it; raises Refused."""
        lens, found = self._read(kind, content, lambda key: (self.pairs(key),))
        given = [query for pair in found["pairs"] for query in pair]
        self._check_embedded(given, "pairs")
        queries = self.decoded(given)
        return lens, list(zip(queries[::2], queries[1::2], strict=True))

    def of_places(self, kind: str, content: bytes) -> tuple[Lens, tuple[Query, ...]]:
        """A lens, and queries to place on its map; raises Refused."""
        lens, found = self._read(kind, content, lambda key: (self.queries(key),))
        check_load(self.limits, found["queries"], "queries", 1)
        return lens, self.decoded(found["queries"])

    def of_select(self, kind: str, content: bytes) -> tuple[Lens, NDArray[np.float64]]:
        """A lens, and the corners (m, 2) of a polygon on its map; raises Refused."""
        lens, found = self._read(kind, content, lambda _: (POLYGON,))
        return lens, np.array(found["polygon"], np.float64)

    def pairs(self, key: str) -> Parameter:
        """The parameter of pairs through a lens."""
        kind = Several(PairKind(self.query(key)), PAIRS)
        return Parameter("pairs", kind, "Pairs of queries, the general one first.", required=True)

    def _read(
        self, kind: str, content: bytes, parameters: Callable[[str], tuple[Parameter, ...]]
    ) -> tuple[Lens, dict[str, Any]]:
        """The lens that a JSON body names, and the parameters that are read through it."""
        if kind.partition(";")[0].strip().lower() != JSON:
            raise Refused(415, f"the body must be {JSON}: set Content-Type.")
        body = read_object(content)
        key = self.named(body)
        found = taken((*parameters(key), self.lens), body)
        lens = self.collection.lens(key)
        assert lens is not None
        return lens, found

    def _check_embedded(self, given: Sequence[Given], name: str) -> None:
        """Raise Refused for too many texts and pictures, which a model has to embed."""
        count = len({query for query in given if isinstance(query, str)}) + sum(isinstance(q, Encoded) for q in given)
        if count > EMBEDDED:
            raise Refused(422, f"{name} hold {count:,} texts and pictures: send up to {EMBEDDED} at a time.", name)
        check_load(self.limits, given, name, 1)

    def of_thumbnail(self, item: str, content: bytes) -> tuple[int, int]:
        """The item and the side of a thumbnail, from its path and query string; raises Refused."""
        found = taken((SIDE,), query_values(content), written=True)
        return ITEM.kind.read(item, "item").id, int(found["side"])

    def named(self, values: dict[str, Any]) -> str:
        """The key of the lens that a body names; raises Refused."""
        return cast(str, self.lens.kind.check(values.get("lens", self.lens.default), "lens"))

    def queries(self, key: str) -> Parameter:
        """The parameter of queries through a lens, whose embeddings have its dimension."""
        return Parameter(
            "queries", Several(self.query(key), self.limits.queries), "Queries of any kinds.", required=True
        )

    def query(self, key: str) -> QueryKind:
        """One query in JSON through a lens."""
        own = self.requests[key]
        kinds = {"text": own.text, "item": ITEM.kind, "embedding": Vector(own.dim), "image": own.image}
        return QueryKind(kinds)

    def decoded(self, given: Sequence[Given]) -> tuple[Query, ...]:
        """Queries whose pictures are decoded; raises Refused."""
        picture = next(iter(self.requests.values())).image
        return tuple(picture.decode(each) if isinstance(each, Encoded) else each for each in given)

    def _asked(self, verb: Verb, given: list[Given], settings: dict[str, Any]) -> Asked:
        lens = self.collection.lens(settings.pop("lens"))
        assert lens is not None
        name = "steps" if verb == "ladder" else "k"
        check_load(self.limits, given, name, settings.get(name, 1))
        return Asked(lens, Question(verb, self.decoded(given), geometry=lens.spec, **settings))


def name_of(query: Query) -> QueryName:
    """What kind of query one is."""
    if isinstance(query, str):
        return "text"
    if isinstance(query, Item):
        return "item"
    return "embedding" if isinstance(query, Tensor) else "image"
