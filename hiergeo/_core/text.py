"""Text from outside made fit to print: messages of one line, and captions that cannot reach beyond themselves.

A message quotes file names, server phrases and errors of other libraries, so it has to be exact: what cannot be printed
is shown as an escape. A caption is read by people, so it keeps its letters, and only what would disturb its
surroundings is taken out.
"""

import re
import unicodedata
from collections.abc import Sequence
from zlib import crc32

from hiergeo._core.limits import CAPTION_CHARACTERS, MESSAGE_CHARACTERS

UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of Unicode that messages show as escapes: controls, marks of direction, lone surrogates, line ends."""

JOINERS = "\u200c\u200d"  # invisible, but part of the spelling: Persian words and composed emoji need them
ISOLATE, END = "\u2068", "\u2069"  # what sets text apart from its surroundings, whatever its direction
OPENING = "\u2066\u2067" + ISOLATE

LEFT_TO_RIGHT_MARK = "\u200e"

RIGHT_TO_LEFT = ("R", "AL", "AN", "RLE", "RLO", "LRE", "LRO", "PDF", "RLI", "LRI", "FSI", "PDI")
"""Classes of characters that can move their neighbours."""

ELLIPSIS = " … "

FOLDERS = re.compile(r"(?:^|(?<=[:@/=]))(?:~|\.{1,2})?/(?:[^/@?]+/)*(?=[^/@?])")
"""The folders of a path within a spec; names such as ``ORG/NAME`` are not paths."""

NAME_CHARACTERS = 100  # characters of the name of a file; the rest is a checksum
FORMULA = "=+-@＝＋－＠"  # first letters of what spreadsheets run, after blanks and invisible characters


def one_line(text: str) -> str:
    """A message of one line: escapes for what cannot be printed, the middle left out beyond `MESSAGE_CHARACTERS`."""
    return shortened("".join(map(_escaped, text.strip())), MESSAGE_CHARACTERS)


def shortened(text: str, length: int) -> str:
    """The text itself, or its beginning and its end, `length` characters in all."""
    if len(text) <= length:
        return text
    shown = length - len(ELLIPSIS)
    return text[: shown - shown // 2] + ELLIPSIS + text[len(text) - shown // 2 :]


def printable(text: str) -> str:
    """Text whose line ends are its only control characters: escapes for all else that cannot be printed."""
    if text.isascii() and text.isprintable():
        return text
    return "\n".join("".join(map(_escaped, line)) for line in text.split("\n"))


def inert(cell: object) -> object:
    """A cell of a table that people open: an apostrophe precedes a text that spreadsheets would run.

    Numbers and intervals stay.
    """
    if not isinstance(cell, str):
        return cell
    first = next((letter for letter in cell if not letter.isspace() and unicodedata.category(letter) != "Cf"), " ")
    runs = first in FORMULA or cell.startswith(("\t", "\r"))
    return f"'{cell}" if runs and not all(map(_is_number, cell.split(" to "))) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and text == text.strip()


def tame(text: str) -> str:
    """A caption without control characters, whose marks of direction open and close in pairs."""
    if text.isascii() and text.isprintable():
        return text
    shown, depth = [], 0
    for character in text:
        if character in OPENING:
            depth += 1
        elif character == END:
            if depth == 0:
                continue
            depth -= 1
        shown.append(_visible(character))
    return "".join(shown) + END * depth


def isolated(text: str) -> str:
    """A caption for a terminal: `tame`, and set apart where it could turn what stands beside it."""
    whole = tame(text)
    if LEFT_TO_RIGHT_MARK in whole or any(unicodedata.bidirectional(letter) in RIGHT_TO_LEFT for letter in whole):
        return f"{ISOLATE}{whole}{END}"
    return whole


def caption(text: str) -> str:
    """A caption for a list in a terminal: `isolated`, its middle left out beyond `CAPTION_CHARACTERS`."""
    return isolated(shortened(text, CAPTION_CHARACTERS))


def without_password(text: str) -> str:
    """A text in which addresses have no user and no password."""
    return re.sub(r"(?<=:)//[^/\s]*@", "//", text)


def without_folders(spec: str) -> str:
    """A spec of a model or of data whose paths are names: ``npz:/home/me/a.npz`` becomes ``npz:a.npz``."""
    return FOLDERS.sub("", spec)


def file_name(*parts: str) -> str:
    """Words and specs joined as the name of a file without its ending; of ``npz:`` and ``chains:`` the stem alone."""
    names = (re.sub(r"^(?:npz|chains):(?:.*/)?(.+?)(?:\.\w+)?$", r"\1", without_folders(part)) for part in parts)
    joined = "-".join(re.sub(r"[^\w.]+", "-", name).strip("-.") for name in names)
    return joined if len(joined) <= NAME_CHARACTERS else f"{joined[:NAME_CHARACTERS]}-{crc32(joined.encode()):08x}"


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in UNPRINTABLE or character in JOINERS:
        return character
    return character.encode("unicode_escape").decode("ascii")


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    if category in ("Cc", "Zl", "Zp"):
        return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
    return character


def listing(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def few(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    return f"{', '.join(names[:most])} and {len(names) - most} more" if len(names) > most + 1 else ", ".join(names)
