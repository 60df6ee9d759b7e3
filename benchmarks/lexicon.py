"""How the lexicon was made: ``python -m benchmarks.lexicon DICT_FOLDER`` makes it anew from WordNet's own files.

The files are those of WordNet 3.0, as in the folder `dict` of its distribution or in ``/usr/share/wordnet`` of Debian's
package wordnet-base; their format is described in its manual, wndb(5WN). Kept are nouns without instances (names of
places and people) with their hypernyms, the single words among verbs, adjectives and adverbs,
irregular forms, and how often each sense was tagged in the semantic concordances.
"""

import lzma
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from hiergeo._core.errors import HiergeoError, InputError
from hiergeo._core.storage.files import atomic_write
from hiergeo._core.storage.texts import read_lines
from hiergeo.datasets.lexicon import OFFSETS, RESOURCE, SEPARATOR, Section

CURE = "name the folder of WordNet 3.0's files, such as /usr/share/wordnet of Debian's package wordnet-base"

FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "pb": 0}]
"""Settings that suit short ASCII lines; part of what makes the file reproducible."""

KINDS = {"1": "noun", "2": "verb", "3": "adj", "4": "adv", "5": "adj"}
"""Types of synsets in sense keys -> ends of the names of files; 5 is a satellite adjective."""


class Synset(NamedTuple):
    """A line of a data file: its words in lower case and its pointers (symbol, offset)."""

    words: tuple[str, ...]
    pointers: tuple[tuple[str, str], ...]

    def targets(self, symbol: str) -> list[str]:
        """Offsets of the synsets that a symbol points to, in order."""
        return [offset for mark, offset in self.pointers if mark == symbol]


Senses = dict[tuple[str, str], int]
Counts = dict[tuple[str, str, int], int]


def make(folder: Path) -> str:
    """The lexicon of the files in `folder`: the same text every time.

    Raises:
        UnavailableError: a file is missing.
        InputError: they are not those of WordNet 3.0.
    """
    try:
        return _made(folder)
    except (ValueError, LookupError) as error:
        if isinstance(error, HiergeoError):
            raise
        raise InputError(f"{folder} does not hold the files of WordNet 3.0: {CURE}.") from error


def _made(folder: Path) -> str:
    counts = _counts(folder)
    sections = {
        **_nouns(folder, counts),
        Section.VERBS: _totals(folder, "verb", counts),
        Section.ADVERBS: _totals(folder, "adv", counts),
        Section.ADJECTIVES: _totals(folder, "adj", counts),
        Section.NOUN_FORMS: _exceptions(folder, "noun"),
        Section.VERB_FORMS: _exceptions(folder, "verb"),
        Section.ADJECTIVE_FORMS: _exceptions(folder, "adj"),
    }
    return SEPARATOR.join("\n".join(sections[section]) for section in Section) + "\n"


def _lines(folder: Path, name: str) -> Iterator[str]:
    """Lines of a file without the licence at its head, which is indented by two spaces."""
    return (line for line in read_lines(folder / name, CURE) if not line.startswith("  "))


def _synsets(folder: Path, kind: str) -> dict[str, Synset]:
    """Offset -> synset, in the order of the file."""
    found = {}
    for line in _lines(folder, f"data.{kind}"):
        fields = line.partition(" | ")[0].split()
        after = 4 + 2 * int(fields[3], 16)
        words = (word.partition("(")[0].lower() for word in fields[4:after:2])
        places = range(after + 1, after + 1 + 4 * int(fields[after]), 4)
        pointers = tuple((fields[at], fields[at + 1]) for at in places)
        found[fields[0]] = Synset(tuple(words), pointers)
    return found


def _senses(folder: Path, kind: str) -> Senses:
    """(word, offset of its synset) -> number of the sense, the most frequent one first, from 1."""
    numbers = {}
    for line in _lines(folder, f"index.{kind}"):
        fields = line.split()
        for number, offset in enumerate(fields[6 + int(fields[3]) :], 1):
            numbers[fields[0], offset] = number
    return numbers


def _counts(folder: Path) -> Counts:
    """(kind, word, number of the sense) -> how often it was tagged."""
    counts = {}
    for line in _lines(folder, "cntlist.rev"):
        key, number, count = line.split()
        word, _, rest = key.partition("%")
        counts[KINDS[rest[0]], word, int(number)] = int(count)
    return counts


def _kept(folder: Path) -> dict[str, Synset]:
    """The nouns without instances and what stands below these alone."""
    kept = {offset: synset for offset, synset in _synsets(folder, "noun").items() if not synset.targets("@i")}
    while lost := [o for o, s in kept.items() if s.targets("@") and not any(p in kept for p in s.targets("@"))]:
        kept = {offset: synset for offset, synset in kept.items() if offset not in lost}
    return kept


def offsets(folder: Path) -> str:
    """For each noun that is kept how far it stands behind the one before it, a line each."""
    places = [0, *map(int, _kept(folder))]
    return "\n".join(str(place - before) for before, place in pairwise(places)) + "\n"


def _nouns(folder: Path, counts: Counts) -> dict[Section, list[str]]:
    kept, senses = _kept(folder), _senses(folder, "noun")
    place = {offset: at for at, offset in enumerate(kept)}

    def told(word: str, offset: str) -> str:
        number = senses[word, offset]
        count = counts.get(("noun", word, number), 0)
        return (str(number) if number > 1 else "") + (f":{count}" if count else "")

    return {
        Section.WORDS: [",".join(synset.words) for synset in kept.values()],
        Section.SENSES: [",".join(told(word, offset) for word in synset.words) for offset, synset in kept.items()],
        Section.PARENTS: [
            ",".join(str(place[offset] - place[parent]) for parent in synset.targets("@") if parent in place)
            for offset, synset in kept.items()
        ],
    }


def _totals(folder: Path, kind: str, counts: Counts) -> list[str]:
    """``word count`` for the single words of a kind, the count of all senses; left out where it is 0."""
    totals = {line.split()[0]: 0 for line in _lines(folder, f"index.{kind}")}
    for (of, word, _), count in counts.items():
        if of == kind and word in totals:
            totals[word] += count
    return [f"{word} {count}" if count else word for word, count in sorted(totals.items()) if "_" not in word]


def _exceptions(folder: Path, kind: str) -> list[str]:
    """``form lemma`` for irregular forms of single words."""
    pairs = (line.split()[:2] for line in _lines(folder, f"{kind}.exc"))
    return sorted(f"{form} {lemma}" for form, lemma in pairs if "_" not in form and form != lemma)


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of WordNet 3.0's files.", metavar="DICT_FOLDER")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = RESOURCE.parent,
) -> None:
    """Make the lexicon anew."""
    for name, text in ((RESOURCE.name, make(folder)), (OFFSETS.name, offsets(folder))):
        with atomic_write(out / name) as handle:
            handle.write(lzma.compress(text.encode("ascii"), check=lzma.CHECK_CRC32, filters=FILTERS))


if __name__ == "__main__":
    typer.run(main)
