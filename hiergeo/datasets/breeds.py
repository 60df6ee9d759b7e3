"""BREEDS: groups of ImageNet classes at one level of a corrected hierarchy, and the four published choices of them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_columns
from hiergeo.datasets.download import data_home
from hiergeo.datasets.imagenet import read_list
from hiergeo.datasets.wordnet import reached

FOLDER = Path("breeds") / "imagenet_class_hierarchy" / "modified"
"""Folder of the hierarchy in the data home."""

EDGES, NAMES, CLASSES = "class_hierarchy.txt", "node_names.txt", "dataset_class_info.json"
"""Its files: ``parent child`` a line; wnid, tab and name a line; a list of [number, wnid, name]."""

CURE = "run `hiergeo data fetch breeds`, or put the files of MadryLab/BREEDS-Benchmarks there"
ROOT, SEED = "n00001740", 2
PAIR = "two columns"


class SplitChoice(NamedTuple):
    """How superclasses are chosen: their level below the root, subclasses of each, and the node they must be under."""

    level: int
    subclasses: int
    under: str | None = None


SPLITS = {
    "entity13": SplitChoice(3, 20),
    "entity30": SplitChoice(4, 8),
    "living17": SplitChoice(5, 4, "n00004258"),
    "nonliving26": SplitChoice(5, 4, "n00021939"),
}
"""The choices of the paper."""


class Superclass(NamedTuple):
    """A superclass: its node, its name, and the wnids of the ImageNet classes that were drawn for it."""

    node: str
    name: str
    subclasses: tuple[str, ...]


@dataclass(frozen=True)
class ClassHierarchy:
    """ImageNet classes and the nodes above them; a node may have several parents.

    Attributes:
        children: node -> its children that are or lead to a class.
        names: node -> its name.
        classes: wnid of a class -> its name.
    """

    children: dict[str, tuple[str, ...]]
    names: dict[str, str]
    classes: dict[str, str]

    @cached_property
    def levels(self) -> dict[str, int]:
        """The length of the longest way from the root to each node below it. Raises InputError for a cycle."""
        level, at, steps = {ROOT: 0}, {ROOT}, 0
        while at:
            steps += 1
            at = {child for node in at for child in self.children.get(node, ())}
            level |= dict.fromkeys(at, steps)
            if steps > len(self.children) + 1:
                raise InputError("the hierarchy of BREEDS has a cycle.")
        return level

    def below(self, node: str) -> set[str]:
        """Every node below one, and itself."""
        return reached(node, self.children)

    def superclasses(self, choice: SplitChoice) -> tuple[Superclass, ...]:
        """The nodes of a level that have enough classes, and as many classes of each, drawn at random.

        Raises InputError if no node has enough.
        """
        inside = None if choice.under is None else self.below(choice.under)
        nodes = sorted(n for n, level in self.levels.items() if level == choice.level and (not inside or n in inside))
        random = np.random.RandomState(SEED)
        chosen = []
        for node in nodes:
            classes = sorted(self.below(node) & self.classes.keys())
            if len(classes) >= choice.subclasses:
                drawn = random.choice(classes, choice.subclasses, replace=False).tolist()
                chosen.append(Superclass(node, self.names.get(node, node), tuple(drawn)))
        if not chosen:
            raise InputError(f"no node of level {choice.level} has {choice.subclasses} classes.")
        return tuple(chosen)


def load_breeds(folder: Path | str | None = None) -> ClassHierarchy:
    """Read the hierarchy, by default from `FOLDER` in the data home.

    Raises:
        UnavailableError: there are no such files.
        InputError: they are damaged, or none of the classes is in the hierarchy.
    """
    folder = data_home() / FOLDER if folder is None else path_of(folder)
    parents: dict[str, list[str]] = {}
    for _, (parent, child) in read_columns(folder / EDGES, CURE, PAIR, separator=None):
        parents.setdefault(child, []).append(parent)
    names = dict(cells for _, cells in read_columns(folder / NAMES, CURE, PAIR))
    listed = read_list(folder / CLASSES, list[tuple[Any, str, str]], "[number, wnid, name]", CURE)
    classes = {wnid: name for _, wnid, name in listed}
    useful = set[str]().union(*(reached(name, parents) for name in classes if name in parents))
    children: dict[str, list[str]] = {}
    for child in useful:
        for parent in parents.get(child, ()):
            children.setdefault(parent, []).append(child)
    if ROOT not in children:
        raise InputError(f"{folder / EDGES} does not join the root {ROOT} to any class: {CURE}.")
    return ClassHierarchy({node: tuple(sorted(set(below))) for node, below in children.items()}, names, classes)


def split_named(name: str) -> SplitChoice:
    """The choice of a split. Raises InputError for an unknown one; suggests the nearest."""
    if name not in SPLITS:
        raise unknown_name("split of BREEDS", name, SPLITS)
    return SPLITS[name]
