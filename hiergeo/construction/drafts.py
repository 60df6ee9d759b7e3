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

    Attributes:
        row: of the input, from 0; unique.
        caption: as it was read, with single blanks; the most specific tier.
        image: the address, path or number of its image; empty without one.
        positive: one text a tier, general to specific, the last the caption; empty until the chain is whole.
        negative: a text that contradicts each of them.
        dropped: None while the caption is in the data.
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
