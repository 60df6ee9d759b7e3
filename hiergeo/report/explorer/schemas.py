"""What OpenAPI says of the explorer's answers; numbers that are not finite are null."""

from typing import Any

from hiergeo.geometry.space import By
from hiergeo.report.explorer.questions import QueryName
from hiergeo.search.serving.answer_schemas import NUMBERS, TRUST, Number, list_of, schema

ITEM: dict[str, Any] = {"id": str, "caption": str | None, "image": bool, "tier": int | None}

Hit = schema("Hit", **ITEM, **NUMBERS, is_query=bool, entails=bool | None, rank=Number)
Query = schema("Asked", kind=QueryName, radius=Number, far=bool | None)
Change = schema("Change", **{"from": Number, "to": Number, "hit": Hit, "adds": list_of(str)})
Hits = schema("Hits", query=Query, by=By, hits=list_of(Hit), **TRUST)
Rungs: Any = schema("Rungs", query=Query, by=By, rungs=list_of(Change), **TRUST)
ANSWERS: dict[str, Any] = {
    **dict.fromkeys(("children", "parents", "neighbours"), Hits),
    "ladder": Rungs,
    "count": schema("Count", query=Query, count=int),
}
"""The answer to one query of each verb."""

Failed: Any = schema("Failed", error=str, field=str | None)
Ladders = schema("Ladders", ladders=dict[str, Rungs | Failed], equal=list_of(list_of(str)))
Placed = list_of(schema("Placed", **ITEM, radius=Number))
Seen = list_of(schema("Seen", **ITEM, radius=dict[str, Number]))
Place = schema("Place", x=Number, y=Number, radius=Number)

Items = schema("Items", items=Placed)
SeenItems = schema("SeenItems", items=Seen)
Placements = schema("Placements", places=list_of(Place))
Selected = schema("Selected", count=int, items=Placed)
Health = schema("Health", status=str, version=str, items=int, lenses=int, uptime=float)
