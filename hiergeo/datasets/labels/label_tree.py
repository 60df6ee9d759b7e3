"""Trees of labels: what is above what, where labels may have several parents and there may be several roots."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256
from typing import Any, NamedTuple, final

import numpy as np

from hiergeo._core.errors import InputError, several
from hiergeo._core.text import few

JOINT = " > "
"""What separates the labels of a path that is written in one text."""


@dataclass(frozen=True)
class Entry:
    """One line of a description of a tree.

    Attributes:
        key: what identifies the label.
        parents: keys of what is directly above it.
        name: what people call it; the key where empty.
        synonyms: its other names.
        line: where it stands, from 1; 0 is nowhere.
    """

    key: str
    parents: tuple[str, ...] = ()
    name: str = ""
    synonyms: tuple[str, ...] = ()
    line: int = 0

    @property
    def origin(self) -> str:
        """The line, for the beginning of a defect."""
        return f"line {self.line}: " if self.line else ""


class Edges(NamedTuple):
    """Edges of a tree, (E,) int64 each, ordered by parent; of the top labels the parent is `LabelTree.start`."""

    parent: np.ndarray
    child: np.ndarray


@final
class LabelTree:
    """Labels, each below its parents: a tree, or a graph without cycles where a label has several parents.

    The root, which is above every label, says nothing about an item: it has level 0 and is on no path. It is the only
    label without parents, or, where several have none, a virtual one that is no label. Labels are numbered so that
    parents come before their children.

    Args:
        entries: the labels; several of one key are one label with the parents and names of all.
        where: what is described, for errors.
        closed: whether every parent must be an entry; otherwise one that is none becomes a label without parents.

    Attributes:
        keys: what identifies each label, (N,).
        names: what people call it, (N,).
        synonyms: its other names, (N,).
        parents: the numbers of its parents, (N,), in the order of the entries.
        namesakes: which names several labels have and on which lines, in words; empty without any.

    Raises:
        InputError: a cycle, an unknown parent where `closed`, or fewer than two labels below the root; names the lines.
    """

    def __init__(self, entries: Iterable[Entry], where: str = "the tree", *, closed: bool = False) -> None:
        listed = list(entries)
        own = {entry.key for entry in listed}
        if closed and (orphans := [f"{e.origin}'{p}'" for e in listed for p in e.parents if p not in own]):
            raise InputError(f"{where} has no entry for a parent: {several(orphans[0], orphans[1:])}.")
        above: dict[str, dict[str, None]] = {}
        words: dict[str, dict[str, None]] = {}
        lines: dict[str, int] = {}
        for entry in listed:
            above.setdefault(entry.key, {}).update(dict.fromkeys(entry.parents))
            given = ([entry.name] if entry.name else []) + list(entry.synonyms)
            words.setdefault(entry.key, {}).update(dict.fromkeys(given))
            lines.setdefault(entry.key, entry.line)
        for entry in listed:
            for parent in entry.parents:
                above.setdefault(parent, {})
        try:
            order = list(TopologicalSorter(above).static_order())
        except CycleError as error:
            raise InputError(
                f"{where} has a cycle, {_cycle(error.args[1], lines)}: a label is above itself."
            ) from error
        number = {key: at for at, key in enumerate(order)}
        self.keys: tuple[str, ...] = tuple(order)
        named = [list(words.get(key, ())) or [key] for key in order]
        self.names: tuple[str, ...] = tuple(of[0] for of in named)
        self.synonyms: tuple[tuple[str, ...], ...] = tuple(tuple(of[1:]) for of in named)
        self.parents: tuple[tuple[int, ...], ...] = tuple(tuple(number[p] for p in above[key]) for key in order)
        roots = [at for at, parents in enumerate(self.parents) if not parents]
        self.start = roots[0] if len(roots) == 1 else len(order)
        if len(order) - (len(roots) == 1) < 2:
            raise InputError(f"{where} has {len(order)} labels: it needs at least two below its root.")
        self.namesakes = _namesakes(self, lines)

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        return f"<LabelTree of {len(self):,} labels, {len(self.leaves):,} of them leaves, {self.depth} levels>"

    @cached_property
    def edges(self) -> Edges:
        """Every edge, and one from the root to each of the top labels."""
        pairs = [(parent, child) for child, parents in enumerate(self.parents) for parent in parents]
        if self.start == len(self):
            pairs += [(self.start, child) for child, parents in enumerate(self.parents) if not parents]
        parent, child = np.ascontiguousarray(np.array(sorted(pairs), dtype=np.int64).T)
        return Edges(parent, child)

    @cached_property
    def leaves(self) -> np.ndarray:
        """The labels that have nothing below them, (n,) int64."""
        return np.setdiff1d(np.arange(len(self)), self.edges.parent)

    @cached_property
    def levels(self) -> np.ndarray:
        """How many edges each label is below the root on the shortest way, (N,) int64; 0 for a root that is a label."""
        return self._steps(min)

    @cached_property
    def longest(self) -> np.ndarray:
        """The same on the longest way, (N,) int64: above that of every parent."""
        return self._steps(max)

    def _steps(self, of: Any) -> np.ndarray:
        steps = np.zeros(len(self), dtype=np.int64)
        for at, parents in enumerate(self.parents):
            steps[at] = of(steps[list(parents)]) + 1 if parents else int(self.start == len(self))
        return steps

    @property
    def depth(self) -> int:
        """The number of levels of the longest path."""
        return int(self.longest.max())

    @cached_property
    def above(self) -> tuple[frozenset[int], ...]:
        """Each label with everything above it but the root, (N,)."""
        sets: list[frozenset[int]] = []
        for at, parents in enumerate(self.parents):
            own = frozenset() if at == self.start else frozenset((at,))
            sets.append(own.union(*(sets[parent] for parent in parents)))
        return tuple(sets)

    @cached_property
    def is_tree(self) -> bool:
        """Whether no label has more than one parent."""
        return all(len(parents) < 2 for parents in self.parents)

    def path(self, label: int) -> tuple[int, ...]:
        """A label and what is above it by first parents, from the top label down, without the root."""
        path = []
        while label != self.start:
            path.append(label)
            parents = self.parents[label]
            label = parents[0] if parents else self.start
        return tuple(reversed(path))

    def written(self, path: Iterable[int]) -> str:
        """A path in one text, such as ``animal > mammal > dog``."""
        return JOINT.join(self.names[label] for label in path)

    def texts(self, templates: Sequence[str] = ("{}",)) -> list[list[str]]:
        """What stands for each label in words, (N,): every template with its name, and with each of its synonyms.

        ``{}`` is the name, ``{path}`` the name and what is above it: "dog, a kind of mammal, a kind of animal".

        Raises:
            InputError: no template, or one that holds neither.
        """
        for template in templates or ("",):
            if ("{}" in template) + ("{path}" in template) != 1:
                raise InputError(f"the template '{template}' must hold {{}}, where the name goes, or {{path}}.")
        texts = []
        for label, name in enumerate(self.names):
            higher = [self.names[at] for at in reversed(self.path(label)[:-1])]
            texts.append(
                [
                    template.replace("{path}", ", a kind of ".join([word, *higher])).replace("{}", word)
                    for word in (name, *self.synonyms[label])
                    for template in templates
                ]
            )
        return texts

    @cached_property
    def _spellings(self) -> tuple[dict[str, list[int]], ...]:
        """What a written label can be, the most definite first: a key; a path; a name or synonym; folded but keys."""
        keys = {key: [at] for at, key in enumerate(self.keys)}
        paths: dict[str, list[int]] = {}
        words: dict[str, list[int]] = {}
        top = () if self.start == len(self) else (self.start,)
        for at, name in enumerate(self.names):
            for path in {self.path(at), (*top, *self.path(at))}:
                paths.setdefault(self.written(path).casefold(), []).append(at)
            for word in dict.fromkeys(map(str.casefold, (name, *self.synonyms[at]))):
                words.setdefault(word, []).append(at)
        return keys, paths, words

    def numbers(self, labels: Iterable[Any], what: str = "the labels") -> np.ndarray:
        """The numbers of labels given by key, name, synonym or path (a tuple of names, or one text), (n,) int64.

        Raises:
            InputError: one that is not in the tree (the nearest is suggested), or that several labels are called by.
        """
        keys, paths, words = self._spellings
        numbers = []
        for row, label in enumerate(labels):
            parts = label if isinstance(label, tuple | list) else str(label).split(JOINT.strip())
            written = JOINT.join(str(part).strip() for part in parts)
            folded = written.casefold()
            matches = keys.get(str(label)) or keys.get(written) or paths.get(folded) or words.get(folded, [])
            if not matches:
                near = difflib.get_close_matches(folded, [*words, *paths], 1, 0.6)
                hint = f": did you mean '{near[0]}'?" if near else "."
                raise InputError(f"{what} have '{written}' in row {row} (from 0), no label of the tree{hint}")
            if len(matches) > 1:
                shown = few([f"'{self.written(self.path(at))}'" for at in matches])
                raise InputError(f"{what} have '{written}' in row {row} (from 0), which can be {shown}.")
            numbers.append(matches[0])
        return np.array(numbers, dtype=np.int64)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits over keys, names and parents."""
        content = repr((self.keys, self.names, self.synonyms, self.parents))
        return sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _cycle(keys: Sequence[str], lines: dict[str, int]) -> str:
    shown = [f"'{key}'{f' (line {lines[key]})' if lines.get(key) else ''}" for key in keys]
    return few(shown, 5).replace(", ", " > ")


def _namesakes(tree: LabelTree, lines: dict[str, int]) -> str:
    by_name: dict[str, list[int]] = {}
    for key, name in zip(tree.keys, tree.names, strict=True):
        by_name.setdefault(name.casefold(), []).append(lines.get(key, 0))
    shared = {name: sorted(at) for name, at in by_name.items() if len(at) > 1}
    return few(
        [f"'{name}' (lines {few(list(map(str, at)))})" if any(at) else f"'{name}'" for name, at in shared.items()]
    )
