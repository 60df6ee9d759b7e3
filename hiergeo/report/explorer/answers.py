"""Answers as the page reads them: items by ids and captions with their tiers, ladders as their changes."""

import json
from functools import lru_cache
from typing import Any, final

from torch import Tensor

from hiergeo._core.records import plain
from hiergeo.evaluation.auditing.population import IMAGE
from hiergeo.report.explorer.collection import Collection, Lens
from hiergeo.report.explorer.items import UNKNOWN, read_items, words_of
from hiergeo.search import Answer, Climb, Hit, Item, Request
from hiergeo.search.background import SAME, Background
from hiergeo.search.groups import Result
from hiergeo.search.serving.wire import Query
from hiergeo.search.shards import Labels


@final
class AnswerWriter:
    """Writes answers as values of JSON: ids are strings, numbers that are not finite null, references left out.

    Args:
        collection: whose items they are.
    """

    def __init__(self, collection: Collection) -> None:
        self._tiers, self._first = collection.tiers, collection.first
        self._pictures = lru_cache(1)(self._has_pictures)

    def answer(self, lens: Lens, request: Request, result: Result) -> dict[str, Any]:
        """The answer of a lens to a request; where radii do not spread, nothing is more general or more specific."""
        kind = name_of(request.query)
        if isinstance(result, int):
            return {"query": {"kind": kind, "radius": None, "far": None}, "count": result}
        usual = lens.background
        far = self._is_far(usual, _nearest(request, result), kind)
        answer = {"query": {"kind": kind, "radius": plain(result.radius), "far": far}, "by": result.by}
        if isinstance(result, Answer):
            shown = result.hits if usual.climbs or request.kind == "neighbours" else ()
            return answer | {"hits": [self.hit(hit) for hit in shown]}
        said = self._said(request.query, result)
        rungs = result.stays if usual.climbs else ()
        return answer | {
            "rungs": [
                {"from": plain(first), "to": plain(last), "hit": self.hit(hit), "adds": _beyond(said, hit)}
                for first, last, hit in rungs
            ]
        }

    def hit(self, hit: Hit) -> dict[str, Any]:
        """A hit with its numbers; the query itself has neither an angle nor a margin."""
        itself = hit.distance < SAME
        turned = {"margin": None if itself else hit.margin, "angle": None if itself else hit.angle}
        numbers = {"radius": hit.radius, **turned, "distance": hit.distance}
        judged = {"is_query": itself, "entails": hit.entails, "rank": hit.quantile}
        return self._item(hit.id, hit.caption, hit.image) | plain(numbers | judged)

    def items(self, ids: Tensor, labels: Labels) -> list[dict[str, Any]]:
        """What items are, in their order."""
        return [self._item(*item) for item in zip(ids.tolist(), labels.captions, labels.images, strict=True)]

    def _item(self, item: int, caption: str | None, image: str | None) -> dict[str, Any]:
        tier = UNKNOWN if self._tiers is None else self._tiers.tier(caption)
        return {
            "id": str(item),
            "caption": caption,
            "image": image is not None,
            "tier": None if tier == UNKNOWN else tier,
        }

    def _is_far(self, usual: Background, nearest: Hit | None, kind: str) -> bool | None:
        """Whether nothing is near a query, by its nearest item.

        None where it cannot be told: there are too few items, or the query is a photo and no item is one, since models
        embed pictures apart from captions.
        """
        if nearest is None or usual.reach is None:
            return None
        if kind == "image" and not self._pictures(self._first.manifest.generation):
            return None
        return nearest.distance > usual.reach

    def _has_pictures(self, _: int) -> bool:
        """Whether some items are images without a caption; by the generation that it is true of."""
        return bool((read_items(self._first.store.pinned()).kind == IMAGE).any())

    def _said(self, query: Query, climb: Climb) -> set[str] | None:
        """The words that chains say of a query; None where it is neither a caption nor an image of theirs."""
        if self._tiers is None or not isinstance(query, str | Item):
            return None
        if isinstance(query, str):
            return self._tiers.said(query)
        return next((self._tiers.said(hit.caption, hit.image) for hit in climb.hits if hit.id == query.id), None)


def name_of(query: Query) -> str:
    """The kind of a query: text, item, embedding or image."""
    kinds = {str: "text", Item: "item", Tensor: "embedding"}
    return next((name for kind, name in kinds.items() if isinstance(query, kind)), "image")


def _nearest(request: Request, result: Answer | Climb) -> Hit | None:
    """The item nearest to a query; None where an answer does not tell. The last of several thresholds holds all."""
    if isinstance(result, Climb):
        return result.rungs[-1].hit if len(result.rungs) > 1 else None
    return result.hits[0] if request.kind == "neighbours" and result.hits else None


def _beyond(said: set[str] | None, hit: Hit) -> list[str]:
    """The words of a step that are not said of the query; empty where nothing is known of the query."""
    return [] if said is None else [word for word in words_of(hit.caption or "") if word not in said]


def written(value: Any) -> bytes:
    """A value in JSON; half of a surrogate pair, which names of files can hold, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
