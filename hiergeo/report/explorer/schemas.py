"""What OpenAPI says of the explorer's answers; numbers that are not finite are null."""

from typing import Any

from pydantic import BaseModel, Field

from hiergeo.report.explorer.questions import QueryName
from hiergeo.search.serving.answers import Number, Numbers, Trust


class Item(BaseModel):
    """An item of the collection."""

    id: str
    caption: str | None
    image: bool
    tier: int | None


class Hit(Item, Numbers):
    """An item that was found."""


class Placed(Item):
    """An item with its radius in a lens."""

    radius: Number


class Seen(Item):
    """An item with its radius in every lens."""

    radius: dict[str, Number]


class Asked(BaseModel):
    """What was asked about."""

    kind: QueryName
    radius: Number


class Hits(Trust):
    """The items found for one query, best first."""

    query: Asked
    hits: list[Hit]


class Change(BaseModel):
    """An item of a ladder, and the thresholds at which it is the nearest."""

    first: Number = Field(alias="from")
    last: Number = Field(alias="to")
    hit: Hit


class Rungs(Trust):
    """The ladder of one query, from general to specific."""

    query: Asked
    rungs: list[Change]


class Count(BaseModel):
    """How many items a query entails."""

    query: Asked
    count: int


class Pair(BaseModel):
    """The numbers of a pair of queries."""

    margin: Number
    angle: Number
    distance: Number
    general: Number
    specific: Number


class Place(BaseModel):
    """Where a query lies on a map."""

    x: Number
    y: Number
    radius: Number


class Pairs(BaseModel):
    """Pairs in the order in which they were asked for."""

    pairs: list[Pair]


class Places(BaseModel):
    """Places in the order in which they were asked for."""

    places: list[Place]


class Items(BaseModel):
    """Items with their radius in a lens."""

    items: list[Placed]


class SeenItems(BaseModel):
    """Items with their radius in every lens."""

    items: list[Seen]


class Selected(Items):
    """The items within a polygon: how many they are, and those of smallest radius."""

    count: int


class Health(BaseModel):
    """What the server says of itself; without the token the status alone."""

    status: str
    version: str = ""
    items: int = 0
    lenses: int = 0
    uptime: float = 0.0


TOLD: dict[str, Any] = {"children": Hits, "parents": Hits, "neighbours": Hits, "ladder": Rungs, "count": Count}
"""The answer to one query of each verb."""
