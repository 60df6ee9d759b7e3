"""Qdrant as a store: Qdrant Edge in a folder, and a server, by calls of the same names.

``qdrant:./FOLDER`` and ``qdrant:http://HOST:6333``. Options: ``index``, EXACT (every direction of the shell is
compared, the default) or HNSW with ``ef``; of a server also ``collection`` and ``timeout`` in seconds. The key of a
server is read from the environment variable HIERGEO_QDRANT_API_KEY. The shell and the radius are indexed payload; HNSW
searches graphs that know them.
"""

import os
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from hiergeo import _extras
from hiergeo.errors import InputError, UnavailableError, described
from hiergeo.search.rows import Frame
from hiergeo.search.stores.engine import Block, Census, Engine, EngineStore
from hiergeo.search.stores.places import Place, calling, check_folder, without_password

KINDS = ("EXACT", "HNSW")
OPTIONS = ("index", "ef", "collection", "timeout")

CARD_ID = 2**64 - 1
"""The point that carries the card: it is in no shell and has no radius, and no item has such an id."""

OLDEST = (1, 12)


def qdrant_store(rest: str, frame: Frame, edges: Sequence[float]) -> EngineStore:
    """Open the store of a spec ``qdrant:REST``.

    Raises:
        InputError: an option that cannot be, or a collection of another index.
        UnavailableError: a package is not installed, or the server cannot be reached or is too old.
    """
    place = Place.of("qdrant", rest, OPTIONS, "qdrant:http://HOST:6333 or qdrant:./FOLDER")
    points = ServerPoints(place) if place.remote else EdgePoints(place.path())
    return EngineStore(QdrantEngine(points, place), frame, edges)


class Points(Protocol):
    """A collection of points of Qdrant, wherever it is. Filters are those that `where` makes."""

    place: str
    version: str
    number: int

    def where(self, low: float, high: float, shell: int | None) -> Any:
        """The filter of a range of radii, in one shell or in all."""

    def exists(self) -> bool:
        """Whether there is a collection."""

    def create(self, dim: int) -> None:
        """Make it, with its payload indices."""

    def upsert(self, ids: Sequence[int], vectors: Sequence[list[float]], payloads: Sequence[dict[str, Any]]) -> None:
        """Store points."""

    def delete(self, ids: Sequence[int]) -> None:
        """Remove points."""

    def retrieve(self, ids: Sequence[int], payload: bool, vectors: bool) -> Sequence[Any]:
        """Those of the points that are there."""

    def query(self, vectors: Sequence[list[float]], k: int, where: Any, ef: int | None) -> Sequence[Sequence[Any]]:
        """The k points nearest to each vector; exactly, or by a graph searched with `ef` candidates."""

    def count(self, where: Any) -> int:
        """How many points a filter admits."""

    def scroll(self, where: Any, limit: int, offset: Any) -> tuple[Sequence[Any], Any]:
        """Points in the order of their ids, and where the next ones begin."""

    def end(self, where: Any, largest: bool) -> float:
        """The smallest or largest radius."""

    def flush(self) -> None:
        """Return when everything is durable."""

    def close(self, index: bool) -> None:
        """Release it; build the graphs that are missing before, if asked to."""


@final
class QdrantEngine(Engine):
    """A collection of Qdrant.

    Args:
        points: of the collection.
        place: with the options of the spec.
    """

    name = "qdrant"

    def __init__(self, points: Points, place: Place) -> None:
        self.points, self.place, self.number, self.version = points, points.place, points.number, points.version
        self.exhaustive = place.one_of("index", KINDS) == "EXACT"
        self.ef = None if self.exhaustive else place.whole("ef", 256)
        self._written = False

    def card(self) -> str | None:
        with calling(self.place):
            if not self.points.exists():
                return None
            held = self.points.retrieve([CARD_ID], payload=True, vectors=False)
        payload = (held[0].payload or {}) if held else {}
        if not isinstance(payload.get("card"), str):
            raise InputError(f"{self.place} holds a collection that hiergeo did not make: name another one.")
        return str(payload["card"])

    def create(self, card: str, dim: int, shells: int) -> None:
        with calling(self.place):
            self.points.create(dim)
            self.points.upsert([CARD_ID], [[0.0] * dim], [{"card": card}])
            self.points.flush()

    def insert(self, shell: int, rows: Block) -> None:
        self._written = True
        payloads = [{"shell": shell, "radius": radius} for radius in rows.radius.tolist()]
        with calling(self.place):
            self.points.upsert(rows.ids.tolist(), rows.direction.tolist(), payloads)

    def settle(self) -> None:
        with calling(self.place):
            self.points.flush()

    def remove(self, ids: NDArray[np.int64]) -> None:
        with calling(self.place):
            self.points.delete(ids.tolist())

    def known(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        with calling(self.place):
            found = self.points.retrieve(ids.tolist(), payload=False, vectors=False)
        return np.array([point.id for point in found], dtype=np.int64)

    def search(self, shell: int, queries: NDArray[np.float32], k: int) -> list[tuple[Sequence[int], Sequence[float]]]:
        ef = None if self.ef is None else max(self.ef, k)
        with calling(self.place):
            where = self.points.where(-np.inf, np.inf, shell)
            found = self.points.query(queries.tolist(), k, where, ef)
        return [([point.id for point in points], [point.score for point in points]) for points in found]

    def scan(self, low: float, high: float, most: int) -> Iterator[Block]:
        where, offset, more = self.points.where(low, high, None), None, True
        while more:
            with calling(self.place):
                found, offset = self.points.scroll(where, most, offset)
            more = offset is not None
            yield _block(found)

    def get(self, ids: NDArray[np.int64]) -> Block:
        with calling(self.place):
            return _block(self.points.retrieve(ids.tolist(), payload=True, vectors=True))

    def count(self, low: float, high: float, shell: int | None = None) -> int:
        with calling(self.place):
            return self.points.count(self.points.where(low, high, shell))

    def census(self, shells: int) -> Census:
        counts, low, high = np.zeros(shells, np.int64), np.zeros(shells), np.zeros(shells)
        with calling(self.place):
            for shell in range(shells):
                where = self.points.where(-np.inf, np.inf, shell)
                counts[shell] = self.points.count(where)
                if counts[shell]:
                    low[shell], high[shell] = self.points.end(where, False), self.points.end(where, True)
        return Census(counts, low, high)

    def close(self) -> None:
        with calling(self.place):
            self.points.close(self._written and not self.exhaustive)


@final
class EdgePoints:
    """A shard of Qdrant Edge in a folder.

    Args:
        folder: of the shard; made by `create`.
    """

    number = 8

    def __init__(self, folder: Path) -> None:
        qdrant_edge = _extras.require("qdrant_edge", "Qdrant Edge")
        self.api, self.folder = qdrant_edge, folder
        self.place, self.version = f"Qdrant Edge {folder}", version("qdrant-edge-py")
        with calling(self.place):
            check_folder(folder, "Qdrant Edge", "edge_config.json")
        self._shard: Any = None

    def where(self, low: float, high: float, shell: int | None) -> Any:
        return _filter(self.api, self.api.RangeFloat, low, high, shell)

    def exists(self) -> bool:
        if self._shard is None and (self.folder / "edge_config.json").is_file():
            try:
                self._shard = self.api.EdgeShard.load(str(self.folder))
            except Exception as error:  # its own errors have no type
                raise UnavailableError(
                    f"{self.place} cannot be opened ({described(error)}): one process at a time can use it."
                ) from error
        return self._shard is not None

    def create(self, dim: int) -> None:
        api = self.api
        self.folder.mkdir(parents=True, exist_ok=True)
        vectors = api.EdgeVectorParams(size=dim, distance=api.Distance.Dot)
        self._shard = api.EdgeShard.create(str(self.folder), api.EdgeConfig(vectors=vectors))
        for name, kind in (("shell", api.PayloadSchemaType.Integer), ("radius", api.PayloadSchemaType.Float)):
            self._shard.update(api.UpdateOperation.create_field_index(name, kind))

    def upsert(self, ids: Sequence[int], vectors: Sequence[list[float]], payloads: Sequence[dict[str, Any]]) -> None:
        points = [self.api.Point(*each) for each in zip(ids, vectors, payloads, strict=True)]
        self._shard.update(self.api.UpdateOperation.upsert_points(points))

    def delete(self, ids: Sequence[int]) -> None:
        self._shard.update(self.api.UpdateOperation.delete_points(list(ids)))

    def retrieve(self, ids: Sequence[int], payload: bool, vectors: bool) -> Sequence[Any]:
        return list(self._shard.retrieve(list(ids), payload, vectors))

    def query(self, vectors: Sequence[list[float]], k: int, where: Any, ef: int | None) -> Sequence[Sequence[Any]]:
        api = self.api
        params = api.SearchParams(hnsw_ef=ef, exact=ef is None)
        asked = [
            api.QueryRequest(limit=k, query=api.Query.Nearest(vector), filter=where, params=params)
            for vector in vectors
        ]
        return list(self._shard.query_batch(api.QueryBatchRequest(asked)))

    def count(self, where: Any) -> int:
        return int(self._shard.count(self.api.CountRequest(filter=where)))

    def scroll(self, where: Any, limit: int, offset: Any) -> tuple[Sequence[Any], Any]:
        asked = self.api.ScrollRequest(offset=offset, limit=limit, filter=where, with_payload=True, with_vector=True)
        found: tuple[Sequence[Any], Any] = self._shard.scroll(asked)
        return found

    def end(self, where: Any, largest: bool) -> float:
        api = self.api
        order = api.OrderBy("radius", direction=api.Direction.Desc if largest else api.Direction.Asc)
        found, _ = self._shard.scroll(api.ScrollRequest(limit=1, filter=where, with_payload=True, order_by=order))
        return float(found[0].payload["radius"])

    def flush(self) -> None:
        self._shard.flush()

    def close(self, index: bool) -> None:
        shard, self._shard = self._shard, None
        if shard is not None:
            if index:
                shard.optimize()
            shard.close()


@final
class ServerPoints:
    """A collection of a Qdrant server.

    Args:
        place: of the server, with the options of the spec.
        client: used instead of a new `qdrant_client.QdrantClient`.
    """

    number = 24

    def __init__(self, place: Place, client: Any = None) -> None:
        qdrant_client = _extras.require("qdrant_client", "the store qdrant")
        self.place, self.api = f"Qdrant server {place.shown}", qdrant_client.models
        self.collection = place.options.get("collection", "hiergeo")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", self.collection):
            raise InputError(f"a collection of Qdrant is named by letters, digits, _ and -, not '{self.collection}'.")
        timeout = place.whole("timeout", 120)
        try:
            self._client = client if client is not None else _connected(place.where, timeout)
            self.version = str(self._client.info().version)
        except Exception as error:  # of the client, of httpx, and of whatever answers instead of Qdrant
            raise UnavailableError(
                f"no Qdrant server answers at {place.shown}: start one, or check the address and "
                f"HIERGEO_QDRANT_API_KEY ({without_password(described(error))})."
            ) from error
        read = re.match(r"(\d+)\.(\d+)", self.version)
        if read is None or (int(read[1]), int(read[2])) < OLDEST:
            wanted = ".".join(map(str, OLDEST))
            raise UnavailableError(f"{self.place} has the version {self.version} and {wanted} is needed: update it.")

    def where(self, low: float, high: float, shell: int | None) -> Any:
        return _filter(self.api, self.api.Range, low, high, shell)

    def exists(self) -> bool:
        return bool(self._client.collection_exists(self.collection))

    def create(self, dim: int) -> None:
        api = self.api
        vectors = api.VectorParams(size=dim, distance=api.Distance.DOT)
        self._client.create_collection(self.collection, vectors_config=vectors)
        for name, kind in (("shell", api.PayloadSchemaType.INTEGER), ("radius", api.PayloadSchemaType.FLOAT)):
            self._client.create_payload_index(self.collection, name, field_schema=kind, wait=True)

    def upsert(self, ids: Sequence[int], vectors: Sequence[list[float]], payloads: Sequence[dict[str, Any]]) -> None:
        each = zip(ids, vectors, payloads, strict=True)
        points = [self.api.PointStruct(id=i, vector=vector, payload=payload) for i, vector, payload in each]
        self._client.upsert(self.collection, points, wait=True)

    def delete(self, ids: Sequence[int]) -> None:
        self._client.delete(self.collection, points_selector=self.api.PointIdsList(points=list(ids)), wait=True)

    def retrieve(self, ids: Sequence[int], payload: bool, vectors: bool) -> Sequence[Any]:
        return list(self._client.retrieve(self.collection, list(ids), with_payload=payload, with_vectors=vectors))

    def query(self, vectors: Sequence[list[float]], k: int, where: Any, ef: int | None) -> Sequence[Sequence[Any]]:
        api = self.api
        params = api.SearchParams(hnsw_ef=ef, exact=ef is None)
        asked = [
            api.QueryRequest(query=api.NearestQuery(nearest=vector), limit=k, filter=where, params=params)
            for vector in vectors
        ]
        return [answer.points for answer in self._client.query_batch_points(self.collection, asked)]

    def count(self, where: Any) -> int:
        return int(self._client.count(self.collection, count_filter=where, exact=True).count)

    def scroll(self, where: Any, limit: int, offset: Any) -> tuple[Sequence[Any], Any]:
        found: tuple[Sequence[Any], Any] = self._client.scroll(
            self.collection, scroll_filter=where, limit=limit, offset=offset, with_payload=True, with_vectors=True
        )
        return found

    def end(self, where: Any, largest: bool) -> float:
        api = self.api
        order = api.OrderBy(key="radius", direction=api.Direction.DESC if largest else api.Direction.ASC)
        found, _ = self._client.scroll(self.collection, scroll_filter=where, limit=1, order_by=order, with_payload=True)
        return float(found[0].payload["radius"])

    def flush(self) -> None:
        """A server answers a write when it is in its log and applied."""

    def close(self, index: bool) -> None:
        self._client.close()


def _connected(where: str, timeout: int) -> Any:
    import qdrant_client

    key = os.environ.get("HIERGEO_QDRANT_API_KEY")
    return qdrant_client.QdrantClient(url=where, api_key=key, timeout=timeout, check_compatibility=False)


def _filter(api: Any, span: Any, low: float, high: float, shell: int | None) -> Any:
    """A filter of the client or of Edge, whose classes differ in the name of a range."""
    ends = span(gte=max(low, -1.0), lte=high if np.isfinite(high) else None)  # no bound would admit the card
    must = [api.FieldCondition(key="radius", range=ends)]
    if shell is not None:
        must.append(api.FieldCondition(key="shell", match=api.MatchValue(value=shell)))
    return api.Filter(must=must)


def _block(points: Sequence[Any]) -> Block:
    ids = np.array([point.id for point in points], dtype=np.int64)
    radius = np.array([point.payload["radius"] for point in points], dtype=np.float64)
    return Block(ids, radius, np.array([point.vector for point in points], dtype=np.float32))
