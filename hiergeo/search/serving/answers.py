"""What OpenAPI says of answers; numbers that are not finite are null."""

from typing import Any

from pydantic import BaseModel

from hiergeo.search import Recall
from hiergeo.search.answers import Guarantee

Number = float | None


class Numbers(BaseModel):
    """The numbers of an item that was found."""

    radius: Number
    margin: Number
    angle: Number
    distance: Number


class Hit(Numbers):
    """An item that was found."""

    id: int
    caption: str | None
    image: str | None


class Trust(BaseModel):
    """How an answer was found."""

    guarantee: Guarantee
    scored: int
    rows: int
    recall: Recall | None


class Hits(Trust):
    """The items found for one query, best first."""

    radius: Number
    hits: list[Hit]


class Rung(BaseModel):
    """One step of a ladder."""

    threshold: Number
    hit: Hit | None


class Rungs(Trust):
    """The ladder of one query, from general to specific."""

    radius: Number
    rungs: list[Rung]


class Count(BaseModel):
    """How many items a query entails."""

    count: int


class Added(BaseModel):
    """What became of an addition."""

    added: int
    rows: int
    generation: int


class Health(BaseModel):
    """What a server says of itself; without the token the status alone."""

    status: str
    version: str = ""
    rows: int = 0
    generation: int = 0
    model: str | None = None
    dim: int = 0
    geometry: str = ""
    embeds: bool = False
    writable: bool = False
    uptime: float = 0.0


TOLD: dict[str, Any] = {"children": Hits, "parents": Hits, "neighbours": Hits, "ladder": Rungs, "count": Count}
"""The answer to one query of each verb."""
