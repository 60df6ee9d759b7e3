"""The errors hiergeo raises on purpose: one clear sentence each, naming what is wrong and what to do."""

import difflib
from collections.abc import Iterable


class HiergeoError(Exception):
    """Base of every error that is meant to be read by the user; the command line prints it and exits with 2."""


class InputError(HiergeoError, ValueError):
    """The caller's data or argument cannot be used as given."""


class UnavailableError(HiergeoError, RuntimeError):
    """Something needed from outside (a file, a package, a download) cannot be had."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that is not in `known`, suggesting the nearest one when there is one."""
    names = sorted(known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names)}."
    return InputError(f"unknown {kind} '{name}': {hint}")
