"""Controls of caption length: hierarchies that keep lengths and lose content, or in which lengths say nothing."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from operator import itemgetter
from random import Random
from typing import TypeAlias

from hiergeo._core.errors import InputError
from hiergeo.datasets.hierarchy import Hierarchy, Row

Chain: TypeAlias = tuple[str, ...]

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
        return " ".join(words[index % len(words)] for index in range(len(caption.split())))

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
    rows = tuple(_changed(row, lambda chain: tuple(map(new.__getitem__, chain))) for row in hierarchy.rows)
    return replace(hierarchy, rows=rows)


def _changed(row: Row, change: Callable[[Chain], Chain]) -> Row:
    return replace(row, positive=change(row.positive), negative=row.negative and change(row.negative))


def balanced_by_length(hierarchy: Hierarchy) -> Hierarchy:
    """Pairs of tiers whose numbers of words tell nothing of their order, as many as there are of them.

    Every pair of tiers (general, specific) of a chain is a candidate, a row of two captions. All pairs of equally many
    words stay. Of the pairs of a and b words, a < b, as many stay whose general caption is the shorter one as whose
    general caption is the longer one: all of the rarer kind, and of the other kind the first, in the order of the rows,
    pairs of low tiers before those of high ones. General and specific captions then have the same distribution of
    lengths, and no rule that reads the two lengths alone is right in more than half of the rows (ties counting one
    half). No larger set of pairs has that property.

    Rows have the ids of the rows that they are from, and a row that gives several pairs appears several times.
    Contradicting captions are those of the same two tiers.

    Raises:
        InputError: no pair is left.
    """
    kinds: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
    for index, row in enumerate(hierarchy.rows):
        words = [len(caption.split()) for caption in row.positive]
        for general, specific in combinations(range(hierarchy.tiers), 2):
            if row.positive[general] != row.positive[specific]:
                kinds[words[general], words[specific]].append((index, general, specific))
    chosen = []
    for (general, specific), pairs in kinds.items():
        other = kinds.get((specific, general), [])
        chosen += pairs if general == specific else pairs[: len(other)]
    if not chosen:
        raise InputError(
            f"the {hierarchy.split} split of {hierarchy.name} has no tiers of equal or of reversed lengths to balance."
        )
    rows = tuple(_changed(hierarchy.rows[index], itemgetter(*tiers)) for index, *tiers in sorted(chosen))
    shown = {row.image_id for row in rows}
    images, absent = (tuple(i for i in part if i.image_id in shown) for part in (hierarchy.images, hierarchy.absent))
    return Hierarchy(hierarchy.name, f"{hierarchy.split}, balanced by length", rows, images, absent)
