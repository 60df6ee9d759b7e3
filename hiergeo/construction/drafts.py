"""What is known of a caption while its chains are made: a draft, and why it was dropped."""

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import final

from hiergeo._core.storage.documents import STRICT, Count, Json


@final
@dataclass(frozen=True)
class Drop:
    """Why a caption left the data.

    Attributes:
        stage: name of the stage that dropped it.
        reason: a few words that are the same for every caption dropped for it, such as ``not entailed``.
        detail: what was found, such as the texts and the score.
    """

    __pydantic_config__ = STRICT

    stage: str
    reason: str
    detail: str = ""


@final
@dataclass(frozen=True)
class Draft:
    """A caption and what the stages made of it. A dropped draft is carried on unchanged.

    Attributes:
        row: of the input, from 0; unique.
        caption: as it was read, stripped; the most specific tier.
        image: the address, path or number of its image; empty without one.
        positive: one text a tier, general to specific, None where there is none (yet); the last is the caption.
        negative: a text that contradicts each tier, None where there is none (yet).
        entailment: for each adjacent pair (i, i + 1) of tiers the probability that tier i + 1 entails tier i.
        contradiction: for each tier the probability that its negative contradicts it.
        dropped: why it left the data; None while it is in it.
        notes: what stages want to remember, JSON values: which tiers were completed, what was refused before.
    """

    __pydantic_config__ = STRICT

    row: Count
    caption: str
    image: str
    positive: tuple[str | None, ...]
    negative: tuple[str | None, ...]
    entailment: tuple[float | None, ...] = ()
    contradiction: tuple[float | None, ...] = ()
    dropped: Drop | None = None
    notes: tuple[Json, ...] = ()

    @classmethod
    def begin(cls, row: int, caption: str, image: str, tiers: int) -> "Draft":
        """The draft of a caption before any stage."""
        missing = (None,) * tiers
        return cls(row, caption, image, (*missing[1:], caption), missing, missing[1:], missing)

    def drop(self, stage: str, reason: str, detail: str = "") -> "Draft":
        """The same draft, dropped."""
        return replace(self, dropped=Drop(stage, reason, detail))


def normalised(text: str) -> str:
    """A text without what does not tell two texts apart: case, the length of blanks, and full stops at its end."""
    return " ".join(text.casefold().split()).rstrip(" .")


def hash64(text: str) -> int:
    """64 bits of a hash by which texts are told apart."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
