"""WordNet's noun hierarchy: ancestors of synsets, is-a pairs, and trees over the classes of a classifier.

The data home may hold all nouns of WordNet 3.0; without its tables the bundled ones are taken, which have no names of
places and people.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_columns
from hiergeo.datasets import lexicon
from hiergeo.datasets.download import data_home

FOLDER = Path("wordnet")
"""Folder of the tables in the data home."""

EDGES, SYNSETS = "noun_hypernyms.tsv.gz", "noun_synsets.tsv.gz"
"""Its files, separated by tabs: child and parent, the first parent of a child first; wnid and name of every synset."""

CURE = "write one `child<TAB>parent` a line there, such as dog.n.01<TAB>canine.n.02, or remove the folder"

BUNDLED, TABLES = "bundled", "tables"
"""What `WordNet.source` is for the nouns that come with hiergeo, and for those of a folder."""

Edge = tuple[str, str]


@dataclass(frozen=True)
class WordNet:
    """Noun synsets and what is above them.

    Attributes:
        parents: synset name, such as ``dog.n.01``, -> its direct hypernyms, in WordNet's order.
        names: wnid, such as ``n02084071``, -> synset name.
        source: `BUNDLED` or `TABLES`.
    """

    parents: dict[str, tuple[str, ...]]
    names: dict[str, str]
    source: str = BUNDLED

    @property
    def described(self) -> str:
        """Which nouns these are, such as ``bundled, 75,831 edges``, for results that depend on it."""
        return f"{self.source}, {sum(map(len, self.parents.values())):,} edges"

    def synset(self, name: str) -> str:
        """The name of a synset given by name or wnid. Raises InputError for what is neither; suggests the nearest."""
        synset = self.names.get(name, name)
        if synset not in self.parents:
            near = [other for other in self.parents if other.split(".")[0] == name.split(".")[0]]
            raise unknown_name("noun synset", name, near or list(self.parents)[:1000])
        return synset

    def ancestors(self, name: str) -> frozenset[str]:
        """Every synset above one, without itself."""
        start = self.synset(name)
        return frozenset(reached(start, self.parents) - {start})

    def is_a(self, names: Sequence[str]) -> list[tuple[int, int]]:
        """Pairs (i, j) of positions where names[j] is above names[i], in order; equal synsets are not a pair."""
        positions: dict[str, list[int]] = {}
        for index, name in enumerate(names):
            positions.setdefault(self.synset(name), []).append(index)
        return [
            (i, j)
            for i, name in enumerate(names)
            for above in sorted(self.ancestors(name))
            for j in positions.get(above, ())
        ]

    def tree(self, classes: Sequence[str]) -> tuple[Edge, ...]:
        """A tree whose nodes are the classes and where their ancestors branch, pairs (child, parent).

        Only the first hypernym of a synset is followed, so that every node has one parent; nodes with a single child
        that are not classes are left out. Classes keep the names they are given by, wnids or synset names.

        Raises:
            InputError: fewer than two classes, two that are one synset, or one that is not a noun synset.
        """
        given: dict[str, str] = {}
        for name in classes:
            synset = self.synset(name)
            if synset in given:
                raise InputError(
                    f"the classes '{given[synset]}' and '{name}' are one synset, {synset}: keep one of them."
                )
            given[synset] = name
        if len(given) < 2:
            raise InputError("a tree needs at least two classes.")
        first: dict[str, str] = {}
        for node in given:
            while node not in first and self.parents[node]:
                first[node] = self.parents[node][0]
                node = first[node]
        return contracted({given.get(c, c): given.get(p, p) for c, p in first.items()}, set(classes))


def reached(node: str, steps: Mapping[str, Iterable[str]]) -> set[str]:
    """A node and every one that steps lead to from it."""
    seen, todo = {node}, [node]
    while todo:
        new = set(steps.get(todo.pop(), ())) - seen
        seen |= new
        todo += new
    return seen


def contracted(parent: dict[str, str], classes: set[str]) -> tuple[Edge, ...]:
    """A tree, child -> parent, without the nodes of a single child that are not classes, as pairs (child, parent)."""
    children: dict[str, int] = {}
    for above in parent.values():
        children[above] = children.get(above, 0) + 1

    def idle(node: str) -> bool:
        return children.get(node, 0) == 1 and node not in classes

    edges = []
    for child, above in parent.items():
        while idle(above) and above in parent:
            above = parent[above]
        if not idle(child) and not idle(above):
            edges.append((child, above))
    return tuple(edges)


def load_wordnet(folder: Path | str | None = None) -> WordNet:
    """The noun synsets of the tables in a folder, or the bundled ones.

    Args:
        folder: by default `FOLDER` in the data home, or the bundled nouns where that does not hold the tables.

    Raises:
        UnavailableError: there are no such files.
        InputError: they are damaged, or a line has too few columns.
    """
    tables = data_home() / FOLDER if folder is None else path_of(folder)
    if folder is None and not (tables / EDGES).is_file():
        return _bundled()
    return _read(
        tables, tuple(path.stat().st_mtime_ns if path.is_file() else 0 for path in (tables / EDGES, tables / SYNSETS))
    )


@lru_cache(maxsize=1)
def _bundled() -> WordNet:
    return WordNet(lexicon.nouns().parents, lexicon.wnids())


@lru_cache(maxsize=2)
def _read(folder: Path, stamps: tuple[object, ...]) -> WordNet:
    """The tables of a folder, read once while they stay as they are."""
    parents: dict[str, list[str]] = {}
    for child, above in _columns(folder / EDGES, CURE):
        parents.setdefault(child, []).append(above)
        parents.setdefault(above, [])
    names = dict(_columns(folder / SYNSETS, "write one `wnid<TAB>synset name` a line there"))
    return WordNet({name: tuple(dict.fromkeys(above)) for name, above in parents.items()}, names, TABLES)


def _columns(path: Path, cure: str) -> list[tuple[str, str]]:
    """The first two columns of a table separated by tabs."""
    expected = "two columns separated by a tab"
    rows = [(cells[0], cells[1]) for _, cells in read_columns(path, cure, expected, most=8)]
    if not rows:
        raise InputError(f"{path} is empty.")
    return rows


def read_tree(path: Path | str) -> tuple[Edge, ...]:
    """The edges (child, parent) of a file in the format of ``imagenet_isa.txt``: ``parent child``, one pair a line.

    Raises:
        UnavailableError: there is no such file.
        InputError: it is not text, a line is not a pair of names, or there are none.
    """
    path = path_of(path)
    expected = "`parent child`, two names separated by a blank"
    lines = read_columns(path, "write one `parent child` a line there", expected, separator=None)
    edges = tuple((child, parent) for _, (parent, child) in lines)
    if not edges:
        raise InputError(f"{path} holds no edges: write one `parent child` a line.")
    return edges


def read_synsets(path: Path | str) -> list[tuple[str, str]]:
    """A list of (word, synset): a synset name or wnid a line, with the word before it and a tab where it has another.

    The word of ``traffic_light.n.01`` is "traffic light".

    Raises:
        UnavailableError: there is no such file.
        InputError: it is not text, a line has more columns or an empty one, or there are fewer than two lines.
    """
    path = path_of(path)
    expected = "a synset, or a word and a synset separated by a tab"
    lines = read_columns(path, "write one synset a line there", expected, least=1)
    synsets = [(cells[0] if len(cells) == 2 else spoken(cells)[0], cells[-1]) for _, cells in lines]
    if len(synsets) < 2:
        raise InputError(f"{path} needs at least two synsets.")
    return synsets


def spoken(synsets: Iterable[str]) -> list[str]:
    """The words of synset names: ``traffic_light.n.01`` is "traffic light"."""
    return [name.split(".")[0].replace("_", " ") for name in synsets]
