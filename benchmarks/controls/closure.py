"""The mammal closure: is-a pairs below ``mammal`` in WordNet, a standard test graph for hyperbolic embeddings."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_columns
from hiergeo.datasets.download import data_home

FILE = Path("mammals") / "mammal_closure.tsv"
"""Path of the closure in the data home: one pair a line, descendant and ancestor separated by a tab."""


@dataclass(frozen=True)
class Graph:
    """A directed graph.

    Attributes:
        nodes: the names of the nodes, in order of first appearance.
        edges: (E, 2) int64 pairs (descendant, ancestor) of positions in `nodes`, none from a node to itself.
    """

    nodes: tuple[str, ...]
    edges: Tensor


def load_mammals(path: Path | str | None = None) -> Graph:
    """Read the transitive closure of a hierarchy; repeated pairs and pairs of a node with itself are left out.

    Args:
        path: a file of tab-separated pairs (descendant, ancestor); by default `FILE` in the data home.

    Raises:
        UnavailableError: there is no such file.
        InputError: the file is not UTF-8 text, a line is not a pair, or there are no pairs.
    """
    path = data_home() / FILE if path is None else path_of(path)
    cure, expected = (
        "put the closure there, one descendant and ancestor a line",
        "descendant and ancestor, a tab apart",
    )
    lines = dict.fromkeys((child, parent) for _, (child, parent) in read_columns(path, cure, expected))
    pairs = [pair for pair in lines if pair[0] != pair[1]]
    if not pairs:
        raise InputError(f"{path} holds no pairs of different nodes.")
    nodes = tuple(dict.fromkeys(name for pair in pairs for name in pair))
    position = {name: index for index, name in enumerate(nodes)}
    return Graph(nodes, torch.tensor([[position[child], position[parent]] for child, parent in pairs]))
