"""Checks of the options of benchmarks: known values, types, and options that change nothing."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from hiergeo._core.errors import InputError, unknown_name

TEXTS = ((str, "a text"), (str | None, "a text or None"))
"""Annotations of options that are checked, and what their values are called."""


def check_choice(what: str, value: str, known: Sequence[str]) -> None:
    """Raise InputError, suggesting the nearest, for a value that is not among those known."""
    if value not in known:
        raise unknown_name(what, str(value), known)


def check_unused(data: str, options: Mapping[str, bool]) -> None:
    """Raise InputError, naming the option, where one is set that has no effect on the data.

    Args:
        data: the data as the user named them.
        options: the options that these data do not use, each with whether it is set.
    """
    for option, is_set in options.items():
        if is_set:
            raise InputError(f"the option {option} has no effect on {data}: leave it out, or name other data.")


def check_options(kind: type, name: str, options: Mapping[str, Any]) -> None:
    """Raise InputError, naming the option, where it is unknown, or annotated as text and not one.

    Args:
        kind: the class of the benchmark.
        name: its name.
        options: arguments of its constructor.
    """
    parameters = inspect.signature(kind).parameters
    for option, value in options.items():
        if option not in parameters:
            raise unknown_name(f"option of {name}", option, list(parameters))
        wanted = parameters[option].annotation
        for annotation, called in TEXTS:
            if wanted == annotation and not isinstance(value, get_args(wanted) or wanted):
                raise InputError(f"the option {option} of {name} must be {called}, not a {type(value).__name__}.")
