"""Secrets that must not be stored: which names stand for one, and where options and commands hold them."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

ENDINGS = ("apikey", "apikeys", "token", "password", "passwd", "secret", "authorization", "credentials")
"""What names of secrets end in, without what separates their words."""

KEY = re.compile(r"(?:.*[\W_])?[Kk](?:ey|EY)|.*[a-z0-9]Key", re.DOTALL)
"""Names whose last word is key: ``key``, ``HF-KEY`` and ``accessKey``, but not ``monkey``."""

PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")

STRUCK = "[…]"
"""What is recorded in the place of a secret."""


def names_secret(name: str) -> bool:
    """Whether what has this name is a secret: ``api_key``, ``accessToken``, ``Authorization``; not ``max_tokens``."""
    return re.sub(r"[\W_]", "", name).casefold().endswith(ENDINGS) or KEY.fullmatch(name) is not None


def secret_in(name: str, value: object) -> str | None:
    """The name of a secret that an option is or holds, at whatever depth, also in JSON that a text holds; else None.

    Flags and nulls are no secrets, whatever their name.
    """
    for held, each in entries(name, value):
        if names_secret(held) and not (each is None or isinstance(each, bool)):
            return held
    return None


def entries(name: str, value: object) -> Iterator[tuple[str, Any]]:
    """Every value in an option, the option itself first, with the name that it has or that the list around it has.

    Text that holds a JSON object or list is followed by what is in that; objects are tuples of (name, value) there.
    """
    left: list[tuple[str, Any]] = [(name, list(value) if isinstance(value, tuple) else value)]
    while left:
        name, value = left.pop()
        yield name, value
        if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
            with suppress(ValueError, RecursionError):
                value = json.loads(value, object_pairs_hook=tuple)
        if isinstance(value, tuple):
            left += value
        elif isinstance(value, list):
            left += [(name, each) for each in value]


def without_secrets(words: Iterable[str]) -> list[str]:
    """The words of a command, with `STRUCK` for the values of secret options and for passwords in addresses."""
    told: list[str] = []
    value = False
    for word in words:
        name, equals, _ = word.partition("=")
        secret = names_secret(name)
        told.append(
            STRUCK if value else f"{name}={STRUCK}" if equals and secret else PASSWORD.sub(rf"\1:{STRUCK}@", word)
        )
        value = secret and not equals and not value and word.startswith("-")
    return told
