"""Hierarchies that keep the lengths of captions and lose what they say: controls of caption length."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from hiergeo.datasets.hierarchy import Hierarchy
from hiergeo.errors import InputError

FILLERS = {"scenes": ("a", "shape")}
"""Words without content by dataset, which are repeated to any length; others use `FILLER`."""

FILLER = ("a", "thing")


def content_free(hierarchy: Hierarchy, filler: Sequence[str] | None = None) -> Hierarchy:
    """Every caption replaced by as many words that say nothing: "a thing a thing ...".

    Captions of equally many words become one text, so nothing but length is left to order tiers by.

    Args:
        hierarchy: whose captions they stand for.
        filler: the words, repeated from the first on; None is that of `FILLERS`.

    Raises:
        InputError: no words, or one that is empty or holds white space.
    """
    words = tuple(filler) if filler is not None else FILLERS.get(hierarchy.name, FILLER)
    if not words or any(word.split() != [word] for word in words):
        raise InputError(f"the filler must be at least one word, each without spaces, not {list(words)}.")

    def emptied(caption: str) -> str:
        return " ".join(words[place % len(words)] for place in range(len(caption.split())))

    return _with_captions(hierarchy, emptied)


def shuffled_words(hierarchy: Hierarchy, seed: int = 0) -> Hierarchy:
    """The words of every caption in random order: the same words and the same length without syntax."""
    random = Random(f"shuffled words/{seed}")

    def shuffled(caption: str) -> str:
        words = caption.split()
        random.shuffle(words)
        return " ".join(words)

    return _with_captions(hierarchy, shuffled)


def exchanged_words(hierarchy: Hierarchy, seed: int = 0) -> Hierarchy:
    """The words of all distinct captions dealt out anew: every caption keeps its number of words and no more.

    Unlike `content_free` the texts are made of the words of the dataset, in their frequencies.
    """
    pool = [word for caption in hierarchy.texts for word in caption.split()]
    Random(f"exchanged words/{seed}").shuffle(pool)
    dealt = iter(pool)
    return _with_captions(hierarchy, lambda caption: " ".join(next(dealt) for _ in caption.split()))


def _with_captions(hierarchy: Hierarchy, change: Callable[[str], str]) -> Hierarchy:
    """The hierarchy with each distinct caption replaced, the same one everywhere alike."""
    new = {caption: change(caption) for caption in hierarchy.texts}
    rows = tuple(
        replace(
            row,
            positive=tuple(new[caption] for caption in row.positive),
            negative=None if row.negative is None else tuple(new[caption] for caption in row.negative),
        )
        for row in hierarchy.rows
    )
    return replace(hierarchy, rows=rows)
