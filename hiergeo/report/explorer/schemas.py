"""What OpenAPI says of the explorer's answers; numbers that are not finite are null."""

from typing import Any

from hiergeo.report.explorer.questions import QueryName
from hiergeo.search.serving.answer_schemas import NUMBERS, TRUST, Number, list_of, schema

ITEM: dict[str, Any] = {"id": str, "caption": str | None, "image": bool, "tier": int | None}

Hit = schema("Hit", **ITEM, **NUMBERS)
Query = schema("Asked", kind=QueryName, radius=Number)
Change = schema("Change", **{"from": Number, "to": Number, "hit": Hit, "adds": list_of(str)})
Hits = schema("Hits", query=Query, hits=list_of(Hit), **TRUST)
ANSWERS: dict[str, Any] = {
    **dict.fromkeys(("children", "parents", "neighbours"), Hits),
    "ladder": schema("Rungs", query=Query, rungs=list_of(Change), **TRUST),
    "count": schema("Count", query=Query, count=int),
}
"""The answer to one query of each verb."""

Placed = list_of(schema("Placed", **ITEM, radius=Number))
Seen = list_of(schema("Seen", **ITEM, radius=dict[str, Number]))
Pair = schema("Pair", **dict.fromkeys(("margin", "angle", "distance", "general", "specific"), Number))
Place = schema("Place", x=Number, y=Number, radius=Number)

Items = schema("Items", items=Placed)
SeenItems = schema("SeenItems", items=Seen)
PairNumbers = schema("PairNumbers", pairs=list_of(Pair))
Placements = schema("Placements", places=list_of(Place))
Selected = schema("Selected", count=int, items=Placed)
Health = schema("Health", status=str, version=str, items=int, lenses=int, uptime=float)
