"""What can be cut from the end of a caption so that the rest still holds, and what is negated."""

from collections.abc import Sequence
from itertools import pairwise

from hiergeo.construction.language import grammar
from hiergeo.construction.language.tagging import Token

Span = tuple[int, int]

MARKS = frozenset(".;:!?-–—()")
"""Marks that end a clause."""


def overlap(spans: Sequence[Span], start: int, end: int) -> bool:
    """Whether one of some spans has a token from `start` to before `end`; an empty stretch must lie inside one."""
    return any(low < end and start < high for low, high in spans)


def negated_spans(found: Sequence[Token]) -> tuple[Span, ...]:
    """Spans from each negation to the end of its clause; spans of one clause are one."""
    spans: list[Span] = []
    for place, token in enumerate(found):
        if token.tag == "NEG" and (not spans or place >= spans[-1][1]):
            spans.append((place, _clause_end(found, place + 1)))
    return tuple(spans)


def _clause_end(found: Sequence[Token], place: int) -> int:
    while place < len(found) and found[place].tag != "PUNCT" and found[place].lower not in grammar.LISTS["clause_ends"]:
        place += 1
    return place


def trails_after(found: Sequence[Token], start: int, whole: Sequence[Span]) -> tuple[Span, ...]:
    """Adjoining spans from the first place after `start` at which the text can be cut to its end.

    None inside `whole` ones.
    """
    inside = {place for first, end in whole for place in range(first + 1, end)}
    starts = [place for place in _cuts(found, start) if place not in inside]
    return tuple(pairwise((*starts, len(found))))


def _cuts(found: Sequence[Token], start: int) -> list[int]:
    """Places before which a text can end, in order."""
    cuts: list[int] = []
    waiting = False  # for the verb of a clause that a subordinator began
    for place in range(start, len(found)):
        token = found[place]
        if token.tag in ("VERB", "PART") and waiting:
            waiting = False
        elif not waiting and _begins(found, place, start):
            begin = _with_what_leads(found, place, start)
            if not cuts or begin > cuts[-1]:
                cuts.append(begin)
        if token.tag == "CONJ" and token.lower in grammar.SUBORDINATORS:
            waiting = True
    return [cut for cut in cuts if any(token.tag != "PUNCT" for token in found[cut:]) and stands_apart(found, cut)]


def stands_apart(found: Sequence[Token], place: int) -> bool:
    """Whether a text can be cut before a token: a blank is there, or nothing but marks up to the next blank."""
    while 0 < place < len(found) and found[place - 1].end == found[place].start:
        if found[place].tag != "PUNCT":
            return False
        place += 1
    return True


def _with_what_leads(found: Sequence[Token], place: int, start: int) -> int:
    """The place of the first comma, conjunction or adverb that belongs to what begins at a place."""
    while place > start and (
        found[place - 1].tag == "PUNCT" or found[place - 1].lower in ("and", "but", "&") or _leads(found, place - 1)
    ):
        place -= 1
    return place


def _leads(found: Sequence[Token], place: int) -> bool:
    """Whether an adverb belongs to what follows it: next to, happily riding."""
    return found[place].tag == "ADV" and place > 0 and found[place - 1].tag in ("NOUN", "PUNCT", "PRON")


def _begins(found: Sequence[Token], place: int, start: int) -> bool:
    """Whether a part begins at a place without which what is before it still is complete."""
    token, before = found[place], found[place - 1]
    if place + 1 == len(found):
        return token.tag in ("PART", "VERB") and before.tag == "NOUN"
    after = found[place + 1]
    match token.tag:
        case "PUNCT":
            if before.tag == "PUNCT":
                return False
            return token.lower in MARKS or (token.lower == "," and after.tag in ("DET", "NOUN", "NUM", "ADJ", "PRON"))
        case "ADP":
            return _begins_preposition(found, place, after)
        case "PART" | "VERB":
            leads = before.tag == "ADV" and _leads(found, place - 1)
            return leads or place == start or before.tag in ("NOUN", "PUNCT", "NUM")
        case "CONJ":
            if token.lower in grammar.SUBORDINATORS:
                return before.tag not in ("VERB", "ADP", "ADV", "CONJ")
            joins = token.lower not in ("or", "nor") and before.tag not in ("ADP", "CONJ")
            return joins and not _between(found, place, start)
        case "NEG":
            return before.tag in ("NOUN", "PUNCT")
        case _:
            return False


def _begins_preposition(found: Sequence[Token], place: int, after: Token) -> bool:
    token, before = found[place], found[place - 1]
    if before.tag in ("ADP", "CONJ", "NEG", "DET") or after.tag in ("PUNCT", "CONJ"):
        return False
    if token.lower == "of":
        return before.tag == "NOUN" and before.lemma not in grammar.VIEWS | grammar.AMOUNTS
    if before.tag == "ADV":
        return _leads(found, place - 1)
    if before.tag in ("VERB", "PART"):
        particle = token.lower in ("up", "off", "out", "away") or after.tag == "ADP"
        return before.lemma not in grammar.BOUND and not (token.lower in grammar.LISTS["particles"] and particle)
    return True


def _between(found: Sequence[Token], place: int, start: int) -> bool:
    """Whether the nearest preposition before a place is one that needs both things that ``and`` joins."""
    for at in range(place - 1, start - 1, -1):
        if found[at].tag in ("ADP", "VERB", "PART", "CONJ", "PUNCT"):
            return found[at].lower == "between"
    return found[start - 1].lower == "both"
