"""One collection of Milvus, by one client code for a server or cluster and for Milvus Lite in a file.

The collection has one partition a shell, so that every shell has an index of its own: a filter over one index loses
rows of narrow shells, a partition does not. ``milvus:http://HOST:19530`` asks a server, ``milvus:./NAME.db`` Milvus
Lite. Options: ``collection``, ``index`` with its parameters, ``consistency`` of searches, ``timeout`` in seconds. The
token of a server is read from the environment variable HIERGEO_MILVUS_TOKEN.
"""

import logging
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from hiergeo._core import extras
from hiergeo._core.errors import InputError, UnavailableError, described
from hiergeo._core.text import without_password
from hiergeo.search.stores.places import StoreAddress, calling

INDICES: Final = {
    "FLAT": ({}, {}),
    "IVF_FLAT": ({"nlist": 128}, {"nprobe": 16}),
    "IVF_SQ8": ({"nlist": 128}, {"nprobe": 16}),
    "HNSW": ({"M": 32, "efConstruction": 200}, {"ef": 256}),
}
"""Index -> the parameters that it is built with and those that it is searched with, and their defaults."""

CONSISTENCIES: Final = ("Strong", "Session", "Bounded", "Eventually")
OPTIONS: Final = ("collection", "index", "consistency", "timeout", "nlist", "nprobe", "M", "efConstruction", "ef")

WINDOW = 16_384
"""Most rows of a query, most candidates and most queries of a search."""

CONNECT = 5
"""Seconds to wait for a server to answer at all."""

PARALLEL = 16
"""Counts that are asked for at once: a strongly consistent read waits a fifth of a second, however small it is."""

OLDEST: Final = {"server": (2, 3), "Lite": (3, 0)}

NARROWEST = 2
"""Fewest coordinates of a vector."""

ROW: Final = ("id", "radius", "direction")

CARD = "hiergeo.card"
KIND = "hiergeo.index"


class MilvusRows(NamedTuple):
    """Rows as Milvus takes and gives them: ids (n,) int64, radius (n,) float64, unit direction (n, D) float32."""

    ids: NDArray[np.int64]
    radius: NDArray[np.float64]
    direction: NDArray[np.float32]


class Census(NamedTuple):
    """For each shell (S,) how many items it has, and their smallest and largest radius (0 in an empty shell)."""

    counts: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@final
class MilvusCollection:
    """A collection: for each item its id, its shell, its radius and its unit direction; the card says whose they are.

    Args:
        place: of the server or the file, with the options of the spec.

    Attributes:
        place: where it is, as messages name it: ``Milvus server http://localhost:19530``.
        version: of Milvus.
        exhaustive: whether `search` compares every direction of the shell.
    """

    def __init__(self, place: StoreAddress) -> None:
        self.lite = not place.remote
        self.place = f"Milvus {'Lite' if self.lite else 'server'} {place.shown}"
        self.collection = place.options.get("collection", "hiergeo")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,254}", self.collection):
            raise InputError(f"a collection of Milvus is named by letters, digits and _, not '{self.collection}'.")
        self.kind = place.one_of("index", tuple(INDICES))
        self.exhaustive = self.kind == "FLAT"
        self._asked_kind = "index" in place.options
        self._options = place
        self.consistency = place.one_of("consistency", CONSISTENCIES)
        self.timeout = place.whole("timeout", 120)
        self._written = False
        self._held: Any = None
        if self.lite:
            with calling(self.place):
                _check_file(place.path())
            self.version = metadata.version("milvus-lite")
        else:
            self._client()

    def card(self) -> str | None:
        """The card of the collection; None where there is none.

        Raises:
            InputError: the collection or the folder was not made by hiergeo.
        """
        if self.lite and self._held is None and not self._options.path().exists():
            return None
        with calling(self.place):
            if not self._client().has_collection(self.collection, timeout=self.timeout):
                return None
            told = self._client().describe_collection(self.collection, timeout=self.timeout)
            properties = dict(told.get("properties") or {})
            if KIND in properties and CARD not in properties:  # its maker was killed before it was whole
                self._client().drop_collection(self.collection, timeout=self.timeout)
                return None
        if CARD not in properties:
            raise InputError(
                f"the collection {self.collection} of {self.place} was not made by hiergeo: name another one by "
                f"?collection=NAME."
            )
        if self._asked_kind and properties.get(KIND) != self.kind:
            raise InputError(
                f"the collection {self.collection} of {self.place} has the index {properties.get(KIND)}, not "
                f"{self.kind}: leave the option out, or name another collection and push to it."
            )
        self.kind = str(properties.get(KIND))
        self.exhaustive = self.kind == "FLAT"
        self._load()
        return str(properties[CARD])

    def create(self, card: str, dim: int, shells: int) -> None:
        """Make the collection."""
        from pymilvus import DataType

        build = {name: self._options.whole(name, value) for name, value in INDICES[self.kind][0].items()}
        schema = self._client().create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("shell", DataType.INT64)
        schema.add_field("radius", DataType.DOUBLE)
        schema.add_field("direction", DataType.FLOAT_VECTOR, dim=max(dim, NARROWEST))
        indices = self._client().prepare_index_params()
        indices.add_index("direction", index_type=self.kind, metric_type="IP", params=build)
        for scalar in ("shell", "radius"):
            indices.add_index(scalar, index_type="INVERTED" if self.lite else "STL_SORT")
        with calling(self.place):
            self._client().create_collection(
                self.collection,
                schema=schema,
                consistency_level="Strong",
                properties={KIND: self.kind},
                timeout=self.timeout,
            )
            for shell in range(shells):
                self._client().create_partition(self.collection, _partition(shell), timeout=self.timeout)
            self._client().create_index(self.collection, indices, timeout=self.timeout)
            self._client().alter_collection_properties(self.collection, {CARD: card}, timeout=self.timeout)
        self._load()

    def insert(self, shell: int, rows: MilvusRows) -> None:
        """Store rows of a shell, none of whose ids is there."""
        items = zip(rows.ids.tolist(), rows.radius.tolist(), _wide(rows.direction), strict=True)
        data = [{"id": i, "shell": shell, "radius": r, "direction": d} for i, r, d in items]
        self._written = True
        with calling(self.place):
            self._client().insert(self.collection, data, partition_name=_partition(shell), timeout=self.timeout)

    def settle(self) -> None:
        """Return when rows inserted and deleted so far are durable and every search sees the change."""
        if not self.lite:  # a strongly consistent read waits for everything that was written before it
            self.count(-math.inf, math.inf)

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Delete items that are there."""
        self._written = True
        with calling(self.place):
            self._client().delete(self.collection, ids=ids.tolist(), timeout=self.timeout)

    def known(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of the ids that are there, in any order."""
        return np.array([row["id"] for row in self._query(f"id in {ids.tolist()}", ["id"])], dtype=np.int64)

    def search(self, shell: int, queries: NDArray[np.float32], k: int) -> list[tuple[Sequence[int], Sequence[float]]]:
        """For each query (q, D) the ids and inner products of at most k items of the shell, largest first."""
        params = {name: self._options.whole(name, value) for name, value in INDICES[self.kind][1].items()}
        if "ef" in params:
            params["ef"] = max(params["ef"], k)
        with calling(self.place):
            found = self._client().search(
                self.collection,
                data=list(_wide(queries)),
                limit=k,
                partition_names=[_partition(shell)],
                search_params={"metric_type": "IP", "params": params},
                output_fields=["id"],
                consistency_level=self.consistency,
                timeout=self.timeout,
            )
            return [([hit["id"] for hit in hits], [hit["distance"] for hit in hits]) for hits in found]

    def scan(self, low: float, high: float, most: int) -> Iterator[MilvusRows]:
        """The items of a range of radii, in any order, at most so many in a block."""
        if self.lite:  # a limited query of Lite gives any rows, so that pages cannot follow each other
            ids = np.sort(np.array([row["id"] for row in self._query(_within(low, high), ["id"])], dtype=np.int64))
            for start in range(0, len(ids), most):
                yield self.get(ids[start : start + most])
            return
        last = -1
        while rows := self._query(f"{_within(low, high)} and id > {last}", ROW, most):
            last = max(row["id"] for row in rows)
            yield _block(rows)

    def get(self, ids: NDArray[np.int64]) -> MilvusRows:
        """The items of ids that are there, in any order."""
        return _block(self._query(f"id in {ids.tolist()}", ROW))

    def count(self, low: float, high: float, shell: int | None = None) -> int:
        """How many items a range of radii has, in one shell or in all."""
        rows = self._query(_within(low, high, shell), ["count(*)"])
        return int(rows[0]["count(*)"])

    def census(self, shells: int) -> Census:
        """What the shells hold."""
        if self.lite:
            rows = self._query(_within(-math.inf, math.inf), ["shell", "radius"])
            place = np.array([row["shell"] for row in rows], dtype=np.int64)
            radius = np.array([row["radius"] for row in rows])
            inside = [radius[place == shell] for shell in range(shells)]
            ends = [(len(r), r.min(initial=np.inf), r.max(initial=0.0)) if len(r) else (0, 0.0, 0.0) for r in inside]
        else:
            with ThreadPoolExecutor(PARALLEL) as pool:
                ends = list(pool.map(self._ends, range(shells)))
        count, low, high = zip(*ends, strict=True)
        return Census(np.array(count), np.array(low), np.array(high))

    def close(self) -> None:
        """Release the connection; rows that were written get their index."""
        if self._written and not self.lite:  # rows get their index when their segment is sealed
            with calling(self.place):
                self._client().flush(self.collection, timeout=self.timeout)
        self._written = False
        if self._held is not None:
            with calling(self.place):
                self._held.close()

    def _load(self) -> None:
        with calling(self.place):
            self._client().load_collection(self.collection, timeout=self.timeout)

    def _query(self, where: str, fields: Sequence[str], limit: int | None = None) -> list[dict[str, Any]]:
        limited = {} if limit is None else {"limit": limit}
        with calling(self.place):
            found: list[dict[str, Any]] = self._client().query(
                self.collection,
                filter=where,
                output_fields=list(fields),
                consistency_level="Strong",
                timeout=self.timeout,
                **limited,
            )
        return found

    def _ends(self, shell: int) -> tuple[int, float, float]:
        """How many items a shell has, and their smallest and largest radius."""
        count = self.count(-math.inf, math.inf, shell)
        if not count:
            return 0, 0.0, 0.0
        within = _within(-math.inf, math.inf, shell)
        return count, self._end(within, "<", min), self._end(within, ">", max)

    def _end(self, within: str, beyond: str, choose: Callable[..., float]) -> float:
        end, where = 0.0, within
        while rows := self._query(where, ["radius"], WINDOW):
            end = choose(row["radius"] for row in rows)
            if len(rows) < WINDOW:
                break
            where = f"{within} and radius {beyond} {end!r}"
        return end

    def _client(self) -> Any:
        if self._held is None:
            self._held = _connected(self._options, self.timeout)
            self._check_version()
        return self._held

    def _check_version(self) -> None:
        with calling(self.place):
            self.version = str(self._held.get_server_version(timeout=self.timeout)).removeprefix("milvus_lite-")
        kind = "Lite" if self.lite else "server"
        read = re.search(r"(\d+)\.(\d+)", self.version)
        if read is None or (int(read[1]), int(read[2])) < OLDEST[kind]:
            wanted = ".".join(map(str, OLDEST[kind]))
            cure = "pip install --upgrade milvus-lite" if self.lite else "update the server"
            raise UnavailableError(f"{self.place} has the version {self.version} and {wanted} is needed: {cure}.")


def _connected(place: StoreAddress, timeout: int) -> Any:
    pymilvus = _imported()
    uri = place.where if place.remote else str(place.path().absolute())
    token, seconds = os.environ.get("HIERGEO_MILVUS_TOKEN", ""), min(CONNECT, timeout)
    try:
        return pymilvus.MilvusClient(uri=uri, token=token, timeout=seconds)
    except Exception as error:  # of many kinds, from pymilvus, grpc and the engine of Lite
        if place.remote:
            raise UnavailableError(
                f"no Milvus server answers at {place.shown} within {seconds} seconds: start one, or check the address "
                f"and HIERGEO_MILVUS_TOKEN ({without_password(described(error))})."
            ) from error
        raise UnavailableError(
            f"Milvus Lite cannot open {place.shown}: {described(error)}; one process at a time can use it."
        ) from error


def _imported() -> Any:
    pymilvus = extras.require("pymilvus", "the store milvus")
    for name in (
        "pymilvus.decorators",
        "pymilvus.client.connection_manager",
        "milvus_lite",
    ):  # they log what they raise, with its traceback
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return pymilvus


def _check_file(path: Path) -> None:
    """Refuse what Milvus Lite would not open, or would open although it is something else."""
    _imported()
    if find_spec("milvus_lite") is None:
        raise UnavailableError("Milvus Lite needs its package: pip install milvus-lite.")
    if path.suffix != ".db":
        raise InputError(f"the name of a Milvus Lite database ends in .db, and {path} does not: add it.")
    if not path.absolute().parent.is_dir():
        raise InputError(f"the folder of {path} is not there: make it first.")
    if path.is_file():
        raise InputError(f"{path} is a file, as Milvus Lite 2 wrote them: choose another name and push again.")
    if path.is_dir() and any(path.iterdir()) and not (path / "collections").exists():
        raise InputError(f"{path} is the folder of something else than Milvus Lite: choose another name.")


def _partition(shell: int) -> str:
    return f"shell_{shell}"


def _within(low: float, high: float, shell: int | None = None) -> str:
    """The filter of a range of radii, in one shell or in all."""
    ends = [f"radius >= {float(low)!r}"] if math.isfinite(low) else []
    ends += [f"radius <= {float(high)!r}"] if math.isfinite(high) else []
    ends += [] if shell is None else [f"shell == {shell}"]
    return " and ".join(ends) or "id >= 0"


def _wide(direction: NDArray[np.float32]) -> NDArray[np.float32]:
    """Directions of at least as many coordinates as Milvus takes; those that are added are 0."""
    return np.pad(direction, ((0, 0), (0, max(0, NARROWEST - direction.shape[1]))))


def _block(rows: Sequence[dict[str, Any]]) -> MilvusRows:
    ids = np.array([row["id"] for row in rows], dtype=np.int64)
    radius = np.array([row["radius"] for row in rows], dtype=np.float64)
    return MilvusRows(ids, radius, np.array([row["direction"] for row in rows], dtype=np.float32))
