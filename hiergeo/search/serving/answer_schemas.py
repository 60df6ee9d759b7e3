"""What OpenAPI says of answers; numbers that are not finite are null."""

from typing import Any, cast

from pydantic import create_model

from hiergeo.search.answers import Answer, Climb
from hiergeo.search.requests import HITS, Kind


def schema(name: str, **fields: Any) -> Any:
    """The model of an object of an answer, whose fields are always there."""
    return create_model(name, **cast(Any, {field: (kind, ...) for field, kind in fields.items()}))


def list_of(kind: Any) -> Any:
    """The type of a list."""
    return list[kind]


ABOUT: dict[Kind, str] = {
    "children": "The items that a query comes nearest to entailing: what is more specific.",
    "parents": "The items that come nearest to entailing a query: what is more general.",
    "neighbours": "The items nearest to a query by geodesic distance.",
    "ladder": "From general to specific: the nearest item within each of ascending radii.",
    "count": "How many items a query entails.",
}
ANSWERS: dict[Kind, Any] = {**dict.fromkeys(HITS, Answer), "ladder": Climb, "count": schema("Count", count=int)}

Added = schema("Added", **dict.fromkeys(("added", "rows", "generation"), int))
Health = schema(
    "Health",
    **dict.fromkeys(("status", "version", "geometry"), str),
    **dict.fromkeys(("rows", "generation", "dim"), int),
    **dict.fromkeys(("embeds", "writable"), bool),
    model=str | None,
    uptime=float,
)
