"""What JSON values have to be before anything uses them, declared as data."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

SHOWN = 40
"""Letters of a wrong value that a sentence shows."""


class Misfit(Exception):
    """A value that is not what it has to be: where it is, what is there and what should be, in words."""

    def __init__(self, where: str, value: object, wanted: str) -> None:
        shown = repr(value) if isinstance(value, str | int | float | bool | None) else f"a {type(value).__name__}"
        shown = shown if len(shown) <= SHOWN else f"{shown[: SHOWN - 3]}..."
        super().__init__(f"{where or 'the whole'} is {shown}, not {wanted}")


class Schema(Protocol):
    """Whatever can say that a value does not fit."""

    def check(self, value: object, where: str) -> None:
        """Raise `Misfit` unless `value`, found at `where`, fits."""


@dataclass(frozen=True)
class Text:
    """A string that a regular expression matches whole."""

    pattern: str = r"(?s:.*)"

    def check(self, value: object, where: str) -> None:
        """Raise `Misfit` unless it is one."""
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise Misfit(where, value, "a string" if self.pattern == Text.pattern else f"of the form {self.pattern}")


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def check(self, value: object, where: str) -> None:
        """Raise `Misfit` unless it is one."""
        if not isinstance(value, bool):
            raise Misfit(where, value, "true or false")


@dataclass(frozen=True)
class Whole:
    """An integer within bounds, both included."""

    low: int = -(1 << 63)
    high: int = (1 << 63) - 1

    def check(self, value: object, where: str) -> None:
        """Raise `Misfit` unless it is one."""
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise Misfit(where, value, f"a whole number from {self.low} to {self.high}")


@dataclass(frozen=True)
class Number:
    """A number, finite unless NaN and the infinities are asked for."""

    finite: bool = True

    def check(self, value: object, where: str) -> None:
        """Raise `Misfit` unless it is one."""
        if isinstance(value, bool) or not isinstance(value, int | float) or (self.finite and not math.isfinite(value)):
            raise Misfit(where, value, "a finite number" if self.finite else "a number")


@dataclass(frozen=True)
class OrNull:
    """Null, or what another schema says."""

    schema: Schema

    def check(self, value: object, where: str) -> None:
        """Raise `Misfit` unless it is either."""
        if value is not None:
            self.schema.check(value, where)


@dataclass(frozen=True)
class ListOf:
    """A list whose every item fits."""

    item: Schema

    def check(self, value: object, where: str) -> None:
        """Raise `Misfit` unless it is one."""
        if not isinstance(value, list):
            raise Misfit(where, value, "a list")
        for index, item in enumerate(value):
            self.item.check(item, f"{where}[{index}]")


@dataclass(frozen=True)
class Anything:
    """Any value whose numbers are finite."""

    def check(self, value: object, where: str) -> None:
        """Raise `Misfit` for NaN or an infinity anywhere in it."""
        if isinstance(value, dict):
            Record(rest=self).check(value, where)
        elif isinstance(value, list):
            ListOf(self).check(value, where)
        elif isinstance(value, float):
            Number().check(value, where)


@dataclass(frozen=True)
class Record:
    """An object with certain keys.

    Attributes:
        required: the keys that it must have.
        optional: the keys that it may have.
        rest: what the values of other keys have to be; None refuses other keys.
    """

    required: Mapping[str, Schema] = field(default_factory=dict)
    optional: Mapping[str, Schema] = field(default_factory=dict)
    rest: Schema | None = None

    def check(self, value: object, where: str) -> None:
        """Raise `Misfit` unless it is one."""
        if not isinstance(value, dict):
            raise Misfit(where, value, "an object")
        for name in self.required:
            if name not in value:
                raise Misfit(f"{where}.{name}".lstrip("."), "missing", "there")
        known = {**self.required, **self.optional}
        for name, held in value.items():
            schema = known.get(name, self.rest)
            if schema is None:
                raise Misfit(f"{where}.{name}".lstrip("."), held, "a key that belongs there")
            schema.check(held, f"{where}.{name}".lstrip("."))
