"""The structure of a caption: its noun phrases, the one it is about, and what can be cut from its end."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

from hiergeo.construction.language import grammar
from hiergeo.construction.language.lexicon import lexicon
from hiergeo.construction.language.tagging import Token, known_words, tokens
from hiergeo.construction.language.trails import negated_spans, trails_after

LONGEST_COMPOUND = 4
"""Words of a noun of several words."""

ENGLISH = 0.6
"""Share of its words that English has, from which a text is taken for English."""

Span = tuple[int, int]


@final
@dataclass(frozen=True)
class Phrase:
    """A noun phrase; places are indices of tokens.

    Attributes:
        start: place of its first token.
        end: place after its last one.
        head: place of its noun, the last word of it where it has several.
        noun: the noun in the singular, of several words where the lexicon has them: ``fire hydrant``.
        modifiers: places of what describes the noun and may be left out, in order: adjectives, participles, nouns, and
            adverbs before them. Words of the noun itself, articles, numbers and possessors are not among them.
    """

    start: int
    end: int
    head: int
    noun: str
    modifiers: tuple[int, ...] = ()


@final
@dataclass(frozen=True)
class Analysis:
    """What is known of the structure of a caption; spans are places of tokens, from the first to after the last.

    Attributes:
        caption: the text.
        tokens: its words and marks.
        phrases: its noun phrases, in order.
        main: the phrase that it is about: of ``a group of men`` that of the men. None where it has no noun.
        trails: adjoining spans after the main phrase, up to the end. Any number of them can be cut from the end, and
            what is left still holds: phrases with a preposition, participles, clauses, what is joined by ``and``.
        negated: spans under ``no``, ``not``, ``without``; no trail begins inside one.
        names: spans of proper names: words with capitals inside a sentence, unless all words have them.
    """

    caption: str
    tokens: tuple[Token, ...]
    phrases: tuple[Phrase, ...] = ()
    main: Phrase | None = None
    trails: tuple[Span, ...] = ()
    negated: tuple[Span, ...] = field(default=())
    names: tuple[Span, ...] = ()

    def text(self, start: int, end: int) -> str:
        """The caption from one token to before another, as it is written."""
        return self.caption[self.tokens[start].start : self.tokens[end - 1].end] if start < end else ""


def parse(text: str) -> Analysis:
    """The structure of a caption. Takes any text; finds what it can."""
    found = tokens(text)
    phrases = _phrases(found)
    main = _main(found, phrases)
    negated = negated_spans(found)
    trails = (
        () if main is None else trails_after(found, main.end, (*negated, *((each.start, each.end) for each in phrases)))
    )
    return Analysis(text, found, phrases, main, trails, negated, _names(found))


def head_noun(text: str) -> str | None:
    """The noun that a caption is about, in the singular: ``Two dogs on a sofa`` -> ``dog``; None where it has none."""
    main = parse(text).main
    return None if main is None else main.noun


def looks_english(text: str) -> bool:
    """Whether a text has words, and most of them are English."""
    known, words = known_words(text)
    return words > 0 and known >= ENGLISH * words


def _names(found: Sequence[Token]) -> tuple[Span, ...]:
    long = [token for token in found[1:] if len(token.text) > 3 and token.text[0].isalpha()]
    if len(long) > 2 and all(token.text[0].isupper() for token in long):
        return ()
    spans: list[Span] = []
    for place, token in enumerate(found):
        if not place or found[place - 1].text in ".!?" or not _has_capital(token):
            continue
        begin = place
        joined = place - (found[place - 1].lower == "'s")
        if spans and spans[-1][1] == joined:
            begin = spans.pop()[0]
        elif place == 1 and found[0].tag in ("NOUN", "ADJ") and found[0].text[0].isupper():
            begin = 0
        spans.append((begin, place + 1))
    return tuple(span for span in spans if not _is_common(found, *span))


def _has_capital(token: Token) -> bool:
    """Whether a word is written as names are: Rome, AT&T, but no T-shirt and no TV."""
    if not token.text[0].isupper() or token.tag in ("PRON", "DET"):
        return False
    shouted = len(token.text) > 1 and token.text.isupper()
    return (shouted and not lexicon().is_noun(token.lemma)) or token.text[1:2].islower()


def _is_common(found: Sequence[Token], start: int, end: int) -> bool:
    """Whether a word with a capital is a common noun all the same: a Frisbee."""
    return end == start + 1 and found[start - 1].lower in ("a", "an") and lexicon().is_noun(found[start].lemma)


def _phrases(found: Sequence[Token]) -> tuple[Phrase, ...]:
    phrases = []
    place = 0
    while place < len(found):
        end = _end(found, place)
        head = next((each for each in range(end - 1, place - 1, -1) if found[each].tag == "NOUN"), None)
        if head is not None:
            phrases.append(_phrase(found, place, head))
            place = head + 1
        elif found[place].tag == "PRON" and found[place].lower in grammar.PERSONS:
            phrases.append(Phrase(place, place + 1, place, grammar.PERSONS[found[place].lower]))
            place += 1
        else:
            place = max(end, place + 1)
    return tuple(phrases)


def _end(found: Sequence[Token], start: int) -> int:
    """The place after the tokens from `start` that can be of one noun phrase."""
    place = start
    while place < len(found):
        token, before = found[place], found[place - 1].tag if place > start else None
        after = found[place + 1].tag if place + 1 < len(found) else None
        match token.tag:
            case "DET":
                fits = before in (None, "DET") or token.lower in ("'s", "’s", "'", "’")
            case "NUM" | "ADJ":
                fits = before != "NOUN"
            case "NOUN":
                fits = True
            case "ADV":
                fits = before != "NOUN" and after in ("ADJ", "PART") and place + 2 < len(found)
            case "PART":
                fits = _describes(found, place, start)
            case "CONJ" | "PUNCT":
                joins = token.lower in ("and", "&", ",", "-", "/")
                fits = joins and before == "ADJ" and after in ("ADJ", "PUNCT", "CONJ") and _leads_to_noun(found, place)
            case _:
                fits = False
        if not fits:
            break
        place += 1
    return place


def _leads_to_noun(found: Sequence[Token], place: int) -> bool:
    """Whether adjectives and a noun follow: of "black and white cat", not of "the sky is blue and clear"."""
    ahead = place
    while ahead < len(found) and ahead < place + 8 and found[ahead].tag in ("ADJ", "PUNCT", "CONJ", "ADV", "PART"):
        ahead += 1
    return ahead < len(found) and found[ahead].tag == "NOUN" and found[ahead - 1].tag in ("ADJ", "PART")


def _describes(found: Sequence[Token], place: int, start: int) -> bool:
    """Whether a participle stands before a noun that it describes: a parked car, sleeping dogs."""
    ahead = place + 1
    while ahead < len(found) and found[ahead].tag == "ADJ":
        ahead += 1
    if ahead >= len(found) or found[ahead].tag != "NOUN":
        return False
    if place > start and found[place - 1].tag == "NOUN":
        return found[place].lemma in grammar.LISTS["compounded"]
    if place > start:
        return found[place - 1].tag in ("DET", "ADJ", "NUM", "ADV", "CONJ", "PUNCT", "PART")
    if place and found[place - 1].tag not in ("ADP", "CONJ", "PUNCT", "NEG"):
        return False
    passive = not found[place].lower.endswith("ing")
    of = place > 0 and found[place - 1].lower == "of"
    return passive or of or found[place].lemma in grammar.LISTS["standing"]


def _phrase(found: Sequence[Token], start: int, head: int) -> Phrase:
    first = max((each + 1 for each in range(start, head) if found[each].tag in ("DET", "NUM")), default=start)
    noun, of_noun = _noun(found, first, head)
    kinds = ("ADJ", "PART", "NOUN", "ADV")
    return Phrase(start, head + 1, head, noun, tuple(i for i in range(first, of_noun) if found[i].tag in kinds))


def _noun(found: Sequence[Token], first: int, head: int) -> tuple[str, int]:
    """The longest noun of the lexicon that ends with the head, and the place where it begins."""
    single = found[head].lemma
    for begin in range(max(first, head + 1 - LONGEST_COMPOUND), head):
        if any(token.tag in ("PUNCT", "CONJ") for token in found[begin:head]):
            continue
        before = " ".join(token.lower for token in found[begin:head])
        for noun in (f"{before} {single}", f"{before} {found[head].lower}"):
            named = found[begin].tag == "NOUN" or noun in grammar.NAMED_BY_ADJECTIVE
            if named and (lexicon().is_noun(noun) or noun == "hot air balloon"):
                return noun, begin
    return single, head


def _main(found: Sequence[Token], phrases: Sequence[Phrase]) -> Phrase | None:
    candidates = list(phrases)
    if not candidates:
        return None
    if found[0].tag == "ADP" and found[0].lower != "of":
        free = [each for each in candidates if each.start == 0 or found[each.start - 1].tag not in ("ADP", "CONJ")]
        candidates = candidates[candidates.index(free[0]) :] if free else candidates
    watchers = found[candidates[0].head].lower in grammar.LISTS["watchers"]
    place = 1 if watchers and len(candidates) > 1 else 0
    while place + 1 < len(candidates) and _introduces(found, candidates[place], candidates[place + 1]):
        place += 1
    return candidates[place]


def _introduces(found: Sequence[Token], phrase: Phrase, following: Phrase) -> bool:
    """Whether a phrase says how much of the following one there is, or how it is seen: a photo of, a group of."""
    between = [token.lower for token in found[phrase.end : following.start]]
    if not between or between[-1] not in grammar.LISTS["showing"] or len(between) > 4:
        return False
    head = found[phrase.head].lemma
    view = head in grammar.VIEWS or phrase.noun in grammar.VIEWS
    return view or (between == ["of"] and head in grammar.AMOUNTS)
