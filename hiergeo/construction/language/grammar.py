"""The tables of this folder: words of closed classes, and nouns and verbs that captions use in a way of their own.

What a list of words is for is said above it in ``lists.txt``.
"""

import re
from pathlib import Path


def word_set(text: str) -> frozenset[str]:
    """The words of a text, between blanks."""
    return frozenset(text.split())


def table_lines(name: str) -> list[str]:
    """The lines of a table of this folder, without comments; a line that begins with a blank goes on with the last."""
    text = Path(__file__).with_name(f"{name}.txt").read_text("utf-8")
    lines = "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))
    return re.sub("\n +", " ", lines).splitlines()


def table_rows(table: str, kind: str) -> list[tuple[str, str]]:
    """The lines ``KIND NAME: REST`` of a kind in a table, as (name, rest)."""
    heads = ((*line.partition(": ")[0].partition(" "), line.partition(": ")[2]) for line in table_lines(table))
    return [(name, rest) for of, _, name, rest in heads if of == kind]


LISTS = {name: word_set(rest) for name, rest in table_rows("lists", "words")} | {
    name: frozenset(rest.split(", ")) for name, rest in table_rows("lists", "phrases")
}
"""Words, or phrases, by the name of their list."""

PERSONS = {form: person for person, forms in table_rows("lists", "person") for form in forms.split()}
"""Pronouns for people -> what a caption means by them."""

AUXILIARIES = {form: verb for verb, forms in table_rows("lists", "auxiliary") for form in forms.split()}
"""Forms of auxiliary verbs -> verb."""

PRONOUNS = LISTS["impersonal"] | set(PERSONS)
DETERMINERS = LISTS["determiners"]
SUBORDINATORS = LISTS["subordinators"]
VIEWS = LISTS["views"]
AMOUNTS = LISTS["amounts"]
BOUND = LISTS["bound"]
NAMED_BY_ADJECTIVE = LISTS["named_by_adjective"]
COLOURS = LISTS["colours"]
NOUNS_IN_ING = LISTS["nouns_in_ing"]
