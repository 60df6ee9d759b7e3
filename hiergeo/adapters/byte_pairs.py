"""CLIP's byte-pair encoding without open_clip: the same tokens for every text, from a vocabulary of merges."""

import gzip
import html
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import final

import torch
from torch import Tensor

OPENS, CLOSES = "<start_of_text>", "<end_of_text>"
"""The last two tokens of a vocabulary; between them stands every text."""

PRINTABLE = re.compile("[ -%'-~]*")
"""Texts that have nothing to repair: printable ASCII without &."""

WORDS = re.compile(rf"{OPENS}|{CLOSES}|'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^ a-z0-9]+")
"""What is encoded by itself; see `_outline`."""

LONG_S, IOTA_BELOW = "\u017f", "\u0345"
"""To CLIP's pattern, which ignores case, the first is an s, and the second neither a letter nor anything else."""

CACHED = 1 << 16
"""Words whose tokens are remembered."""

SHOWN = (*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1))
HIDDEN = tuple(sorted({*range(256)} - {*SHOWN}))
"""Bytes that stand for themselves as letters of Latin-1, and those for which letters from 256 on stand."""

LETTERS = {**{byte: chr(byte) for byte in SHOWN}, **{byte: chr(256 + place) for place, byte in enumerate(HIDDEN)}}
"""The letter of every byte, in the order of the vocabulary."""


@final
class BytePairs:
    """A tokenizer: lower case, zero padding; of a text that is too long the last token becomes its end.

    Letters that were added to Unicode later than the tables of this Python are taken for symbols.

    Args:
        merges: pairs of pieces, most frequent first; the last piece of a word ends in ``</w>``.
        context: tokens of a row.
    """

    def __init__(self, merges: Sequence[tuple[str, str]], context: int) -> None:
        letters = LETTERS.values()
        pieces = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges)]
        self.ids = {piece: number for number, piece in enumerate([*pieces, OPENS, CLOSES])}
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.context = context
        self._known: dict[str, tuple[int, ...]] = {word: (self.ids[word],) for word in (OPENS, CLOSES)}

    @classmethod
    def of_file(cls, path: Path, context: int) -> "BytePairs":
        """The tokenizer of a gzip file of merges, one a line behind a header."""
        lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[1:]
        pairs = (line.split() for line in lines)
        return cls([(left, right) for left, right in pairs], context)

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return len(self.ids)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """(B, context) tokens, int64."""
        rows = torch.zeros(len(texts), self.context, dtype=torch.long)
        for row, text in zip(rows, texts, strict=True):
            tokens = [self.ids[OPENS], *self.encode(text), self.ids[CLOSES]]
            if len(tokens) > self.context:
                tokens[self.context - 1 :] = [self.ids[CLOSES]]
            row[: len(tokens)] = torch.tensor(tokens)
        return rows

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, without the two around it."""
        plain = cleaned(text)
        found = WORDS.finditer(plain if plain.isascii() else _outline(plain))
        return [token for word in found for token in self._tokens(plain[word.start() : word.end()])]

    def _tokens(self, word: str) -> tuple[int, ...]:
        known = self._known.get(word)
        if known is None:
            known = tuple(self.ids[piece] for piece in self._pieces(word))
            if len(self._known) < CACHED:
                self._known[word] = known
        return known

    def _pieces(self, word: str) -> list[str]:
        """The letters of a word, its most frequent pair joined again and again until no pair is known."""
        pieces = [LETTERS[byte] for byte in word.encode("utf-8")]
        pieces[-1] += "</w>"
        while len(pieces) > 1:
            pair = min(pairwise(pieces), key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if pair not in self.ranks:
                break
            pieces = _joined(pieces, pair)
        return pieces


def _joined(pieces: Sequence[str], pair: tuple[str, str]) -> list[str]:
    """Pieces with every occurrence of a pair made one, from the left."""
    made: list[str] = []
    place = 0
    while place < len(pieces):
        both = tuple(pieces[place : place + 2]) == pair
        made.append("".join(pair) if both else pieces[place])
        place += 2 if both else 1
    return made


def cleaned(text: str) -> str:
    """A text as CLIP reads it: broken Unicode and HTML repaired (by ftfy), single spaces, lower case."""
    if not PRINTABLE.fullmatch(text):
        import ftfy

        text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(text.split()).lower()


def _outline(text: str) -> str:
    """A text of the same length in ASCII: a letter is x, a number 0, another symbol #; ASCII stays."""
    return "".join(letter if letter.isascii() else _kind(letter) for letter in text)


def _kind(letter: str) -> str:
    if letter == LONG_S:
        return "s"
    if letter == IOTA_BELOW:
        return " "
    return {"L": "x", "N": "0"}.get(unicodedata.category(letter)[0], "#")
