"""What of a taxonomy a terminal shows, and in which order."""

from types import SimpleNamespace
from typing import Any, cast

import torch
from rich.tree import Tree

from hiergeo.cli.tree import _largest

PARENTS = [-1, -1, 1, 1, 3, 3, -1]
SIZES = [1, 5, 1, 3, 1, 1, 2]


def shown(tree: Tree) -> list[Any]:
    return [str(tree.label).split()[0], *(shown(cast(Tree, child.label)) for child in tree.children)]


def test_the_largest_branches_come_first_and_of_equal_ones_the_earlier() -> None:
    taxonomy = SimpleNamespace(best=torch.tensor(PARENTS), size=torch.tensor(SIZES), name=str)
    assert [shown(tree) for tree in _largest(cast(Any, taxonomy))] == [["1", ["3", ["4"], ["5"]], ["2"]], ["6"], ["0"]]
