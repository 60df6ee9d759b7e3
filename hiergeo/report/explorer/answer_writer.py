"""Answers as the page reads them: items by ids and captions with their tiers, ladders as their changes."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from hiergeo._core.records import plain
from hiergeo.report.explorer.background import Background, background_of
from hiergeo.report.explorer.collection import MOST_LENSES, Collection, Lens
from hiergeo.report.explorer.items import words_of
from hiergeo.report.explorer.questions import name_of
from hiergeo.search import Answer, Climb, Hit, Item, Rung
from hiergeo.search.groups import Result
from hiergeo.search.requests import Kind
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
        """What is usual in a lens; measured when it is first asked for, and anew when its index has changed."""
        return self._measured(lens, lens.index.manifest.generation)

    def answer(self, lens: Lens, kind: Kind, query: Query, given: Result) -> dict[str, Any]:
        """The answer of a lens to one query; where radii do not spread, nothing is more general or more specific."""
        asked: dict[str, Any] = {"kind": name_of(query), "radius": None, "far": None}
        if isinstance(given, int):
            return {"query": asked, "count": given}
        usual = self.background(lens)
        asked["radius"] = plain(given.radius)
        nearest = _nearest(kind, given)
        if nearest is not None:
            asked["far"] = usual.is_far(nearest.distance, asked["kind"])
        values: dict[str, Any] = {"query": asked, "by": given.by}
        if isinstance(given, Climb):
            said = self._said(query, given)
            values["rungs"] = [
                {"from": plain(first), "to": plain(last), "hit": self.hit(usual, hit), "adds": _beyond(said, hit)}
                for first, last, hit in (changes(given.rungs) if usual.climbs else ())
            ]
        else:
            shown = given.hits if usual.climbs or kind == "neighbours" else ()
            values["hits"] = [self.hit(usual, hit) for hit in shown]
        return values | self._trust(given)

    def hit(self, usual: Background, hit: Hit) -> dict[str, Any]:
        """One item that was found, with its numbers; the query itself has neither an angle nor a margin."""
        itself = hit.distance < SAME
        margin, angle = (math.nan, math.nan) if itself else (hit.margin, hit.angle)
        numbers = {"radius": hit.radius, "margin": margin, "angle": angle, "distance": hit.distance}
        judged = {"is_query": itself, "entails": usual.entails(margin), "rank": usual.rank(margin)}
        return self.item(hit.id, hit.caption, hit.image is not None) | plain(numbers | judged)

    def item(self, item: int, caption: str | None, image: bool) -> dict[str, Any]:
        """What an item is, without its numbers."""
        tier = None if self._tiers is None else self._tiers.tier(caption)
        return {"id": str(item), "caption": caption, "image": image, "tier": None if tier == -1 else tier}

    def items(self, ids: NDArray[np.int64], labels: Labels) -> list[dict[str, Any]]:
        """What items are, in their order."""
        named = zip(ids.tolist(), labels.captions, labels.images, strict=True)
        return [self.item(item, caption, image is not None) for item, caption, image in named]

    def _said(self, query: Query, given: Climb) -> set[str] | None:
        """The words that chains say of a query; None where it is neither a caption nor an image of theirs."""
        if self._tiers is None or not isinstance(query, str | Item):
            return None
        if isinstance(query, str):
            return self._tiers.said(query)
        return next((self._tiers.said(hit.caption, hit.image) for hit in given.hits if hit.id == query.id), None)

    def _trust(self, given: Answer | Climb) -> dict[str, Any]:
        return {"guarantee": given.guarantee, "scored": given.scored, "rows": given.rows}


def equal_ladders(ladders: Mapping[str, dict[str, Any]]) -> list[list[str]]:
    """The keys of answers whose ladders show the same: the same items at the same radii, with the same verdicts."""
    groups: dict[Any, list[str]] = {}
    for key, ladder in ladders.items():
        hits = [rung["hit"] for rung in ladder.get("rungs", ())]
        shown = str([[hit[name] for name in ("id", "radius", "is_query", "entails")] for hit in hits])
        groups.setdefault((shown, str(ladder["query"])) if "query" in ladder else key, []).append(key)
    return list(groups.values())


def _nearest(kind: Kind, given: Answer | Climb) -> Hit | None:
    """The item nearest to a query; None where an answer does not tell. The last of several thresholds holds all."""
    if isinstance(given, Climb):
        return given.rungs[-1].hit if len(given.rungs) > 1 else None
    return given.hits[0] if kind == "neighbours" and given.hits else None


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
