"""Drafts: captions and the chains that are made of them."""

from dataclasses import dataclass, replace
from typing import NamedTuple, final

from hiergeo._core.storage.documents import STRICT, Count


class Drop(NamedTuple):
    """Why a caption left the data: the stage, a reason in the words that all such captions share, and a detail."""

    stage: str
    reason: str
    detail: str = ""


@final
@dataclass(frozen=True)
class Draft:
    """A caption and the chain that is made of it.

    The caption has single blanks, the image an address, path or number, if any; `row` is its number in the input.
    Texts are general to specific, the last of the positive ones the caption, and missing until the chain is whole.
    """

    __pydantic_config__ = STRICT

    row: Count
    caption: str
    image: str = ""
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    dropped: Drop | None = None

    def drop(self, stage: str, reason: str, detail: str = "") -> "Draft":
        """The same draft, dropped."""
        return replace(self, dropped=Drop(stage, reason, detail))


def normalised(text: str) -> str:
    """A text without what does not tell two texts apart: case, the length of blanks, and full stops at its end."""
    return " ".join(text.casefold().split()).rstrip(" .")
