"""Errors that hiergeo raises for its callers: one clear sentence each.

`HiergeoError` is the base of all; `InputError` is of what the caller gave, `UnavailableError` of what is missing here.
"""

from hiergeo._core.errors import HiergeoError, InputError, UnavailableError, unknown_name

__all__ = ["HiergeoError", "InputError", "UnavailableError", "unknown_name"]
