"""Subsets of a hierarchy in which the lengths of captions say nothing about which one is the more specific."""

from collections import defaultdict
from itertools import combinations

from hiergeo.datasets.hierarchy import Hierarchy, Row
from hiergeo.errors import InputError


def balanced_by_length(hierarchy: Hierarchy) -> Hierarchy:
    """Pairs of tiers whose numbers of words tell nothing of their order, as many as there are of them.

    Every pair of tiers (general, specific) of a chain is a candidate, a row of two captions. Pairs of equally many
    words are all kept. Of the pairs of a and b words, a < b, as many are kept whose general caption is the shorter one
    as whose general caption is the longer one: all of the rarer kind, and of the other kind the first, in the order of
    the rows, pairs of low tiers before those of high ones. The general captions then have the same distribution of
    lengths as the specific ones, exchanging the two lengths of a pair changes nothing, and no rule that reads the two
    lengths alone is right in more than half of the rows (ties counting one half). No larger set of pairs has that
    property.

    Rows keep the ids of the rows that they are from, and a row that gives several pairs appears several times.
    Contradicting captions are those of the same two tiers.

    Raises:
        InputError: no pair can be kept.
    """
    kinds: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
    for place, row in enumerate(hierarchy.rows):
        words = [len(caption.split()) for caption in row.positive]
        for general, specific in combinations(range(hierarchy.tiers), 2):
            if row.positive[general] != row.positive[specific]:
                kinds[words[general], words[specific]].append((place, general, specific))
    kept = []
    for (general, specific), pairs in kinds.items():
        other = kinds.get((specific, general), [])
        kept += pairs if general == specific else pairs[: len(other)]
    if not kept:
        raise InputError(
            f"the {hierarchy.split} split of {hierarchy.name} has no tiers of equal or of reversed lengths to balance."
        )
    rows = tuple(_pair(hierarchy.rows[place], general, specific) for place, general, specific in sorted(kept))
    shown = {row.image_id for row in rows}
    images = tuple(image for image in hierarchy.images if image.image_id in shown)
    return Hierarchy(hierarchy.name, f"{hierarchy.split}, balanced by length", rows, images)


def _pair(row: Row, general: int, specific: int) -> Row:
    positive = row.positive[general], row.positive[specific]
    negative = None if row.negative is None else (row.negative[general], row.negative[specific])
    return Row(row.row_id, positive, negative, row.image_id)
