"""The errors of pydantic as one sentence, which names the field, what it must be and the value that it has."""

from collections.abc import Sequence
from typing import Any, Protocol

from hiergeo._core.text import shortened

SHOWN = 40
"""Characters of a wrong value that a message quotes."""

Place = Sequence[int | str]
"""Keys and indexes from the outermost object to a value."""


class ErrorList(Protocol):
    """Interface of what holds errors of pydantic, such as `pydantic.ValidationError`."""

    def errors(self) -> Sequence[Any]:
        """One dictionary an error, with its type, place, message and input."""


def sentence(error: ErrorList, whole: str = "the whole", skip: int = 0) -> str:
    """The first error as one sentence, such as ``queries[0].k must be a valid integer, not 'x'.``

    The ValueError of a validator keeps its own words after the field and its value: ``must be ...``, or a sentence.

    Args:
        error: of pydantic.
        whole: name of the value that was validated, for an error that concerns no part of it.
        skip: leading keys of places that are left out, such as the ``body`` of FastAPI.
    """
    first = error.errors()[0]
    place, value = field(first["loc"][skip:]) or whole, first.get("input")
    if first["type"] == "missing":
        return f"{place} is missing."
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{place} is not a known name."
    if first["type"] in ("model_type", "model_attributes_type", "dataclass_type", "dict_type"):
        return f"{place} must be an object, not {quoted(value)}."
    message = str(first["msg"]).removeprefix("Value error, ").partition(", unable")[0]
    message = message.replace(" after validation", "").rstrip(".")
    _, verb, wanted = f"Value {message}".partition(" must " if message.startswith("must ") else " should ")
    if not verb:
        is_value = "" if isinstance(value, dict | list | tuple) else f" is {quoted(value)}"
        return f"{place}{is_value}: {message}."
    return f"{place} must {wanted}." if ", not " in wanted else f"{place} must {wanted}, not {quoted(value)}."


def field(place: Place) -> str:
    """The name of a place: ``("queries", 0, "k")`` is ``queries[0].k``; empty for the whole."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place).removeprefix(".")


def quoted(value: object) -> str:
    """A value as a message shows it: a short one itself, a collection by its type and size."""
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return repr(shortened(value, SHOWN))
    if not isinstance(value, int | float | None):
        return "an object" if isinstance(value, dict) else f"of type {type(value).__name__}"
    try:
        return shortened(repr(value), SHOWN)
    except ValueError:
        return "a number of thousands of digits"
