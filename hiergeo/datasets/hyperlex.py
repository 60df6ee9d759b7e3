"""HyperLex: word pairs with a graded answer to "to what degree is X a type of Y?"."""

from dataclasses import dataclass
from pathlib import Path

from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_lines
from hiergeo.datasets.download import data_home

FILE = Path("hyperlex") / "hyperlex-all.txt"
"""Path of the table in the data home."""

COLUMNS = ("WORD1", "WORD2", "POS", "TYPE", "AVG_SCORE", "AVG_SCORE_0_10")
"""First columns of the table."""


@dataclass(frozen=True)
class WordPair:
    """Two words and how much the first is a type of the second.

    Attributes:
        word: X.
        kind: Y.
        part_of_speech: ``N`` or ``V``.
        relation: such as ``hyp-2`` (Y is two steps above X in WordNet), ``r-hyp-2`` (below), ``syn`` or ``no-rel``.
        score: the mean of the ratings, in [0, 10].
    """

    word: str
    kind: str
    part_of_speech: str
    relation: str
    score: float


def load_hyperlex(path: Path | str | None = None) -> tuple[WordPair, ...]:
    """Read the pairs of a HyperLex table or of a split of it, by default `FILE` in the data home.

    Raises:
        UnavailableError: there is no such file.
        InputError: the file is not such a table in UTF-8, or a line is incomplete or has a score outside [0, 10].

    Source: Vulic et al., HyperLex (Computational Linguistics 2017).
    """
    path = data_home() / FILE if path is None else path_of(path)
    cure = "run `hiergeo data fetch hyperlex`, or put the table of HyperLex there"
    head, *lines = read_lines(path, cure) or [""]
    if tuple(head.split()[: len(COLUMNS)]) != COLUMNS or not lines:
        raise InputError(f"{path} is not a table of HyperLex: its first line must begin with {' '.join(COLUMNS)}.")
    return tuple(_pair(path, number, line) for number, line in enumerate(lines, 2) if line.strip())


def _pair(path: Path, number: int, line: str) -> WordPair:
    try:
        word, kind, part_of_speech, relation, _, score = line.split()[: len(COLUMNS)]
        pair = WordPair(word, kind, part_of_speech, relation, float(score))
    except ValueError:
        raise InputError(f"{path}, line {number}: expected {' '.join(COLUMNS)}.") from None
    if not 0 <= pair.score <= 10:
        raise InputError(f"{path}, line {number}: the score must be between 0 and 10, not {score}.")
    return pair
