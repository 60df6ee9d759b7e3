"""The word lists beside this module: closed classes of words, kinds of things, and words that exclude each other."""

import re
from pathlib import Path


def table_lines(name: str) -> list[str]:
    """The lines of a table without comments; a line that begins with a blank continues the one before it."""
    text = Path(__file__).with_name(f"{name}.txt").read_text("utf-8")
    lines = "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))
    return re.sub("\n +", " ", lines).splitlines()


def table_rows(table: str, kind: str) -> list[tuple[str, str]]:
    """The lines ``KIND NAME: REST`` of a kind in a table, as (name, rest)."""
    heads = ((*line.partition(": ")[0].partition(" "), line.partition(": ")[2]) for line in table_lines(table))
    return [(name, rest) for label, _, name, rest in heads if label == kind]


LISTS = {name: frozenset(rest.split()) for name, rest in table_rows("lists", "words")} | {
    name: frozenset(rest.split(", ")) for name, rest in table_rows("lists", "phrases")
}
"""Words, or phrases of several words, by the name of their list."""

PERSONS = {form: person for person, forms in table_rows("lists", "person") for form in forms.split()}
"""Pronouns for people -> the noun that a caption means by them."""

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
"""Number words; the index is the value."""


def value(word: str) -> int | None:
    """The number that a word or numeral denotes; None for any other word."""
    if word.isascii() and word.isdigit():
        return int(word) if len(word) <= 9 else None
    return NUMBERS.index(word) if word in NUMBERS else None
