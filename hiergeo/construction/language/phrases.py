"""The noun phrases of a caption, the one that it is about, and where it denies something."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from hiergeo.construction.language.kinds import LISTED
from hiergeo.construction.language.lexicon import lexicon
from hiergeo.construction.language.tables import LISTS, PERSONS
from hiergeo.construction.language.tagging import Token, tokenized

LONGEST_COMPOUND = 4  # words of a noun of several words


@final
@dataclass(frozen=True)
class Phrase:
    """A noun phrase: indices of its tokens, of (the last word of) its noun, and of the adjectives, participles, nouns
    and adverbs before it that may be left out; the noun is in the singular, of several words where the lexicon has
    them: ``fire hydrant``."""

    start: int
    end: int
    head: int
    noun: str
    modifiers: tuple[int, ...] = ()


@final
@dataclass(frozen=True)
class Analysis:
    """The structure of a caption: tokens, noun phrases, and the one that it is about (of ``a group of men`` the men).

    `denial` is the index of the first ``no``, ``not`` or ``without``, behind which nothing is changed; else of the end.
    """

    caption: str
    tokens: tuple[Token, ...]
    phrases: tuple[Phrase, ...]
    main: Phrase | None
    denial: int

    def text(self, start: int, end: int) -> str:
        """The caption from one token to before another, as it is written."""
        return self.caption[self.tokens[start].start : self.tokens[end - 1].end] if start < end else ""

    def is_fixed(self, phrase: Phrase) -> bool:
        """Whether a phrase is denied or a proper name, that is a word with a capital inside a sentence."""
        text = self.tokens[phrase.head].text
        return phrase.head > self.denial or (
            phrase.head > 0 and text[0].isupper() and text[1:2].islower() and not self.caption.istitle()
        )


def parse(text: str) -> Analysis:
    """The structure of a caption. Takes any text; finds what it can."""
    words = tokenized(text)
    phrases = _phrases(words)
    denial = next((index for index, token in enumerate(words) if token.tag == "NEG"), len(words))
    return Analysis(text, words, phrases, _main(words, phrases), denial)


def head_noun(text: str) -> str | None:
    """The noun that a caption is about, in the singular: ``Two dogs on a sofa`` -> ``dog``; None where it has none."""
    main = parse(text).main
    return None if main is None else main.noun


def _phrases(words: Sequence[Token]) -> tuple[Phrase, ...]:
    phrases = []
    index = 0
    while index < len(words):
        end = _end(words, index)
        head = next((last for last in range(end - 1, index - 1, -1) if words[last].tag == "NOUN"), None)
        if head is not None:
            phrases.append(_phrase(words, index, head))
            index = head + 1
        elif words[index].tag == "PRON" and words[index].lower in PERSONS:
            phrases.append(Phrase(index, index + 1, index, PERSONS[words[index].lower]))
            index += 1
        else:
            index = max(end, index + 1)
    return tuple(phrases)


def _end(words: Sequence[Token], start: int) -> int:
    """The index after the tokens from `start` that can be of one noun phrase."""
    index = start
    while index < len(words):
        token, before = words[index], words[index - 1].tag if index > start else None
        after = words[index + 1].tag if index + 1 < len(words) else None
        match token.tag:
            case "DET":
                fits = before in (None, "DET") or token.lower in ("'s", "’s", "'", "’")
            case "NUM" | "ADJ":
                fits = before != "NOUN"
            case "NOUN":
                fits = True
            case "ADV":
                fits = before != "NOUN" and after in ("ADJ", "PART") and index + 2 < len(words)
            case "PART":
                fits = _describes(words, index, start)
            case "CONJ" | "PUNCT":
                joins = token.lower in ("and", "&", ",", "-", "/")
                fits = joins and before == "ADJ" and after in ("ADJ", "PUNCT", "CONJ")
            case _:
                fits = False
        if not fits:
            break
        index += 1
    return index


def _describes(words: Sequence[Token], index: int, start: int) -> bool:
    """Whether a participle stands before a noun that it describes: a parked car, sleeping dogs."""
    ahead = index + 1
    while ahead < len(words) and words[ahead].tag == "ADJ":
        ahead += 1
    if ahead >= len(words) or words[ahead].tag != "NOUN":
        return False
    if index > start:
        return words[index - 1].tag != "NOUN" or words[index].lemma in LISTS["compounded"]
    return not words[index].lower.endswith("ing") or (index > 0 and words[index - 1].lower == "of")


def _phrase(words: Sequence[Token], start: int, head: int) -> Phrase:
    first = max((index + 1 for index in range(start, head) if words[index].tag in ("DET", "NUM")), default=start)
    noun, of_noun = _noun(words, first, head)
    kinds = ("ADJ", "PART", "NOUN", "ADV")
    return Phrase(start, head + 1, head, noun, tuple(i for i in range(first, of_noun) if words[i].tag in kinds))


def _noun(words: Sequence[Token], first: int, head: int) -> tuple[str, int]:
    """The longest noun of the lexicon that ends with the head, and the index where it begins."""
    single = words[head].lemma
    for begin in range(max(first, head + 1 - LONGEST_COMPOUND), head):
        if any(token.tag in ("PUNCT", "CONJ") for token in words[begin:head]):
            continue
        before = " ".join(token.lower for token in words[begin:head])
        for noun in (f"{before} {single}", f"{before} {words[head].lower}"):
            if noun in LISTED or (words[begin].tag == "NOUN" and lexicon().is_noun(noun)):
                return noun, begin
    return single, head


def _main(words: Sequence[Token], phrases: Sequence[Phrase]) -> Phrase | None:
    candidates = list(phrases)
    if not candidates:
        return None
    if words[0].tag == "ADP" and words[0].lower != "of":
        free = [
            phrase for phrase in candidates if phrase.start == 0 or words[phrase.start - 1].tag not in ("ADP", "CONJ")
        ]
        candidates = candidates[candidates.index(free[0]) :] if free else candidates
    index = 0
    while index + 1 < len(candidates) and _introduces(words, candidates[index], candidates[index + 1]):
        index += 1
    return candidates[index]


def _introduces(words: Sequence[Token], phrase: Phrase, following: Phrase) -> bool:
    """Whether a phrase says how much of the following one there is, or how it is seen: a photo of, a group of."""
    between = [token.lower for token in words[phrase.end : following.start]]
    if not between or between[-1] not in LISTS["showing"] or len(between) > 4:
        return False
    head = words[phrase.head].lemma
    view = head in LISTS["views"] or phrase.noun in LISTS["views"]
    return view or (between == ["of"] and head in LISTS["amounts"])
