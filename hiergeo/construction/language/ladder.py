"""Ever more general texts of a caption, each of which follows from the one before it: the caption, beginnings of it,
its main noun phrase with fewer and fewer modifiers, the bare noun, and everyday kinds of what that names."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from hiergeo.construction.language.kinds import is_understood, kinds, wider
from hiergeo.construction.language.lexicon import plural
from hiergeo.construction.language.phrases import Analysis, Phrase
from hiergeo.construction.language.tables import LISTS
from hiergeo.construction.language.tagging import Token

VOWEL_SOUND = re.compile(r"(?!uni|use|one|eu|ut)[aeio]|(?!uni|use|ut)u|hour\b", re.IGNORECASE)
"""Beginning of a word before which the indefinite article is ``an``."""


@final
@dataclass(frozen=True)
class Ladder:
    """Texts about one thing of a caption, general to specific, the caption last: kinds, noun phrases, beginnings.

    Each follows from all behind it, and no two say the same; `noun` is the index of the bare noun, `described` of the
    noun with its nearest modifier.
    """

    rungs: tuple[str, ...]
    noun: int
    described: int


def ladders(analysis: Analysis) -> list[Ladder]:
    """A ladder for each thing of a known sort that a caption is sure to tell of, that of its main thing first."""
    main = analysis.main
    if main is None or main.head > analysis.denial:
        return []
    others = [phrase for phrase in analysis.phrases if phrase.start >= main.end and _is_sure(analysis, phrase)]
    understood = [phrase for phrase in (main, *others) if is_understood(phrase.noun) and not analysis.is_fixed(phrase)]
    return [_ladder(analysis, phrase, main) for phrase in understood]


def key(text: str) -> str:
    """What two texts that say the same have in common: their words without articles and marks."""
    words = (word.strip(".,;:!?\"'") for word in text.lower().split())
    return " ".join(word for word in words if word not in ("a", "an", "the", ""))


def with_articles(text: str) -> str:
    """A text with ``a`` and ``an`` as the words behind them ask for."""
    return re.sub(
        r"(?<!\S)(a)n?(?= (\S+))",
        lambda match: match[1] + ("n" if VOWEL_SOUND.match(match[2]) else ""),
        text,
        flags=re.IGNORECASE,
    )


def _is_sure(analysis: Analysis, phrase: Phrase) -> bool:
    """Whether a phrase after the main one tells of a thing that is there."""
    before = {token.lower for token in analysis.tokens[max(0, phrase.start - 2) : phrase.start]}
    head = analysis.tokens[phrase.head]
    is_shown = head.tag == "NOUN" and head.lemma not in LISTS["cameras"]
    return is_shown and before.isdisjoint(LISTS["unsure"]) and not _is_unreal(analysis, phrase)


def _is_unreal(analysis: Analysis, phrase: Phrase) -> bool:
    return any(token.lower in LISTS["privative"] for token in analysis.tokens[phrase.start : phrase.end])


def _ladder(analysis: Analysis, phrase: Phrase, main: Phrase) -> Ladder:
    head = analysis.tokens[phrase.head]
    above = () if _is_unreal(analysis, phrase) else dict.fromkeys((*wider(phrase.noun), *kinds(phrase.noun)))
    several = head.lower != head.lemma
    shown = [plural(kind) if several and kind not in LISTS["uncounted"] else kind for kind in above]
    names = list(_names(analysis, phrase)) or [phrase.noun]
    ends = [end for end in _ends(analysis, main) if end >= phrase.end] + [len(analysis.tokens)] * bool(main.start)
    cuts = [_surface(analysis, main.start, end) for end in ends]
    rungs: dict[str, str] = {}
    for text in (*reversed(shown), *reversed(names), *cuts):
        rungs.setdefault(key(text), text)
    rungs.pop(key(analysis.caption), None)
    noun = list(rungs).index(key(names[-1])) if key(names[-1]) in rungs else 0
    return Ladder((*rungs.values(), analysis.caption), noun, min(noun + (len(names) > 1), len(rungs) - 1))


def _surface(analysis: Analysis, start: int, end: int) -> str:
    """Tokens as they are written, without dangling words at the end and the capital that begins a sentence."""
    tokens = analysis.tokens
    while end > start and (tokens[end - 1].lower in LISTS["dangling"] or tokens[end - 1].tag == "PUNCT"):
        end -= 1
    text = analysis.text(start, end)
    is_sentence = start == 0 and (text[1:2].islower() or text[:2] == "A ")
    return text[:1].lower() + text[1:] if is_sentence else text


def _names(analysis: Analysis, phrase: Phrase) -> Iterator[str]:
    """The phrase without what stands before its modifiers, then without one after another of them, the first first."""
    tokens = analysis.tokens
    for begin in dict.fromkeys((*phrase.modifiers, phrase.end - len(phrase.noun.split()))):
        before = tokens[begin - 1] if begin > phrase.start else None
        is_bound = before is not None and (
            before.tag in ("CONJ", "PUNCT")
            or not _stands_apart(tokens, begin)
            or (before.tag in ("ADJ", "NOUN") and len(tokens[begin].lower) > 3 and tokens[begin].lower.endswith("ed"))
        )
        if not is_bound and tokens[begin].tag != "ADV":
            yield _surface(analysis, begin, phrase.end)
        if tokens[begin].lower in LISTS["privative"]:
            return


def _ends(analysis: Analysis, main: Phrase) -> list[int]:
    """Indices before which the caption can end: of phrases with a preposition, participles, clauses, conjunctions."""
    tokens = analysis.tokens
    inside = {index for phrase in analysis.phrases for index in range(phrase.start + 1, phrase.end)}
    ends: list[int] = []
    in_clause = False  # until the verb of a clause that a subordinator began
    for index in range(main.end, len(tokens)):
        token = tokens[index]
        if token.tag in ("VERB", "PART") and in_clause:
            in_clause = False
        elif not in_clause and _begins(tokens, index, main.end):
            end = index
            while end > main.end and _leads(tokens, end - 1):
                end -= 1
            ends.append(end)
        in_clause = in_clause or token.lower in LISTS["subordinators"]
    return [
        end for end in sorted(set(ends)) if end <= analysis.denial and end not in inside and _stands_apart(tokens, end)
    ]


def _leads(tokens: Sequence[Token], index: int) -> bool:
    """Whether a comma, conjunction or adverb belongs to what follows it: and then, next to, happily riding."""
    token = tokens[index]
    is_adverb = token.tag == "ADV" and index > 0 and tokens[index - 1].tag in ("NOUN", "PUNCT", "PRON")
    return token.tag == "PUNCT" or token.lower in ("and", "but", "&") or is_adverb


def _stands_apart(tokens: Sequence[Token], index: int) -> bool:
    """Whether a text can be cut before a token: it is a mark, or a blank is before it."""
    return tokens[index].tag == "PUNCT" or index == 0 or tokens[index - 1].end < tokens[index].start


def _begins(tokens: Sequence[Token], index: int, start: int) -> bool:
    """Whether a part begins at a token without which what is before it still is complete."""
    token, before = tokens[index], tokens[index - 1]
    if before.lower == "such":
        return False
    if index + 1 == len(tokens):
        return token.tag in ("PART", "VERB") and before.tag == "NOUN"
    after = tokens[index + 1]
    match token.tag:
        case "PUNCT":
            starts_phrase = after.tag in ("DET", "NOUN", "NUM", "ADJ", "PRON")
            joins = token.lower == "," and starts_phrase and not _is_in_list(tokens, index)
            return before.tag != "PUNCT" and (token.lower in ".;:!?-–—()" or joins)
        case "ADP":
            return _begins_preposition(tokens, index)
        case "PART" | "VERB":
            leads = before.tag == "ADV" and _leads(tokens, index - 1)
            return leads or index == start or before.tag in ("NOUN", "PUNCT", "NUM")
        case "CONJ":
            if token.lower in LISTS["subordinators"]:
                return before.tag not in ("VERB", "ADP", "ADV", "CONJ")
            joins = token.lower not in ("or", "nor") and before.tag not in ("ADP", "CONJ")
            return joins and not _is_in_list(tokens, index)
        case "NEG":
            return before.tag in ("NOUN", "PUNCT")
        case _:
            return False


def _begins_preposition(tokens: Sequence[Token], index: int) -> bool:
    token, before, after = tokens[index], tokens[index - 1], tokens[index + 1]
    is_infinitive = token.lower == "to" and after.tag == "VERB" and before.tag != "NOUN"
    if is_infinitive or before.tag in ("ADP", "CONJ", "NEG", "DET") or after.tag in ("PUNCT", "CONJ"):
        return False
    if token.lower == "of":
        return before.tag == "NOUN" and before.lemma not in LISTS["views"] | LISTS["amounts"]
    if before.tag == "ADV":
        return _leads(tokens, index - 1)
    if before.tag in ("VERB", "PART"):
        is_particle = token.lower in ("up", "off", "out", "away") or after.tag == "ADP"
        return before.lemma not in LISTS["bound"] and not (token.lower in LISTS["particles"] and is_particle)
    return True


def _is_in_list(tokens: Sequence[Token], index: int) -> bool:
    """Whether a comma or conjunction follows the second item or a later one of a list: "a sink, a stove and"."""
    for before in reversed(tokens[: index - (tokens[index - 1].lower == ",")]):
        if before.tag in ("ADP", "VERB", "PART"):
            return False
        if before.lower == ",":
            return True
    return False
