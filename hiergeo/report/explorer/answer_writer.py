"""Answers as the page reads them: items by ids and captions with their tiers, ladders as their changes."""

import json
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from hiergeo.evaluation.findings.exports import plain
from hiergeo.report.explorer.collection import Collection
from hiergeo.report.explorer.items import words_of
from hiergeo.report.explorer.questions import name_of
from hiergeo.search import Answer, Climb, Hit, Item, Rung
from hiergeo.search.groups import Result
from hiergeo.search.serving.requests import Query
from hiergeo.search.shards import Labels


@final
class AnswerWriter:
    """Writes answers as values of JSON: ids are strings, numbers that are not finite null, references left out.

    Args:
        collection: whose items they are.
    """

    def __init__(self, collection: Collection) -> None:
        self._tiers = collection.tiers

    def answer(self, query: Query, given: Result) -> dict[str, Any]:
        """The answer to one query."""
        if isinstance(given, int):
            return {"query": {"kind": name_of(query), "radius": None}, "count": given}
        values: dict[str, Any] = {"query": {"kind": name_of(query), "radius": plain(given.radius)}}
        if isinstance(given, Climb):
            said = self._said(query, given)
            values["rungs"] = [
                {"from": plain(first), "to": plain(last), "hit": self.hit(hit), "adds": _beyond(said, hit)}
                for first, last, hit in changes(given.rungs)
            ]
        else:
            values["hits"] = [self.hit(hit) for hit in given.hits]
        return values | self._trust(given)

    def hit(self, hit: Hit) -> dict[str, Any]:
        """One item that was found, with its numbers."""
        numbers = {name: plain(getattr(hit, name)) for name in ("radius", "margin", "angle", "distance")}
        return self.item(hit.id, hit.caption, hit.image is not None) | numbers

    def item(self, item: int, caption: str | None, image: bool) -> dict[str, Any]:
        """What an item is, without its numbers."""
        tier = None if self._tiers is None else self._tiers.tier(caption)
        return {"id": str(item), "caption": caption, "image": image, "tier": None if tier == -1 else tier}

    def items(self, ids: NDArray[np.int64], labels: Labels) -> list[dict[str, Any]]:
        """What items are, in their order."""
        named = zip(ids.tolist(), labels.captions, labels.images, strict=True)
        return [self.item(item, caption, image is not None) for item, caption, image in named]

    def _said(self, query: Query, given: Climb) -> set[str] | None:
        """The words that chains say of a query; None where it is not a caption of theirs."""
        if isinstance(query, Item):
            query = next((hit.caption for hit in given.hits if hit.id == query.id and hit.caption), "")
        return self._tiers.said(query) if self._tiers is not None and isinstance(query, str) else None

    def _trust(self, given: Answer | Climb) -> dict[str, Any]:
        return {"guarantee": given.guarantee, "scored": given.scored, "rows": given.rows}


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
