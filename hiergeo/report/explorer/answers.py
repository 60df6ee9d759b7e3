"""Answers as the page reads them: items by ids and captions with their tiers, ladders as their changes."""

import json
from collections.abc import Sequence
from typing import Any, final

from torch import Tensor

from hiergeo._core.records import plain
from hiergeo.report.explorer.collection import Collection, Lens
from hiergeo.report.explorer.items import UNKNOWN
from hiergeo.search import Answer, Climb, Hit, Item, Request
from hiergeo.search.background import SAME
from hiergeo.search.groups import Result
from hiergeo.search.ids import Id, number_of
from hiergeo.search.serving.wire import Query
from hiergeo.search.shards import Labels


@final
class AnswerWriter:
    """Writes answers as values of JSON: numbers that are not finite are null, references are left out.

    An id is a string of the number of its item; an id that is a text is the name of its item.

    Args:
        collection: whose items they are.
    """

    def __init__(self, collection: Collection) -> None:
        self._tiers = collection.tiers

    def answer(self, lens: Lens, request: Request, result: Result) -> dict[str, Any]:
        """The answer of a lens to a request; where radii do not spread, nothing is more general or more specific."""
        kind, text = name_of(request.query), request.query if isinstance(request.query, str) else None
        if isinstance(result, int):
            return {"query": {"kind": kind, "radius": None, "far": None}, "count": result}
        usual, nearest = lens.background, _nearest(request, result)
        reach = usual.reach["image" if kind == "image" else "text"]
        far = None if nearest is None or reach is None else nearest.distance > reach
        answer = {"query": {"kind": kind, "radius": plain(result.radius), "far": far}, "by": result.by}
        if isinstance(result, Answer):
            shown = result.hits if usual.climbs or request.kind == "neighbours" else ()
            return answer | {"hits": [self.hit(hit, text) for hit in shown]}
        caption, image = _named(request.query, result)
        rungs = []
        for first, last, hit in self._merged(result.stays) if usual.climbs else ():
            step = self.hit(hit, text)
            judged = None if step["is_query"] else self._tiers
            holds = None if judged is None else judged.holds(hit.caption, caption, image)
            rungs.append({"from": plain(first), "to": plain(last), "hit": step, "holds": holds})
        return answer | {"rungs": rungs}

    def hit(self, hit: Hit, text: str | None = None) -> dict[str, Any]:
        """A hit with its numbers; the query itself, which may be a text, has neither an angle nor a margin."""
        itself = hit.distance < SAME or (text is not None and hit.caption == text.strip())
        turned = {"margin": None if itself else hit.margin, "angle": None if itself else hit.angle}
        numbers = {"radius": hit.radius, **turned, "distance": hit.distance}
        judged = {"is_query": itself, "entails": hit.entails, "rank": hit.quantile}
        return self._item(hit.id, number_of(hit.id), hit.caption, hit.image) | plain(numbers | judged)

    def _merged(self, stays: Sequence[tuple[float, float, Hit]]) -> list[tuple[float, float, Hit]]:
        """The steps of a ladder, neighbours that say the same as one: the more specific of them."""
        merged: list[tuple[float, float, Hit]] = []
        for first, last, hit in stays:
            before = merged[-1][2].caption if merged else None
            if self._tiers is not None and before and hit.caption and self._tiers.same(before, hit.caption):
                first = merged.pop()[0]
            merged.append((first, last, hit))
        return merged

    def items(self, ids: Tensor, labels: Labels) -> list[dict[str, Any]]:
        """What items are, in their order."""
        numbers = ids.tolist()
        parts = zip(labels.ids(numbers), numbers, labels.captions, labels.images, strict=True)
        return [self._item(*item) for item in parts]

    def _item(self, item: Id, number: int, caption: str | None, image: str | None) -> dict[str, Any]:
        tier = UNKNOWN if self._tiers is None else self._tiers.tier(caption)
        return {
            "id": str(number),
            "name": item if isinstance(item, str) else None,
            "caption": caption,
            "image": image is not None,
            "tier": None if tier == UNKNOWN else tier,
        }


def name_of(query: Query) -> str:
    """The kind of a query: text, item, embedding or image."""
    kinds = {str: "text", Item: "item", Tensor: "embedding"}
    return next((name for kind, name in kinds.items() if isinstance(query, kind)), "image")


def _nearest(request: Request, result: Answer | Climb) -> Hit | None:
    """The item nearest to a query; None where an answer does not tell. The last of several thresholds holds all."""
    if isinstance(result, Climb):
        return result.rungs[-1].hit if len(result.rungs) > 1 else None
    return result.hits[0] if request.kind == "neighbours" and result.hits else None


def _named(query: Query, climb: Climb) -> tuple[str | None, str | None]:
    """The caption and the image of a query; None for what it has not, and for an item that is not on its own ladder."""
    if isinstance(query, Item):
        itself = next((hit for hit in climb.hits if number_of(hit.id) == number_of(query.id)), None)
        return (None, None) if itself is None else (itself.caption, itself.image)
    return (query, None) if isinstance(query, str) else (None, None)


def written(value: Any) -> bytes:
    """A value in JSON; half of a surrogate pair, which names of files can hold, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
