"""What OpenAPI says of answers; numbers that are not finite are null."""

from typing import Any, cast

from pydantic import create_model

from hiergeo.search import Recall
from hiergeo.search.answers import Guarantee

Number = float | None


def schema(name: str, **fields: Any) -> Any:
    """The model of an object of an answer, whose fields are always there."""
    return create_model(name, **cast(Any, {field: (kind, ...) for field, kind in fields.items()}))


def list_of(kind: Any) -> Any:
    """The type of a list."""
    return list[kind]


NUMBERS: dict[str, Any] = dict.fromkeys(("radius", "margin", "angle", "distance"), Number)
"""Of an item that was found."""

TRUST: dict[str, Any] = {"guarantee": Guarantee, "scored": int, "rows": int, "recall": Recall | None}
"""How an answer was found."""

Hit = schema("Hit", id=int, caption=str | None, image=str | None, **NUMBERS)
Hits = schema("Hits", hits=list_of(Hit), radius=Number, repeats=int, **TRUST)
Rung = schema("Rung", threshold=Number, hit=Hit | None)
ANSWERS: dict[str, Any] = {
    **dict.fromkeys(("children", "parents", "neighbours"), Hits),
    "ladder": schema("Rungs", rungs=list_of(Rung), radius=Number, **TRUST),
    "count": schema("Count", count=int),
}
"""The answer to one query of each verb."""

Added = schema("Added", added=int, rows=int, generation=int)
Health = schema(
    "Health",
    status=str,
    version=str,
    rows=int,
    generation=int,
    model=str | None,
    dim=int,
    geometry=str,
    embeds=bool,
    writable=bool,
    uptime=float,
)
