"""What is known of a caption while its chains are made: a draft, and why it was dropped."""

from dataclasses import dataclass, field, replace
from typing import Any, final

from hiergeo._core.storage.documents import Anything, ListOf, Number, OrNull, Record, Text, Whole

TEXTS = ListOf(OrNull(Text()))
SCORES = ListOf(OrNull(Number()))

SCHEMA = Record(
    {
        "row": Whole(0),
        "caption": Text(),
        "image": Text(),
        "positive": TEXTS,
        "negative": TEXTS,
        "entailment": SCORES,
        "contradiction": SCORES,
        "dropped": OrNull(Record({"stage": Text(), "reason": Text(), "detail": Text()})),
        "notes": ListOf(Anything()),
    }
)
"""What `Draft.as_dict` gives."""


@final
@dataclass(frozen=True)
class Drop:
    """Why a caption left the data.

    Attributes:
        stage: name of the stage that dropped it.
        reason: a few words that are the same for every caption dropped for it, such as ``not entailed``.
        detail: what was found, such as the texts and the score.
    """

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

    row: int
    caption: str
    image: str
    positive: tuple[str | None, ...]
    negative: tuple[str | None, ...]
    entailment: tuple[float | None, ...] = ()
    contradiction: tuple[float | None, ...] = ()
    dropped: Drop | None = None
    notes: tuple[Any, ...] = field(default=())

    @classmethod
    def begin(cls, row: int, caption: str, image: str, tiers: int) -> "Draft":
        """The draft of a caption before any stage."""
        missing: tuple[None, ...] = (None,)
        return cls(
            row,
            caption,
            image,
            (*missing * (tiers - 1), caption),
            missing * tiers,
            missing * (tiers - 1),
            missing * tiers,
        )

    def drop(self, stage: str, reason: str, detail: str = "") -> "Draft":
        """The same draft, dropped."""
        return replace(self, dropped=Drop(stage, reason, detail))

    def as_dict(self) -> dict[str, Any]:
        """JSON values, from which `of_dict` makes the same draft."""
        values = {name: getattr(self, name) for name in SCHEMA.required}
        values["dropped"] = None if self.dropped is None else vars(self.dropped)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def of_dict(cls, values: dict[str, Any]) -> "Draft":
        """The draft that `as_dict` told of."""
        told: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        dropped = told.pop("dropped")
        return cls(**told, dropped=None if dropped is None else Drop(**dropped))


def normalised(text: str) -> str:
    """A text without what does not tell two texts apart: case, the length of blanks, and full stops at its end."""
    return " ".join(text.casefold().split()).rstrip(" .")
