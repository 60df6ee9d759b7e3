"""Where a store is: specs and their options, and errors of engines in one sentence."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from hiergeo._core.errors import HiergeoError, InputError, UnavailableError, described, unknown_name
from hiergeo._core.storage.files import path_of
from hiergeo._core.text import without_password


@dataclass(frozen=True)
class StoreAddress:
    """What follows the name of an engine in a spec: ``WHERE`` or ``WHERE?OPTION=VALUE&...``.

    Attributes:
        where: a path or an address.
        options: by name.
    """

    where: str
    options: Mapping[str, str]

    @classmethod
    def of(cls, engine: str, rest: str, known: Sequence[str], example: str) -> "StoreAddress":
        """Read the rest of a spec.

        Raises:
            InputError: nothing there, or an option that the engine does not have.
        """
        where, _, told = rest.partition("?")
        if not where:
            raise InputError(f"{engine} needs a place: {example}.")
        options = dict(parse_qsl(told, keep_blank_values=True))
        for name in options:
            if name not in known:
                raise unknown_name("option", name, known, f" of {engine}")
        return cls(where, options)

    @property
    def shown(self) -> str:
        """The place as messages name it, without the password that an address may hold."""
        return without_password(self.where)

    def path(self) -> Path:
        """The place as a path.

        Raises:
            InputError: no file can have that name.
        """
        return path_of(self.where)

    @property
    def remote(self) -> bool:
        """Whether it is the address of a server."""
        return self.where.startswith(("http://", "https://"))

    def whole(self, name: str, default: int) -> int:
        """An option that is a whole number above 0."""
        told = self.options.get(name, str(default))
        if not (told.isascii() and told.isdigit() and int(told[:9]) > 0 and len(told) < 9):
            raise InputError(f"the option {name} must be a whole number above 0, not '{told}'.")
        return int(told)

    def one_of(self, name: str, known: Sequence[str]) -> str:
        """An option with a few values, the first of which is its default."""
        told = self.options.get(name, known[0])
        if told not in known:
            raise unknown_name(name, told, known)
        return told


@contextmanager
def calling(place: str) -> Iterator[None]:
    """Report whatever an engine's client raises in the block in one sentence that names the engine."""
    try:
        yield
    except HiergeoError:
        raise
    except Exception as error:  # clients of engines raise errors of every kind
        raise UnavailableError(f"{place} does not do as asked: {without_password(described(error))}.") from error
