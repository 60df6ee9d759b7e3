"""The mammal closure: is-a pairs below ``mammal`` in WordNet, the graph that hyperbolic embeddings are tried on."""

import csv
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hiergeo.datasets._home import data_home
from hiergeo.errors import InputError, UnavailableError

FILE = Path("mammals") / "mammal_closure.tsv"
"""Where the closure lies in the data home: one pair a line, descendant and ancestor parted by a tab."""


@dataclass(frozen=True)
class Graph:
    """A directed graph.

    Attributes:
        nodes: the names of the nodes, in order of first appearance.
        edges: (E, 2) int64 pairs (descendant, ancestor) of positions in `nodes`, none from a node to itself.
    """

    nodes: tuple[str, ...]
    edges: Tensor


def load(path: Path | str | None = None) -> Graph:
    """Read the transitive closure of a hierarchy; repeated pairs and pairs of a node with itself are left out.

    Args:
        path: a file of tab-separated pairs (descendant, ancestor); by default `FILE` in the data home.

    Raises:
        UnavailableError: there is no such file.
        InputError: a line is no pair, or there are no pairs.
    """
    path = data_home() / FILE if path is None else Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            records = [record for record in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if record]
    except OSError as error:
        raise UnavailableError(
            f"cannot read {path} ({error.strerror}): put the closure there, one descendant and ancestor a line."
        ) from error
    wrong = next((number for number, record in enumerate(records, 1) if len(record) != 2), None)
    if wrong is not None:
        raise InputError(f"{path}, pair {wrong}: expected a descendant and an ancestor parted by a tab.")
    stripped = dict.fromkeys((child.strip(), parent.strip()) for child, parent in records)
    pairs = [pair for pair in stripped if pair[0] != pair[1]]
    if not pairs:
        raise InputError(f"{path} holds no pairs of different nodes.")
    nodes = tuple(dict.fromkeys(name for pair in pairs for name in pair))
    place = {name: index for index, name in enumerate(nodes)}
    return Graph(nodes, torch.tensor([[place[child], place[parent]] for child, parent in pairs]))
