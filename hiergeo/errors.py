"""The errors hiergeo raises on purpose: one clear sentence each, naming what is wrong and what to do."""

import difflib
from collections.abc import Iterable

from hiergeo._text import one_line


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


LISTED = 12
"""How many known names an error lists before it only counts."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that is not in `known`, suggesting the nearest one when there is one."""
    names = {option.casefold(): option for option in sorted(known)}
    near = difflib.get_close_matches(name.casefold(), names, n=1, cutoff=0.5)
    if near:
        return InputError(f"unknown {kind} '{name}': did you mean '{names[near[0]]}'?")
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return InputError(f"unknown {kind} '{name}' (known: {', '.join(list(names.values())[:LISTED])}{more}).")
