"""The formats of ``--format``."""

from hiergeo._core.errors import unknown_name
from hiergeo._core.records import WRITTEN

FORMATS = ("table", *WRITTEN, "json")
"""Formats in which results can be printed; tables are for the terminal (`hiergeo.report.terminal`)."""


def check_format(name: str) -> None:
    """Raise InputError for a format that is not among `FORMATS`."""
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)
