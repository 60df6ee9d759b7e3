"""Ever more general texts of a caption, each of which follows from the one before it.

Rungs go from specific to general: the caption, the caption with one after another of its last phrases cut off, its main
noun phrase with one after another of its modifiers dropped, the bare noun, and everyday kinds of what it names. Nothing
is cut inside a denial, and a modifier that makes a thing unreal (a toy car) stays.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from hiergeo.construction.language.attributes import PRIVATIVE
from hiergeo.construction.language.claims import CAMERAS, GAZING, QUANTITIES, subject
from hiergeo.construction.language.edits import spoken
from hiergeo.construction.language.forms import plural
from hiergeo.construction.language.grammar import AUXILIARIES, BOUND, LISTS, word_set
from hiergeo.construction.language.kinds import is_kind, kinds
from hiergeo.construction.language.phrases import Analysis, Phrase
from hiergeo.construction.language.trails import overlap, stands_apart

UNCOUNTED = word_set("clothing furniture luggage food fruit jewelry dishware weather linen bedding") | {
    "sports equipment"
}
"""Kinds without a plural."""

NAMED = ("place", "structure", "body of water")
"""Kinds of things whose names end with what they are: a bridge, but not everybody called Baker."""


@final
@dataclass(frozen=True)
class Ladder:
    """Texts about one thing of a caption, specific to general.

    Attributes:
        cuts: beginnings of the caption, the longest first; each still tells of the thing.
        plain: the same and the whole caption, without the modifiers of the things behind the main one.
        names: its noun phrase, with fewer and fewer modifiers, the bare noun last.
        kinds: what it is a kind of, the nearest first.
    """

    cuts: tuple[str, ...]
    plain: tuple[str, ...]
    names: tuple[str, ...]
    kinds: tuple[str, ...]


def ladders(analysis: Analysis) -> list[Ladder]:
    """A ladder for each thing that a caption is sure to tell of, that of its main thing first."""
    main = subject(analysis)
    if main is None or overlap(analysis.negated, main.head, main.head + 1):
        return []
    others = [phrase for phrase in analysis.phrases if phrase.start >= main.end and _sure(analysis, phrase)]
    return [_ladder(analysis, phrase, main.start) for phrase in (main, *others)]


def surface(analysis: Analysis, start: int, end: int) -> str:
    """Tokens as they are written, without dangling words at the end and the capital that begins a sentence."""
    tokens = analysis.tokens
    while end > start and (tokens[end - 1].lower in LISTS["dangling"] or tokens[end - 1].tag == "PUNCT"):
        end -= 1
    if overlap(analysis.names, start, start + 1):
        return analysis.text(start, end)
    first, space, rest = analysis.text(start, end).partition(" ")
    return (first.lower() if first[1:] == first[1:].lower() else first) + space + rest


def _sure(analysis: Analysis, phrase: Phrase) -> bool:
    """Whether a phrase after the main one tells of a thing that is there."""
    head = analysis.tokens[phrase.head]
    before = analysis.tokens[max(0, phrase.start - 2) : phrase.start]
    leading = analysis.tokens[max(0, phrase.start - 3) : phrase.start]
    return (
        head.tag == "NOUN"
        and not (head.lemma in CAMERAS and any(token.lemma in GAZING for token in leading))
        and not overlap(analysis.negated, phrase.head, phrase.head + 1)
        and not any(token.lower in {"for", "like", "as", "about", "than", "of", "to"} for token in before)
        and not any(token.lower in PRIVATIVE for token in analysis.tokens[phrase.start : phrase.end])
    )


def _ladder(analysis: Analysis, phrase: Phrase, begin: int) -> Ladder:
    ends = {start for start, _ in analysis.trails if phrase.end <= start}
    ends.update(_inner(analysis, phrase.end + 1))
    ends = {
        end
        for end in ends
        if not overlap(analysis.names, end, end)
        and _finished(analysis, begin, end)
        and stands_apart(analysis.tokens, end)
    }
    if begin:
        ends.add(len(analysis.tokens))
    cuts = [surface(analysis, begin, end) for end in sorted(ends, reverse=True)]
    plain = [_plain(analysis, begin, end) for end in sorted({*ends, len(analysis.tokens)}, reverse=True)]
    names = tuple(_names(analysis, phrase)) or (phrase.noun,)
    head = analysis.tokens[phrase.head]
    several = head.lower != head.lemma
    above: list[str] = []
    named = overlap(analysis.names, phrase.head, phrase.head + 1)
    kind_known = not named or any(is_kind(phrase.noun, kind) for kind in NAMED)
    if kind_known and not any(token.lower in PRIVATIVE for token in analysis.tokens[phrase.start : phrase.end]):
        bare = phrase.noun.split()[-1:]
        if [phrase.noun] != bare and is_kind(phrase.noun, bare[0]):
            above += bare
        above += [kind for kind in kinds(phrase.noun) if kind not in above and is_kind(phrase.noun, kind)]
    shown = (plural(kind) if several and kind not in UNCOUNTED else kind for kind in above)
    return Ladder(tuple(cuts), tuple(plain), names, tuple(shown))


def _finished(analysis: Analysis, begin: int, end: int) -> bool:
    """Whether the last clause before a cut has its verb, and the verb what it needs."""
    tokens = analysis.tokens
    if end + 1 < len(tokens) and tokens[end - 1].tag in {"VERB", "PART"}:
        infinitive = tokens[end].lower == "to" and tokens[end + 1].tag == "VERB"
        if infinitive or (tokens[end - 1].lemma, tokens[end].lower) == ("hold", "onto"):
            return False
    last = next((place for place in range(end - 1, begin, -1) if tokens[place].lower in LISTS["clauses"]), None)
    if last is None or any(token.tag in {"VERB", "PART"} for token in tokens[last:end]):
        return True
    as_thing = tokens[last].lower == "as" and end < len(tokens) and tokens[end].tag not in {"VERB", "PART"}
    return last == end - 1 or as_thing


def _inner(analysis: Analysis, start: int) -> Iterator[int]:
    """Further places where a text can end: behind a verb that needs no more, before where or while it happens."""
    for place in range(start, len(analysis.tokens) - 1):
        token, verb, after = analysis.tokens[place], analysis.tokens[place - 1], analysis.tokens[place + 1]
        adverbial = token.lower in {"while", "when", "in", "on", "at", "near", "by", "under", "behind", "along", "with"}
        adverbial = adverbial or (token.lower in {"next", "close"} and after.lower == "to")
        whole = verb.tag in {"VERB", "PART"} and verb.lower not in AUXILIARIES and verb.lemma not in BOUND
        if adverbial and whole and not overlap(analysis.negated, place, place):
            yield place


def _plain(analysis: Analysis, begin: int, end: int) -> str:
    """Tokens as text, without modifiers behind the first phrase."""
    behind = [phrase for phrase in analysis.phrases if phrase.start > begin + 1 and phrase.end <= end]
    left_out = {place for phrase in behind for place in phrase.modifiers}
    left_out -= {place for place in left_out if analysis.tokens[place].lower in PRIVATIVE}
    runs: list[str] = []
    start = begin
    for place in [*sorted(left_out), end]:
        if start < place:
            runs.append(analysis.text(start, place))
        start = place + 1
    text = spoken(" ".join(runs).rstrip(" .,;:!?"))
    named = overlap(analysis.names, begin, begin + 1)
    return text[:1].lower() + text[1:] if text[1:] == text[1:].lower() and not named else text


def _names(analysis: Analysis, phrase: Phrase) -> Iterator[str]:
    """The phrase without what stands before its modifiers, then without one after another of them, the first first."""
    tokens = analysis.tokens
    begins = [*phrase.modifiers, phrase.end - len(phrase.noun.split())]
    for begin in dict.fromkeys(begins):
        before = tokens[begin - 1] if begin > phrase.start else None
        bound = before is not None and (
            before.tag in {"CONJ", "PUNCT"}
            or not stands_apart(tokens, begin)
            or overlap(analysis.names, begin, begin)
            or (before.tag in {"ADJ", "NOUN"} and len(tokens[begin].lower) > 3 and tokens[begin].lower.endswith("ed"))
        )
        if not bound and tokens[begin].tag in {"ADJ", "PART", "NOUN"} and tokens[begin].lower not in QUANTITIES:
            name = surface(analysis, begin, phrase.end)
            named = overlap(analysis.names, begin, phrase.end)
            yield name if named else name.lower()
        if tokens[begin].lower in PRIVATIVE:
            return
