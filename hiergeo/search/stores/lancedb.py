"""LanceDB as a store: one table in a folder or in an object store, searched without an index.

``lancedb:./FOLDER`` or ``lancedb:s3://BUCKET/PREFIX``; option ``table``. Every search reads the directions of its
shell, so that it is exhaustive, and slow: a store to keep archives in. Credentials of object stores are taken from the
environment, as LanceDB documents it.
"""

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from hiergeo import _extras
from hiergeo.errors import InputError
from hiergeo.search.rows import Frame
from hiergeo.search.stores.engine import Block, Census, Engine, EngineStore
from hiergeo.search.stores.places import Place, calling, check_folder

CARD = b"hiergeo.card"


def lancedb_store(rest: str, frame: Frame, edges: Sequence[float]) -> EngineStore:
    """Open the store of a spec ``lancedb:REST``.

    Raises:
        InputError: an option that cannot be, or a table of another index.
        UnavailableError: lancedb is not installed, or the place cannot be reached.
    """
    place = Place.of("lancedb", rest, ("table",), "lancedb:./FOLDER or lancedb:s3://BUCKET/PREFIX")
    return EngineStore(LanceEngine(place), frame, edges)


@final
class LanceEngine(Engine):
    """A table of LanceDB.

    Args:
        place: of the database, with the options of the spec.
    """

    name = "lancedb"
    exhaustive = True

    def __init__(self, place: Place) -> None:
        self._lancedb = _imported()
        self.place, self.version = f"LanceDB {place.shown}", version("lancedb")
        self.table = place.options.get("table", "hiergeo")
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", self.table):
            raise InputError(f"a table of LanceDB is named by letters, digits, _, - and ., not '{self.table}'.")
        self.folder = place.path() if "://" not in place.where else None
        self.where = place.where if self.folder is None else str(self.folder)
        if self.folder is not None:
            with calling(self.place):
                check_folder(self.folder, "LanceDB", "*.lance")
        self._open: Any = None

    def card(self) -> str | None:
        if self.folder is not None and not self.folder.exists():
            return None
        with calling(self.place):
            database = self._lancedb.connect(self.where)
            try:
                table = database.open_table(self.table)
            except (FileNotFoundError, ValueError) as error:
                if "not found" in str(error):
                    return None
                raise
            held: bytes | None = (table.schema.metadata or {}).get(CARD)
        if held is None:
            raise InputError(f"the table {self.table} of {self.place} was not made by hiergeo: name another one.")
        self._open = table
        return held.decode()

    def create(self, card: str, dim: int, shells: int) -> None:
        import pyarrow as pa

        schema = pa.schema(
            [
                ("id", pa.int64()),
                ("shell", pa.int32()),
                ("radius", pa.float64()),
                ("direction", pa.list_(pa.float32(), dim)),
            ],
            metadata={CARD: card.encode()},
        )
        with calling(self.place):
            self._open = self._lancedb.connect(self.where).create_table(self.table, schema=schema)

    def insert(self, shell: int, rows: Block) -> None:
        import pyarrow as pa

        schema = self._open.schema
        columns = [
            pa.array(rows.ids),
            pa.array(np.full(len(rows.ids), shell, np.int32)),
            pa.array(rows.radius),
            pa.FixedSizeListArray.from_arrays(pa.array(rows.direction.ravel()), rows.direction.shape[1]),
        ]
        with calling(self.place):
            self._open.add(pa.table(columns, schema=schema))

    def settle(self) -> None:
        """A version of the table is written whole before `insert` and `remove` return."""

    def remove(self, ids: NDArray[np.int64]) -> None:
        with calling(self.place):
            self._open.delete(_among(ids))

    def known(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._read(_among(ids), ["id"])["id"].to_numpy()

    def search(self, shell: int, queries: NDArray[np.float32], k: int) -> list[tuple[Sequence[int], Sequence[float]]]:
        with calling(self.place):
            asked = self._latest().search(queries if len(queries) > 1 else queries[0])
            found = (
                asked.distance_type("dot")
                .where(f"shell = {shell}", prefilter=True)
                .bypass_vector_index()
                .limit(k)
                .select(["id", "_distance"])
                .to_arrow()
            )
        ids, scores = found["id"].to_numpy(), 1 - found["_distance"].to_numpy()
        owner = found["query_index"].to_numpy() if len(queries) > 1 else np.zeros(len(ids), dtype=np.int32)
        return [(ids[owner == q].tolist(), scores[owner == q].tolist()) for q in range(len(queries))]

    def scan(self, low: float, high: float, most: int) -> Iterator[Block]:
        with calling(self.place):
            reader = self._query(_within(low, high), ["id", "radius", "direction"]).to_batches(batch_size=most)
        while True:
            with calling(self.place):
                batch = next(iter(reader), None)
            if batch is None:
                return
            yield _block(batch)

    def get(self, ids: NDArray[np.int64]) -> Block:
        return _block(self._read(_among(ids), ["id", "radius", "direction"]).combine_chunks())

    def count(self, low: float, high: float, shell: int | None = None) -> int:
        with calling(self.place):
            return int(self._latest().count_rows(_within(low, high, shell)))

    def census(self, shells: int) -> Census:
        held = self._read(None, ["shell", "radius"])
        place, radius = held["shell"].to_numpy(), held["radius"].to_numpy()
        count = np.bincount(place, minlength=shells)
        low, high = np.full(shells, np.inf), np.zeros(shells)
        np.minimum.at(low, place, radius)
        np.maximum.at(high, place, radius)
        return Census(count, np.where(count > 0, low, 0.0), high)

    def close(self) -> None:
        self._open = None

    def _latest(self) -> Any:
        """The table with what other processes have written since."""
        self._open.checkout_latest()
        return self._open

    def _query(self, where: str | None, columns: list[str]) -> Any:
        asked = self._latest().search().select(columns).limit(None)
        return asked if where is None else asked.where(where)

    def _read(self, where: str | None, columns: list[str]) -> Any:
        with calling(self.place):
            return self._query(where, columns).to_arrow()


def _imported() -> Any:
    return _extras.require("lancedb", "the store lancedb")


def _among(ids: NDArray[np.int64]) -> str:
    return f"id in ({', '.join(map(str, ids.tolist()))})"


def _within(low: float, high: float, shell: int | None = None) -> str:
    ends = [f"radius >= {float(low)!r}"] if np.isfinite(low) else []
    ends += [f"radius <= {float(high)!r}"] if np.isfinite(high) else []
    ends += [] if shell is None else [f"shell = {shell}"]
    return " and ".join(ends) or "true"


def _block(table: Any) -> Block:
    direction = table["direction"]
    flat = direction.combine_chunks() if hasattr(direction, "combine_chunks") else direction
    values = flat.flatten().to_numpy(zero_copy_only=False)
    n = table.num_rows
    ids, radius = (table[name].to_numpy(zero_copy_only=False) for name in ("id", "radius"))
    return Block(ids, radius, values.reshape(n, -1 if n else 0))
