"""The errors hiergeo raises on purpose, one clear sentence each, and the checks that modules of all layers share.

Errors of pydantic become one sentence too, which names the field, what it must be and the value that it has.
"""

import difflib
import math
import operator
import sys
import warnings
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Protocol

from hiergeo._core.text import one_line, shortened


class HiergeoError(Exception):
    """Base of every error that is meant to be read by the user; the command line prints it and exits with 2.

    Args:
        message: what is wrong and what to do. It may quote anything: what cannot be printed in one line is escaped.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class InputError(HiergeoError, ValueError):
    """The caller's data or argument cannot be used as given."""


class UnavailableError(HiergeoError, RuntimeError):
    """Something needed from outside (a file, a package, a download) cannot be had."""


LISTED = 12  # how many known names an error lists before it only counts
COUNTED = 1000  # defects after which an error stops to count
QUOTED = 40  # characters of a value that an error quotes


def unknown_name(kind: str, name: str, choices: Iterable[str], where: str = "") -> InputError:
    """The error for a name that is not among the choices, suggesting the nearest one when there is one.

    `kind` is what it should name, such as ``geometry``; `where` is where it stands, such as `` in plan.toml``.
    """
    names = {option.casefold(): option for option in sorted(choices)}
    near = difflib.get_close_matches(name.casefold(), names, n=1, cutoff=0.5)
    if near:
        return InputError(f"unknown {kind} '{name}'{where}: did you mean '{names[near[0]]}'?")
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return InputError(f"unknown {kind} '{name}'{where} (known: {', '.join(list(names.values())[:LISTED])}{more}).")


def several(first: str, others: Iterable[str]) -> str:
    """The first `LISTED` of some defects for a sentence, and how many more there are, `COUNTED` in all at most."""
    rest = list(islice(others, COUNTED - 1))
    more = len(rest) - LISTED + 1
    least = "at least " if len(rest) == COUNTED - 1 else ""
    return "; ".join([first, *rest[: LISTED - 1]]) + (f"; and {least}{more:,} more" if more > 0 else "")


def described(error: BaseException) -> str:
    """An error of somebody else's code for the end of a sentence: its type and what it says."""
    message = str(error).strip().rstrip(".")
    return f"{type(error).__name__}, {message}" if message else type(error).__name__


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line outside of hiergeo that led here, however deep in the package the cause was found."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "hiergeo":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def reason(error: BaseException) -> str:
    """What an error says, for the end of a sentence: its first line, without a full stop.

    Of an error of the system these are the words for its number, without the file name; of one without words its type.
    """
    message = str(getattr(error, "strerror", None) or error).strip() or type(error).__name__
    return message.splitlines()[0].rstrip(".:")


def check_whole(name: str, value: Any, least: int, most: int) -> None:
    """Raise InputError, naming the argument, unless `value` is a whole number in [least, most]."""
    try:
        inside = not isinstance(value, bool) and least <= operator.index(value) <= most
    except TypeError:
        inside = False
    if not inside:
        raise InputError(f"{name} must be a whole number from {least} to {most}, not {quoted(value)}.")


def check_positive(name: str, value: object) -> None:
    """Raise InputError, naming the argument, unless `value` is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InputError(f"{name} must be a finite number > 0, not {quoted(value)}.")


class ErrorList(Protocol):
    """Interface of what holds errors of pydantic, such as `pydantic.ValidationError`."""

    def errors(self) -> Sequence[Any]:
        """One dictionary an error, with its type, place, message and input."""


def sentence(error: ErrorList, whole: str = "the whole", skip: int = 0) -> str:
    """The first error as one sentence, such as ``queries[0].k must be a valid integer, not 'x'.``

    The ValueError of a validator keeps its own words after the field and its value: ``must be ...``, or a sentence.
    `whole` is the name of the value that was validated; `skip` leading keys of places are left out, such as ``body``.
    """
    first = error.errors()[0]
    name, value = field(first["loc"][skip:]) or whole, first.get("input")
    if first["type"] == "missing":
        return f"{name} is missing."
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{name} is not a known name."
    if first["type"] in ("model_type", "model_attributes_type", "dataclass_type", "dict_type"):
        return f"{name} must be an object, not {quoted(value)}."
    message = str(first["msg"]).removeprefix("Value error, ").partition(", unable")[0]
    message = message.replace(" after validation", "").rstrip(".")
    _, verb, wanted = f"Value {message}".partition(" must " if message.startswith("must ") else " should ")
    if not verb:
        is_value = "" if isinstance(value, dict | list | tuple) else f" is {quoted(value)}"
        return f"{name}{is_value}: {message}."
    return f"{name} must {wanted}." if ", not " in wanted else f"{name} must {wanted}, not {quoted(value)}."


def field(keys: Sequence[int | str]) -> str:
    """The name of a place: ``("queries", 0, "k")`` is ``queries[0].k``; empty for the whole."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


def quoted(value: object) -> str:
    """A value as a message shows it: a short one itself, a collection by its type and size."""
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return repr(shortened(value, QUOTED))
    if not isinstance(value, int | float | None):
        return "an object" if isinstance(value, dict) else f"of type {type(value).__name__}"
    try:
        return shortened(repr(value), QUOTED)
    except ValueError:
        return "a number of thousands of digits"
