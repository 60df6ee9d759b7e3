"""Ids of items: whole numbers, or texts such as "SKU00001", which an index keeps by numbers that are hashes of them."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Annotated, Any, TypeAlias

import numpy as np
import torch
from pydantic import BeforeValidator, WithJsonSchema
from torch import Tensor

from hiergeo._core.errors import InputError

Id: TypeAlias = int | str
"""What users call an item; a text that spells a whole number is that number."""

ID, CHARACTERS = 1 << 63, 512
"""Numbers are below it; texts are at most so long."""

HASHED = 1 << 61
"""Numbers of texts are those from here up to twice as many."""


def sound_id(value: Any) -> Id:
    """An id as it is kept, without blanks around it; raises ValueError, with a part of a sentence, for others."""
    if isinstance(value, str):
        text = value.strip()
        if text.isascii() and text.isdigit() and len(text) < 20 and str(int(text)) == text and int(text) < ID:
            return int(text)
        if not 0 < len(text) <= CHARACTERS or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ValueError(f"must be a text of 1 to {CHARACTERS} characters of Unicode")
        return text
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or not 0 <= value < ID:
        raise ValueError("must be a whole number in [0, 2^63) or a text")
    return int(value)


ItemId: Any = Annotated[
    Id,
    BeforeValidator(sound_id),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "exclusiveMaximum": ID},
                {"type": "string", "minLength": 1, "maxLength": CHARACTERS},
            ]
        }
    ),
]
"""An id in the models of requests."""


def number_of(item: Id) -> int:
    """The number by which an index keeps the item of an id; raises ValueError as `sound_id`.

    Among a million texts two have one number, and are refused as twice the same id, with a probability of 2e-7.
    """
    return _number(sound_id(item))


def _number(item: Id) -> int:
    if isinstance(item, int):
        return item
    return int.from_bytes(blake2b(item.encode(), digest_size=8).digest(), "big") % HASHED + HASHED


def ids_of(items: Iterable[Any], start: int = 0) -> list[Id]:
    """Ids as they are kept; raises InputError for the first that cannot be, by its row, counted from `start`."""
    ids: list[Id] = []
    for item in items.tolist() if isinstance(items, Tensor) else items:
        try:
            ids.append(sound_id(item))
        except ValueError as error:
            row = start + len(ids)
            raise InputError(f"the id of row {row} (the first is 0) is {item!r}: it {error}.") from None
    return ids


def texts_of(ids: Iterable[Id] | None) -> list[str | None] | None:
    """Those ids that are texts, None for numbers; None where all are."""
    texts = [item if isinstance(item, str) else None for item in ids or ()]
    return texts if any(texts) else None


def numbers_of(items: Iterable[Any]) -> Tensor:
    """The numbers (n,) int64 of ids; raises as `ids_of`."""
    return torch.tensor(list(map(_number, ids_of(items))), dtype=torch.int64)
