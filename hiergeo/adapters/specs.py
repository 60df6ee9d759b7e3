"""Options of models: behind a question mark in their spec, such as ``meru:FILE.pth?images=squash&heads=12``."""

from typing import Any

from hiergeo._core.errors import InputError
from hiergeo._core.storage.documents import validated
from hiergeo._core.storage.files import path_of

DIGITS = 8
"""Digits of a whole number in a spec."""


def options_of(rest: str, kind: type[Any]) -> tuple[str, dict[str, Any]]:
    """The path or name in the rest of a spec and the options behind its question mark: ``PATH?images=squash&heads=12``.

    Raises:
        InputError: an option that does not exist (the nearest is suggested) or stands there twice, or a value that does
            not fit.
    """
    name, _, query = (rest, "", "") if path_of(rest).exists() else rest.partition("?")
    given: dict[str, Any] = {}
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        if key in given:
            raise InputError(f"'?{query}' in the model spec names the option '{key}' twice.")
        given[key] = int(value) if value.isascii() and value.isdigit() and len(value) <= DIGITS else value
    return name, fitting(given, kind, f"'?{query}' in the model spec")


def fitting(options: Any, kind: type[Any], source: str) -> dict[str, Any]:
    """Options that fit a dataclass; raises InputError, naming `source`, for others."""
    try:
        validated(kind, options)
    except ValueError as error:
        raise InputError(f"{source} cannot be used: {error}") from error
    return dict(options)
