"""What a search answers: hits with their numbers, ladders, and how far the answer can be trusted."""

import json
import math
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, WithJsonSchema
from typing_extensions import Self

from hiergeo.geometry.space import By
from hiergeo.search.ids import Id, number_of

Guarantee = Literal["exact", "approximate"]
"""``exact``: every row was scored. ``approximate``: a store proposed the rows that were; see the measured recall."""

Number = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]}),
]
"""A number that is null in JSON where it is not finite."""


@dataclass(frozen=True)
class Recall:
    """Measured recall of the settings of an approximate search, with a 95 % interval.

    Attributes:
        value: share of the exact answer that is found, in [0, 1]; items of one caption are told apart.
        low, high: ends of the interval.
        queries: how many queries it was measured on.
    """

    value: float
    low: float
    high: float
    queries: int


@dataclass(frozen=True)
class Hit:
    """One item that was found.

    Attributes:
        id: of the item, as its user knows it.
        caption: None for an item without one.
        image: the reference of its image; None for an item without one.
        radius: distance from the root, geodesic units.
        margin: cone margin, radians: of the query over the item among children and neighbours, of the item over the
            query among parents and rungs; the one entails the other where it is >= 0.
        angle: exterior angle in [0, pi] radians, at the query, or at the item among parents and rungs.
        distance: geodesic distance between query and item.
        entails: whether the margin says that the one entails the other; None where nearly all cones of the index are
            empty, so that it says nothing, and of the query itself, at a distance below 1e-5.
        quantile: share of the random pairs of items, each with the more general one at the apex, that are farther from
            entailing, in [0, 1]; None of the query itself.
    """

    id: Id
    caption: str | None
    image: str | None
    radius: Number
    margin: Number
    angle: Number
    distance: Number
    entails: bool | None = None
    quantile: float | None = None

    @property
    def key(self) -> str | int:
        """Its caption; of an item without one the number of its id, which no caption is."""
        return number_of(self.id) if self.caption is None else self.caption


class Written:
    """Base of what is written as JSON: answers and ladders."""

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="null")

    def as_dict(self) -> dict[str, Any]:
        """The answer in values of JSON; numbers that are not finite are null."""
        values: dict[str, Any] = json.loads(_adapter(cast(Any, type(self))).dump_json(self))
        return values

    def to_json(self) -> str:
        """The answer as JSON."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False)

    @classmethod
    def of_dict(cls, values: Any) -> Self:
        """The answer that `as_dict` gave; raises ValueError for other values."""
        answer: Self = _adapter(cast(Any, cls)).validate_python(values)
        return answer


@dataclass(frozen=True)
class Answer(Written):
    """The items found for one query, best first.

    Attributes:
        hits: at most k.
        guarantee: whether they are the true ones.
        scored: rows whose exact score was computed.
        rows: rows in the index.
        radius: of the query, geodesic units.
        recall: of the settings, for an approximate answer that was audited.
        repeats: items that were passed over for a better one of the same caption.
        by: the number of a hit that they are ordered by: of margins the largest first, else the smallest.
    """

    hits: tuple[Hit, ...]
    guarantee: Guarantee
    scored: int
    rows: int
    radius: Number
    recall: Recall | None = None
    repeats: int = 0
    by: By = "margin"


@dataclass(frozen=True)
class Rung:
    """One step of a ladder: the nearest item whose radius is within the threshold; None where there is none."""

    threshold: Number
    hit: Hit | None


@dataclass(frozen=True)
class Climb(Written):
    """The ladder of one query, from general to specific.

    Attributes:
        rungs: one for every threshold.
        guarantee: this and the rest as in `Answer`; of the items within a threshold the first by `by` is its rung.
    """

    rungs: tuple[Rung, ...]
    guarantee: Guarantee
    scored: int
    rows: int
    radius: Number
    recall: Recall | None = None
    by: By = "distance"

    @property
    def hits(self) -> tuple[Hit, ...]:
        """The items of the ladder; one that stays for several thresholds is listed once, as is its caption."""
        return tuple(hit for *_, hit in self.stays)

    @property
    def stays(self) -> list[tuple[Number, Number, Hit]]:
        """The items of the ladder, each with the first and the last of the thresholds at which it stays."""
        stays: list[tuple[Number, Number, Hit]] = []
        for rung in self.rungs:
            if rung.hit is not None and stays and stays[-1][2].key == rung.hit.key:
                stays[-1] = (stays[-1][0], rung.threshold, stays[-1][2])
            elif rung.hit is not None:
                stays.append((rung.threshold, rung.threshold, rung.hit))
        return stays


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
