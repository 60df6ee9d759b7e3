"""Operators as nodes of compiled graphs; imported when one is traced, since the compiler of torch takes a second."""

from typing import Any

import torch

from hiergeo.pairwise.interface import REGISTRY


@torch.compiler.allow_in_graph
def in_graph(name: str, *operands: Any) -> Any:
    """As `Operator.recorded` of the operator of that name, a single node of a compiled graph."""
    return REGISTRY[name].recorded(*operands)
