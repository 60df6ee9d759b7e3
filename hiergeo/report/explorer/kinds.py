"""What the values of requests to the explorer must be, beside those of every server: ids, pairs, points of a map."""

from dataclasses import dataclass
from typing import Any, cast, final

from hiergeo.search import Item
from hiergeo.search.serving.limits import Refused
from hiergeo.search.serving.requests import Given, QueryKind
from hiergeo.search.serving.values import FLOAT32, misfit

IDS = 256
"""Ids in one query string, at most."""

DIGITS = 19
"""Of the largest id."""


@final
@dataclass(frozen=True)
class ItemKind:
    """The id of an item, a string of decimal digits: numbers of JavaScript are exact up to 2^53 alone."""

    def check(self, value: object, field: str) -> Item:
        fits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= DIGITS
        if not fits or int(cast(str, value)) >= 1 << 63:
            raise misfit(field, value, "the id of an item, a string of decimal digits")
        return Item(int(cast(str, value)))

    def read(self, written: str, field: str) -> Item:
        return self.check(written, field)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^[0-9]{1,19}$"}


@final
@dataclass(frozen=True)
class PairKind:
    """Two queries in JSON: the general one and the specific one."""

    query: QueryKind

    def check(self, value: object, field: str) -> tuple[Given, Given]:
        if not isinstance(value, list) or len(value) != 2:
            raise misfit(field, value, "a list of two queries")
        return self.query.check(value[0], f"{field}[0]"), self.query.check(value[1], f"{field}[1]")

    def read(self, written: str, field: str) -> Any:
        raise Refused(400, f"{field} is read from JSON alone: send it in the body of a POST.", field)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.query.schema(), "minItems": 2, "maxItems": 2}


@final
@dataclass(frozen=True)
class PointKind:
    """A point of a map: two finite numbers."""

    def check(self, value: object, field: str) -> tuple[float, float]:
        if not isinstance(value, list) or len(value) != 2:
            raise misfit(field, value, "a list of two numbers")
        for held in value:
            if isinstance(held, bool) or not isinstance(held, int | float) or not -FLOAT32 <= held <= FLOAT32:
                raise misfit(field, held, "two finite numbers")
        return float(value[0]), float(value[1])

    def read(self, written: str, field: str) -> Any:
        raise Refused(400, f"{field} is read from JSON alone: send it in the body of a POST.", field)

    def schema(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": -FLOAT32, "maximum": FLOAT32}
        return {"type": "array", "items": number, "minItems": 2, "maxItems": 2}


@final
@dataclass(frozen=True)
class IdsKind:
    """Ids of items, separated by commas."""

    def check(self, value: object, field: str) -> list[int]:
        parts = value.split(",") if isinstance(value, str) else []
        if not 1 <= len(parts) <= IDS:
            raise Refused(422, f"{field} has {len(parts):,} ids: send 1 to {IDS:,}, separated by commas.", field)
        return [ItemKind().check(part, field).id for part in parts]

    def read(self, written: str, field: str) -> list[int]:
        return self.check(written, field)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": rf"^[0-9]{{1,{DIGITS}}}(,[0-9]{{1,{DIGITS}}}){{0,{IDS - 1}}}$"}
