"""Strict reading of what a language model answers: the texts that were requested, or why they cannot be used."""

import re
import unicodedata
from typing import final

from hiergeo._core.storage.documents import parse_json
from hiergeo._core.text import shortened
from hiergeo.construction.backends.prompts import CAPTION, REFUSED, TRUNCATED, Prompt, Reply
from hiergeo.construction.captions import SEPARATOR
from hiergeo.construction.drafts import normalised

LONGEST = 1000  # characters that a text may have, unless the caption that it is about has more
ECHOED_WORDS = 5  # words of a prompt in a row, none of them all in the item itself, that a text must not repeat

THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)```", re.DOTALL)


@final
class Unreadable(Exception):
    """An answer that cannot be used, for a reason in a few words that are the same for all such answers."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, shortened(" ".join(text.split()), 200)


def read_reply(prompt: Prompt, reply: Reply) -> tuple[str, ...]:
    """The texts that were requested, in the order of `Prompt.requested`.

    An answer is one JSON object and nothing else; a ``<think>`` block before it is passed over, and what stands around
    it if it is the only thing in a code fence. Nothing in it is mended but white space: it has to hold every key that
    was requested and no other, and repeat the caption.

    Raises:
        Unreadable: it does not.
    """
    if reply.finish in (REFUSED, TRUNCATED):
        raise Unreadable("refused by the model" if reply.finish == REFUSED else "truncated answer", reply.text)
    answer = _object(reply.text)
    wanted = {CAPTION, *prompt.requested}
    if answer.keys() != wanted:
        differing = sorted(str(name) for name in answer.keys() ^ wanted)
        raise Unreadable("wrong number of texts", f"{', '.join(differing)} in {reply.text}")
    texts = {name: _text(answer[name], prompt) for name in (CAPTION, *prompt.requested)}
    if normalised(texts.pop(CAPTION)) != normalised(prompt.caption):
        raise Unreadable("answer about another caption", str(answer[CAPTION]))
    seen = set(map(normalised, prompt.taken))
    for text in texts.values():
        if normalised(text) in seen:
            raise Unreadable("repeated text", text)
        if _echoes(text, prompt):
            raise Unreadable("prompt repeated", text)
        seen.add(normalised(text))
    return tuple(texts.values())


def _object(text: str) -> dict[str, object]:
    bare = THOUGHT.sub("", text, count=1) if THOUGHT.match(text) else text
    fenced = FENCED.findall(bare)
    try:
        value = parse_json((fenced[0] if len(fenced) == 1 else bare).strip().encode())
    except ValueError:  # among them no UTF-8, for half of a pair of surrogates
        value = None
    if not isinstance(value, dict):
        raise Unreadable("malformed answer", text)
    return value


def _text(value: object, prompt: Prompt) -> str:
    if not isinstance(value, str):
        raise Unreadable("malformed answer", f"{value!r} is not a text")
    text = " ".join(value.split())
    if not any(character.isalnum() for character in text):
        raise Unreadable("empty text", value)
    if len(text) > max(LONGEST, len(prompt.caption)):
        raise Unreadable("text too long", text)
    if text != " ".join(prompt.caption.split()) and (SEPARATOR in text or any(map(_is_unfit, text))):
        raise Unreadable("malformed answer", ascii(text))
    return text


def _is_unfit(character: str) -> bool:
    """Control characters, halves of surrogate pairs, unassigned and private ones, and the mark of undecodable bytes."""
    return unicodedata.category(character) in ("Cc", "Cs", "Cn", "Co") or character == "\N{REPLACEMENT CHARACTER}"


def _echoes(text: str, prompt: Prompt) -> bool:
    """Whether words in a row come out of the instructions or their example, and not out of the item."""
    words, own = normalised(text).split(), set(re.findall(r"\w+", normalised(prompt.user)))
    instructions = normalised(prompt.system)
    runs = (words[start : start + ECHOED_WORDS] for start in range(len(words) - ECHOED_WORDS + 1))
    return any(" ".join(run) in instructions and not own.issuperset(run) for run in runs)
