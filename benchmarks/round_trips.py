"""Points of a hyperbolic space to other libraries and back: ``python -m benchmarks.round_trips``.

Each library ranks the items of queries by its own distance or score. Its best candidates, measured again by hiergeo in
the coordinates that it returned, must give the exact nearest, which numpy finds in float64.
"""

import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo._core.markdown import table
from hiergeo.geometry.coordinates import Coordinates
from hiergeo.report.interop import EmbeddingSpace, read_vectors, write_vectors

ITEMS, QUERIES, DIM, K, CANDIDATES = 2000, 200, 24, 10, 30


class Trip(NamedTuple):
    """What came back from a library: coordinates (n, ambient), and its candidates (q, c) by their numbers."""

    rows: Tensor
    found: NDArray[np.int64]


Peer = Callable[[Tensor, Tensor, Path], Trip]
"""Takes items and queries, points of the peer's kind, in float64, and a folder."""


def geoopt(items: Tensor, queries: Tensor, _: Path) -> Trip:
    """Its Lorentz manifold, in float32 as it keeps parameters."""
    manifold = import_module("geoopt").Lorentz()
    kept = import_module("geoopt").ManifoldParameter(items.float(), manifold=manifold)
    distance = torch.stack([manifold.dist(query, kept.detach()) for query in queries.float()])
    return Trip(kept.detach(), (-distance).topk(CANDIDATES).indices.numpy())


def gensim(items: Tensor, queries: Tensor, folder: Path) -> Trip:
    """Its KeyedVectors of a Poincare model, saved, and read from the file."""
    vectors = import_module("gensim.models.poincare").PoincareKeyedVectors(DIM, 0)
    vectors.add_vectors([f"i{at}" for at in range(len(items))], items.numpy())
    vectors.save(str(folder / "p.kv"))
    back = torch.from_numpy(read_vectors(folder / "p.kv")["text"])
    near = [vectors.vector_distance_batch(query, vectors.vectors) for query in queries.numpy()]
    return Trip(back, np.argsort(near)[:, :CANDIDATES])


def sentence_transformers(items: Tensor, queries: Tensor, folder: Path) -> Trip:
    """Its search by a score of one's own, the inner product with negated times, of rows from a file of Parquet."""
    space = EmbeddingSpace(coordinates="negated-time", curvature=-1.0)
    write_vectors(folder / "s.parquet", {"text": items.numpy()}, space)
    back = torch.from_numpy(read_vectors(folder / "s.parquet")["text"])
    util = import_module("sentence_transformers.util")
    hits = util.semantic_search(queries.float(), back.float(), top_k=CANDIDATES, score_function=util.dot_score)
    return Trip(back, np.array([[hit["corpus_id"] for hit in one] for one in hits]))


def qdrant(items: Tensor, queries: Tensor, _: Path) -> Trip:
    """Its local mode, by inner product."""
    library = import_module("qdrant_client")
    client, models = library.QdrantClient(":memory:"), library.models
    config = models.VectorParams(size=DIM + 1, distance=models.Distance.DOT)
    client.create_collection("points", vectors_config=config)
    client.upload_collection("points", vectors=items.float().numpy(), ids=range(len(items)))
    held = client.retrieve("points", ids=range(len(items)), with_vectors=True)
    back = torch.tensor([point.vector for point in sorted(held, key=lambda point: point.id)])
    found = [client.query_points("points", query.tolist(), limit=CANDIDATES).points for query in queries]
    return Trip(back, np.array([[point.id for point in one] for one in found]))


def milvus(items: Tensor, queries: Tensor, folder: Path) -> Trip:
    """Milvus Lite, by inner product."""
    client = import_module("pymilvus").MilvusClient(str(folder / "m.db"))
    client.create_collection("points", dimension=DIM + 1, metric_type="IP", consistency_level="Strong")
    rows = [{"id": at, "vector": row.tolist()} for at, row in enumerate(items.float())]
    client.insert("points", rows)
    held = client.query("points", filter="id >= 0", output_fields=["vector"], limit=len(items))
    back = torch.tensor(np.array([row["vector"] for row in sorted(held, key=lambda row: row["id"])]))
    hits = client.search("points", queries.tolist(), limit=CANDIDATES)
    return Trip(back, np.array([[hit["id"] for hit in one] for one in hits]))


PEERS: dict[str, tuple[Peer, str, str]] = {
    "geoopt": (geoopt, "hyperboloid", "hyperboloid"),
    "gensim": (gensim, "ball", "ball"),
    "sentence_transformers": (sentence_transformers, "negated-time", "hyperboloid"),
    "qdrant_client": (qdrant, "negated-time", "hyperboloid"),
    "pymilvus": (milvus, "negated-time", "hyperboloid"),
}
"""Libraries by their modules: the trip, and the coordinates of items and of queries there."""


def exact(items: Tensor, queries: Tensor) -> NDArray[np.float64]:
    """Distances (q, n) at K = -1 of tangent vectors at the origin, in float64 by the law of cosines."""
    x, y = queries.numpy(), items.numpy()
    a, b = (np.linalg.norm(rows, axis=1) for rows in (x, y))
    cosine = (x @ y.T) / np.outer(a, b)
    apart = np.arccosh(np.maximum(np.outer(np.cosh(a), np.cosh(b)) - np.outer(np.sinh(a), np.sinh(b)) * cosine, 1))
    return np.asarray(apart)


def measured(name: str, folder: Path) -> dict[str, Any]:
    """How far rows differ that came back, and how many queries have their ten nearest: ranked by the library, and after
    its candidates were measured again."""
    peer, of_items, of_queries = PEERS[name]
    generator = torch.Generator().manual_seed(0)
    items, queries = (
        torch.randn(count, DIM, generator=generator, dtype=torch.float64) * 0.3 for count in (ITEMS, QUERIES)
    )
    there, asked = Coordinates(of_items, -1.0), Coordinates(of_queries, -1.0)
    trip = peer(there.points(items), asked.points(queries), folder)
    back = there.tangent(trip.rows).double()
    nearest = np.argsort(exact(items, queries))[:, :K]
    space = there.space(DIM)
    root = torch.zeros(DIM, dtype=torch.float64)
    again = space.rooted(root).distance(queries[:, None], back[torch.from_numpy(trip.found)]).numpy()
    rescored = np.take_along_axis(trip.found, np.argsort(again), 1)[:, :K]
    return {
        "rows": float((back - items).abs().max()),
        "own": float((trip.found[:, :K] == nearest).all(1).mean()),
        "rescored": float((rescored == nearest).all(1).mean()),
    }


def main() -> None:
    """Print a table of the libraries that are installed."""
    rows = []
    for name in filter(find_spec, PEERS):
        with tempfile.TemporaryDirectory() as folder:
            found = measured(name, Path(folder))
        rows.append((name, PEERS[name][1], f"{found['rows']:.1g}", f"{found['own']:.1%}", f"{found['rescored']:.1%}"))
    print(table(("library", "its points", "rows differ by", "its own top 10", "measured again"), rows))


if __name__ == "__main__":
    main()
