"""What can be asked of a collection over HTTP: requests read into a lens and a question to its index."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast, final

from torch import Tensor

from hiergeo.explorer.collection import Collection, Lens
from hiergeo.explorer.thumbnails import SIDES
from hiergeo.search import Item
from hiergeo.serving.limits import Limits, Refused
from hiergeo.serving.requests import (
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
from hiergeo.serving.values import Choice, Encoded, Parameter, Several, Vector, misfit, taken

QueryName = Literal["text", "item", "image", "embedding"]

DIGITS = 19
"""Of the largest id."""


@final
@dataclass(frozen=True)
class ItemKind:
    """The id of an item, a string of decimal digits: numbers of JavaScript are exact up to 2^53 alone."""

    def check(self, value: object, field: str) -> Item:
        fits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= DIGITS
        if not fits or int(cast(str, value)) >= 1 << 63:
            raise misfit(field, value, "the id of an item, a string of decimal digits")
        return Item(int(cast(str, value)))

    def read(self, written: str, field: str) -> Item:
        return self.check(written, field)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^[0-9]{1,19}$"}


@final
class Asked(NamedTuple):
    """A question and the lens that it is asked through."""

    lens: Lens
    question: Question


ITEM = Parameter("item", ItemKind(), "The query, an item of the collection by its id; instead of q.")

SIDE = Parameter("side", Choice(tuple(map(str, SIDES))), "Longest side of the picture, pixels.", default=str(SIDES[0]))


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
