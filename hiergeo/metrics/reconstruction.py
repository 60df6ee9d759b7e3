"""How well distances tell a graph: the measures of free embeddings."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hiergeo.errors import InputError
from hiergeo.metrics._checks import checked
from hiergeo.metrics.ranking import average_precision


class Reconstruction(NamedTuple):
    """Reconstruction of a graph from distances.

    Attributes:
        mean_average_precision: over nodes with neighbours, of ranking the others by distance; in (0, 1].
        mean_rank: over edges (u, v), of v among the nodes that are no neighbours of u; 1 is perfect.
    """

    mean_average_precision: float
    mean_rank: float


def reconstruction(distance: ArrayLike, edges: ArrayLike) -> Reconstruction:
    """MAP and mean rank of the edges of a graph among all pairs of its nodes.

    Every node u with edges (u, v) ranks all other nodes by their distance to it. Ties count one half in the rank, and
    enter the precision together.

    Args:
        distance: (n, n), row u that from node u; the diagonal is ignored.
        edges: (E, 2) integers (u, v), u != v, without repeats; for a closure from descendant to ancestor.

    Raises:
        InputError: shapes that do not fit, NaN, no edges, an edge beyond the nodes or from a node to itself.

    Source: Nickel and Kiela, Poincare Embeddings (NeurIPS 2017), as their evaluation code computes it.
    """
    length, pairs = checked("distance", distance, ndim=2), np.asarray(edges)
    nodes = len(length)
    if length.shape != (nodes, nodes) or pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs):
        raise InputError(f"distance must be (n, n) and edges (E, 2), not {length.shape} and {pairs.shape}.")
    if pairs.min() < 0 or pairs.max() >= nodes or (pairs[:, 0] == pairs[:, 1]).any():
        raise InputError(f"edges must join two different nodes of the {nodes} there are.")
    linked = np.zeros((nodes, nodes), dtype=bool)
    linked[pairs[:, 0], pairs[:, 1]] = True
    sources = np.flatnonzero(linked.any(axis=1)).tolist()
    precisions, ranks = zip(*(_of_node(u, length[u], linked[u]) for u in sources), strict=True)
    return Reconstruction(float(np.mean(precisions)), float(np.concatenate(ranks).mean()))


def _of_node(node: int, length: np.ndarray, linked: np.ndarray) -> tuple[float, np.ndarray]:
    """The average precision of one node, and the rank of each of its neighbours."""
    other = ~linked
    other[node] = False
    near, far = length[linked], np.sort(length[other])
    if not len(far):
        return 1.0, np.ones(len(near))
    nearer = (np.searchsorted(far, near, side="left") + np.searchsorted(far, near, side="right")) / 2
    return average_precision(-near, -far), 1 + nearer
