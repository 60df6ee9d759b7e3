"""Output to the terminal, for any size and encoding; text from files is never interpreted."""

import codecs
import os
import sys
import warnings
import webbrowser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.filesize import decimal
from rich.segment import Segment
from rich.text import Text

from hiergeo._core.text import one_line, printable, tame

PLAIN = str.maketrans("−–—·’", "---|'", "\u2068\u2069")
"""What we print ourselves, for terminals that know ASCII alone; other characters become escapes."""


@contextmanager
def prepared() -> Iterator[None]:
    """Make the streams of this process fit to print on; meanwhile warnings take one line."""
    if os.environ.get("COLUMNS") == "0":  # what terminals claim that do not know
        del os.environ["COLUMNS"]
    codecs.register_error("hiergeo", _replaced)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - stays open for the whole process
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="hiergeo")
    before = warnings.showwarning
    warnings.showwarning = _warn
    try:
        yield
    finally:
        warnings.showwarning = before


class Screen(Console):
    """A console on which text stays text: strings show as escapes what cannot be printed, styled text is `tame`."""

    def render_str(self, text: str, **settings: Any) -> Text:
        """Styled text of a string."""
        return super().render_str(printable(text), **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Segments of anything that can be printed."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment("\n".join(map(tame, segment.text.split("\n"))), segment.style)


def note(sentence: str) -> None:
    """Print a note on standard error."""
    print(f"Note: {one_line(sentence)}", file=sys.stderr)


def phase(sentence: str) -> None:
    """Print at once, on standard error, what is being done now."""
    print(f"{one_line(sentence)} ...", file=sys.stderr, flush=True)


def counted(count: int, noun: str, several: str = "") -> str:
    """A number with its noun: "1 item", "2,000 items"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {several or noun + 's'}"


def sized(count: float) -> str:
    """A number of bytes in the unit that fits."""
    return decimal(int(count), precision=2)


def show_page(address: str, wanted: bool | None) -> None:
    """Open a page in a browser; where nobody said whether it is wanted, only if a terminal is there."""
    if sys.stdout.isatty() if wanted is None else wanted:
        webbrowser.open(address)


def console() -> Screen:
    """Standard output for tables, trees and sentences. Nothing that is printed is read as markup, emoji or a number."""
    return Screen(markup=False, emoji=False, highlight=False)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end].translate(PLAIN)
    return characters.encode("ascii", "backslashreplace").decode(), error.end


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"Warning: {one_line(str(message))}", file=sys.stderr)
