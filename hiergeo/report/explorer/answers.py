"""Answers as the page reads them: items by ids and captions with their tiers, ladders as their changes."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, final

from torch import Tensor

from hiergeo._core.records import plain
from hiergeo.report.explorer.background import Background, background_of
from hiergeo.report.explorer.collection import MOST_LENSES, Collection, Lens
from hiergeo.report.explorer.items import UNKNOWN, words_of
from hiergeo.search import Answer, Climb, Hit, Item, Request, Rung
from hiergeo.search.groups import Result
from hiergeo.search.serving.wire import Query
from hiergeo.search.shards import Labels

SAME = 1e-5
"""Distance below which an item is the query itself: the same caption embedded twice differs by rounding."""


@final
class AnswerWriter:
    """Writes answers as values of JSON: ids are strings, numbers that are not finite null, references left out.

    Args:
        collection: whose items they are.
    """

    def __init__(self, collection: Collection) -> None:
        self._tiers = collection.tiers
        self._measured = lru_cache(2 * MOST_LENSES)(background_of)

    def background(self, lens: Lens) -> Background:
        """What is usual in a lens; measured when it is first needed, and anew when its index has changed."""
        return self._measured(lens, lens.index.manifest.generation)

    def answer(self, lens: Lens, request: Request, result: Result) -> dict[str, Any]:
        """The answer of a lens to a request; where radii do not spread, nothing is more general or more specific."""
        kind = name_of(request.query)
        if isinstance(result, int):
            return {"query": {"kind": kind, "radius": None, "far": None}, "count": result}
        usual = self.background(lens)
        nearest = _nearest(request, result)
        far = None if nearest is None else usual.is_far(nearest.distance, kind)
        answer = {"query": {"kind": kind, "radius": plain(result.radius), "far": far}, "by": result.by}
        if isinstance(result, Answer):
            shown = result.hits if usual.climbs or request.kind == "neighbours" else ()
            return answer | {"hits": [self.hit(usual, hit) for hit in shown]}
        said = self._said(request.query, result)
        rungs = changes(result.rungs) if usual.climbs else ()
        return answer | {
            "rungs": [
                {"from": plain(first), "to": plain(last), "hit": self.hit(usual, hit), "adds": _beyond(said, hit)}
                for first, last, hit in rungs
            ]
        }

    def hit(self, usual: Background, hit: Hit) -> dict[str, Any]:
        """A hit with its numbers; the query itself has neither an angle nor a margin."""
        itself = hit.distance < SAME
        margin, angle = (math.nan, math.nan) if itself else (hit.margin, hit.angle)
        numbers = {"radius": hit.radius, "margin": margin, "angle": angle, "distance": hit.distance}
        judged = {"is_query": itself, "entails": usual.entails(margin), "rank": usual.rank(margin)}
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


def equal_answers(answers: Mapping[str, dict[str, Any]]) -> list[list[str]]:
    """The keys of answers that show the same: the same items at the same radii, with the same verdicts."""
    groups: dict[Any, list[str]] = {}
    for key, answer in answers.items():
        hits = answer.get("hits", [rung["hit"] for rung in answer.get("rungs", ())])
        shown = [[hit[name] for name in ("id", "radius", "is_query", "entails")] for hit in hits]
        same = str((answer["query"], answer.get("count"), shown)) if "query" in answer else key
        groups.setdefault(same, []).append(key)
    return list(groups.values())


def _nearest(request: Request, result: Answer | Climb) -> Hit | None:
    """The item nearest to a query; None where an answer does not tell. The last of several thresholds holds all."""
    if isinstance(result, Climb):
        return result.rungs[-1].hit if len(result.rungs) > 1 else None
    return result.hits[0] if request.kind == "neighbours" and result.hits else None


def _beyond(said: set[str] | None, hit: Hit) -> list[str]:
    """The words of a step that are not said of the query; empty where nothing is known of the query."""
    return [] if said is None else [word for word in words_of(hit.caption or "") if word not in said]


def changes(rungs: Sequence[Rung]) -> list[tuple[float, float, Hit]]:
    """The items of a ladder, each with the first and the last of the thresholds that follow each other at which it, or
    one of the same caption, is the nearest."""
    stays: list[tuple[float, float, Hit]] = []
    for rung in rungs:
        if rung.hit is None:
            continue
        if stays and stays[-1][2].key == rung.hit.key:
            stays[-1] = (stays[-1][0], rung.threshold, stays[-1][2])
        else:
            stays.append((rung.threshold, rung.threshold, rung.hit))
    return stays


def written(value: Any) -> bytes:
    """A value in JSON; half of a surrogate pair, which names of files can hold, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
