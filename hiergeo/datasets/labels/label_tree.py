"""Trees of labels: what is above what, where labels may have several parents and there may be several roots."""

import difflib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256
from typing import Any, final

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
        by_key: dict[str, list[Entry]] = {}
        for entry in (listed := list(entries)):
            by_key.setdefault(entry.key, []).append(entry)
        if closed and (orphans := [f"{e.origin}'{p}'" for e in listed for p in e.parents if p not in by_key]):
            raise InputError(f"{where} has no entry for a parent: {several(orphans[0], orphans[1:])}.")
        above = {key: list(dict.fromkeys(p for entry in of for p in entry.parents)) for key, of in by_key.items()}
        try:
            order = list(TopologicalSorter(above).static_order())
        except CycleError as error:
            cycle = few([_with_lines(key, by_key[key]) for key in error.args[1]], 5).replace(", ", JOINT)
            raise InputError(f"{where} has a cycle, {cycle}: a label is above itself.") from error
        number = {key: at for at, key in enumerate(order)}
        self.keys: tuple[str, ...] = tuple(order)
        words = [[word for e in by_key.get(key, ()) for word in (e.name, *e.synonyms) if word] for key in order]
        named = [list(dict.fromkeys(of)) or [key] for key, of in zip(order, words, strict=True)]
        self.names: tuple[str, ...] = tuple(of[0] for of in named)
        self.synonyms: tuple[tuple[str, ...], ...] = tuple(tuple(of[1:]) for of in named)
        self.parents: tuple[tuple[int, ...], ...] = tuple(tuple(number[p] for p in above.get(key, ())) for key in order)
        roots = [at for at, parents in enumerate(self.parents) if not parents]
        self.start = roots[0] if len(roots) == 1 else len(order)
        if len(order) - (len(roots) == 1) < 2:
            raise InputError(f"a tree has at least two labels below its root, and {where} has {len(order)} in all.")
        shared: dict[str, list[Entry]] = {}
        for key, name in zip(self.keys, self.names, strict=True):
            shared.setdefault(name.casefold(), []).append(by_key.get(key, [Entry(key)])[0])
        self.namesakes = few([_with_lines(name, of) for name, of in shared.items() if len(of) > 1])

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        return f"<LabelTree of {len(self):,} labels, {len(self.leaves):,} of them leaves, {self.depth} levels>"

    @cached_property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Parents and children, (E,) int64 each, ordered by parent; the parent of the top labels is `start`."""
        pairs = [(parent, child) for child, parents in enumerate(self.parents) for parent in parents]
        if self.start == len(self):
            pairs += [(self.start, child) for child, parents in enumerate(self.parents) if not parents]
        parent, child = np.ascontiguousarray(np.array(sorted(pairs), dtype=np.int64).T)
        return parent, child

    @cached_property
    def leaves(self) -> np.ndarray:
        """The labels that have nothing below them, (n,) int64."""
        return np.setdiff1d(np.arange(len(self)), self.edges[0])

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
    def _spellings(self) -> dict[str, list[int]]:
        """Keys, folded paths, and folded names and synonyms -> the labels that they can be; what stands first wins."""
        keys = {key: [at] for at, key in enumerate(self.keys)}
        paths, words = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
        top = () if self.start == len(self) else (self.start,)
        for at, name in enumerate(self.names):
            for word in dict.fromkeys(map(str.casefold, (name, *self.synonyms[at]))):
                words[word].append(at)
            for path in {self.path(at), (*top, *self.path(at))}:
                paths[self.written(path).casefold()].append(at)
        return {**words, **paths, **keys}

    def numbers(self, labels: Iterable[Any], what: str = "the labels") -> np.ndarray:
        """The numbers of labels given by key, name, synonym or path (a tuple of names, or one text), (n,) int64.

        Raises:
            InputError: one that is not in the tree (the nearest is suggested), or that several labels are called by.
        """
        numbers = []
        for row, label in enumerate(labels):
            parts = label if isinstance(label, tuple | list) else str(label).split(JOINT.strip())
            written = JOINT.join(str(part).strip() for part in parts)
            spellings = str(label), written, written.casefold(), written.removesuffix(".0")  # pandas makes 7 a fraction
            matches = next(filter(None, (self._spellings.get(text) for text in spellings)), [])
            if len(matches) == 1:
                numbers.append(matches[0])
                continue
            where = f"{what} have '{written}' in row {row} (from 0)"
            if matches:
                shown = few([f"'{self.written(self.path(at))}'" for at in matches])
                raise InputError(f"{where}, which can be {shown}.")
            near = difflib.get_close_matches(written.casefold(), self._spellings, 1, 0.6)
            hint = f": did you mean '{near[0]}'?" if near else "."
            raise InputError(f"{where}, no label of the tree{hint}")
        return np.array(numbers, dtype=np.int64)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits over keys, names and parents."""
        content = repr((self.keys, self.names, self.synonyms, self.parents))
        return sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _with_lines(name: str, entries: Sequence[Entry]) -> str:
    """A name with the lines where it stands, as far as they are known."""
    lines = [str(line) for line in sorted({entry.line for entry in entries}) if line]
    return f"'{name}' (line{'s'[: len(lines) - 1]} {few(lines)})" if lines else f"'{name}'"
