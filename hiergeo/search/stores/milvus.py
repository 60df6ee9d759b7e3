"""Milvus as a store, by one client code for a server or cluster and for Milvus Lite in a file.

The collection has one partition a shell, so that every shell has an index of its own: a filter over one index loses
rows of narrow shells, a partition does not. A card beside the rows says whose frame and shells they are.
``milvus:http://HOST:19530`` asks a server, ``milvus:./NAME.db`` Milvus Lite. Options: ``collection``, ``index`` with
its parameters, ``consistency`` of searches, ``timeout`` in seconds. The token of a server is read from the environment
variable HIERGEO_MILVUS_TOKEN.
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.errors import InputError
from hiergeo.search.rows import Frame, Rows
from hiergeo.search.store import Store, StoreFacts, shell_of
from hiergeo.search.stores.milvus_client import MilvusClient

MESSAGE = 16 << 20
"""Bytes that one call sends or receives at most; servers take 32 to 64 MiB."""

NUMBER = 8
"""Bytes that a number takes in a message, with what surrounds it."""

BATCH = 4096
"""Most queries, ids or rows of one call."""

PARALLEL = 16
"""Counts that are asked for at once: a strongly consistent read waits a fifth of a second, however small it is."""

ROW: Final = ("id", "radius", "direction")

ALL = "id >= 0"
"""The filter that admits every row."""

CARD, KIND = "hiergeo.card", "hiergeo.index"
"""Properties of a collection: the card, and the kind of its index."""

CARD_VERSION, GRAPH = 1, "HNSW"


@final
class MilvusStore(Store):
    """A collection of Milvus as a store; the first `add` makes it.

    Its arguments are those of `hiergeo.search.store.open_store`. Raises InputError for an option that is not valid or a
    collection of another index, UnavailableError for a package that is missing or a server that is away.
    """

    def __init__(self, rest: str, frame: Frame, edges: Sequence[float]) -> None:
        self.milvus, self.frame, self.edges = MilvusClient(rest), frame, tuple(map(float, edges))
        self.options = self.milvus.options
        self.kind: str = self.options.index
        self._written = False
        try:
            self._made = not self.milvus.absent and self._loaded()
        except BaseException:
            self.milvus.close()
            raise

    def describe(self) -> StoreFacts:
        counts = [0] * (len(self.edges) + 1)
        if self._made and self.milvus.lite:
            for row in self._query(ALL, ["shell"]):
                counts[row["shell"]] += 1
        elif self._made:
            with ThreadPoolExecutor(PARALLEL) as pool:
                counts = list(pool.map(lambda shell: self._count(f"shell == {shell}"), range(len(counts))))
        version = "" if self.milvus.absent else self.milvus.version
        return StoreFacts("milvus", version, self.frame, tuple(counts))

    def add(self, rows: Rows) -> None:
        if not len(rows):
            return
        if not self._made:
            self._make()
        shells, direction = shell_of(rows.radii[:, 0], self.edges), normalize(rows.direction.float(), dim=1).numpy()
        self._written = True
        for shell in shells.unique().tolist():
            for part in (shells == shell).nonzero()[:, 0].split(self._rows_a_message()):
                items = zip(rows.ids[part].tolist(), rows.radii[part, 0].tolist(), direction[part.numpy()], strict=True)
                data = [{"id": i, "shell": shell, "radius": r, "direction": d} for i, r, d in items]
                self.milvus.call("insert", data, partition_name=_partition(shell))
        self._settle()

    def delete(self, ids: Tensor) -> int:
        parts = ids.unique().split(BATCH) if self._made and len(ids) else ()
        present = [row["id"] for part in parts for row in self._query(f"id in {part.tolist()}", ["id"])]
        for start in range(0, len(present), BATCH):
            self._written = True
            self.milvus.call("delete", ids=present[start : start + BATCH])
        if present:
            self._settle()
        return len(present)

    def candidates(self, queries: Tensor, shell: int, k: int) -> Tensor:
        ids = torch.full((len(queries), k), -1, dtype=torch.int64)
        if not self._made:
            return ids
        params = {"ef": max(self.options.ef, k)} if self.kind == GRAPH else {}
        most = max(1, min(MESSAGE // (2 * NUMBER * k), self._rows_a_message()))
        for start in range(0, len(queries), most):
            lists = self.milvus.call(
                "search",
                data=list(queries[start : start + most].detach().cpu().float().numpy()),
                limit=k,
                partition_names=[_partition(shell)],
                search_params={"metric_type": "IP", "params": params},
                output_fields=["id"],
                consistency_level=self.options.consistency,
            )
            for row, hits in enumerate(lists, start):
                ids[row, : len(hits)] = torch.tensor([hit["id"] for hit in hits], dtype=torch.int64)
        return ids

    def scan(self) -> Iterator[Rows]:
        if not self._made:
            return
        most = self._rows_a_message()
        if self.milvus.lite:  # a limited query of Lite gives any rows, so that pages cannot follow each other
            ids = torch.tensor([row["id"] for row in self._query(ALL, ["id"])], dtype=torch.int64)
            for part in ids.sort().values.split(most) if len(ids) else ():
                yield _rows(self._query(f"id in {part.tolist()}", ROW))
            return
        last = -1
        while records := self._query(f"id > {last}", ROW, limit=most):
            last = max(row["id"] for row in records)
            yield _rows(records)

    def close(self) -> None:
        if self._written and not self.milvus.lite:  # rows get their index when their segment is sealed
            self.milvus.call("flush")
        self._written = False
        self.milvus.close()

    def _rows_a_message(self) -> int:
        return max(1, min(BATCH, MESSAGE // (NUMBER * self.frame.dim)))

    def _settle(self) -> None:
        """Return when rows inserted and deleted so far are durable and every search sees the change."""
        if not self.milvus.lite:  # a strongly consistent read waits for everything that was written before it
            self._count(ALL)

    def _query(self, where: str, fields: Sequence[str], **limit: int) -> list[dict[str, Any]]:
        settings = {"filter": where, "output_fields": list(fields), "consistency_level": "Strong", **limit}
        records: list[dict[str, Any]] = self.milvus.call("query", **settings)
        return records

    def _count(self, where: str) -> int:
        return int(self._query(where, ["count(*)"])[0]["count(*)"])

    def _make(self) -> None:
        """Make the collection, whose card comes last: one without is not whole."""
        from pymilvus import DataType

        client = self.milvus.connected
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("shell", DataType.INT64)
        schema.add_field("radius", DataType.DOUBLE)
        schema.add_field("direction", DataType.FLOAT_VECTOR, dim=self.frame.dim)
        options = {"M": self.options.M, "efConstruction": self.options.efConstruction}
        params = options if self.kind == GRAPH else {}
        indices = client.prepare_index_params()
        indices.add_index("direction", index_type=self.kind, metric_type="IP", params=params)
        indices.add_index("shell", index_type="INVERTED" if self.milvus.lite else "STL_SORT")
        call = self.milvus.call
        call("create_collection", schema=schema, consistency_level="Strong", properties={KIND: self.kind})
        for shell in range(len(self.edges) + 1):
            call("create_partition", _partition(shell))
        call("create_index", indices)
        call("alter_collection_properties", {CARD: self._card()})
        call("load_collection")
        self._made = True

    def _loaded(self) -> bool:
        """Whether there is the collection, which is loaded then; raises InputError for that of something else."""
        call, here = self.milvus.call, f"the collection {self.options.collection} of {self.milvus.where}"
        if not call("has_collection"):
            return False
        properties = dict(call("describe_collection").get("properties") or {})
        if KIND in properties and CARD not in properties:
            call("drop_collection")
            return False
        if CARD not in properties:
            raise InputError(f"{here} was not made by hiergeo: name another one by ?collection=NAME.")
        kind = str(properties.get(KIND))
        if self.milvus.chosen_index not in (None, kind):
            raise InputError(
                f"{here} has the index {kind}, not {self.kind}: leave the option out, or name another collection."
            )
        self.kind = kind
        if properties[CARD] != self._card():
            raise InputError(
                f"{here} holds the items of another index (of another root, dimension or shells, or before a "
                f"compaction): name another collection and push to it."
            )
        call("load_collection")
        return True

    def _card(self) -> str:
        frame = {"dims": list(self.frame.dims), "norm": self.frame.norm, "root_sha256": self.frame.root_sha256}
        return json.dumps({"hiergeo": CARD_VERSION, "frame": frame, "edges": list(self.edges)})


def _partition(shell: int) -> str:
    return f"shell_{shell}"


def _rows(records: Sequence[dict[str, Any]]) -> Rows:
    return Rows(
        torch.tensor([row["id"] for row in records], dtype=torch.int64),
        torch.from_numpy(np.array([row["direction"] for row in records], np.float32)),
        torch.tensor([row["radius"] for row in records], dtype=torch.float32).unsqueeze(1),
    )
