"""A stand-in for pymilvus over an imitation of a Milvus server in memory.

It has the methods that the store uses, and the limits, answers and silences that were recorded from Milvus 2.3.5 by
pymilvus 3.0: `milvus_contract.py` is what it and a real server are both held to.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

WINDOW = 16_384
LOST_ID = 2**63 - 1


class MilvusException(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"<MilvusException: (code={code}, message={message})>")


DataType = SimpleNamespace(INT64="INT64", DOUBLE="DOUBLE", FLOAT_VECTOR="FLOAT_VECTOR")


@dataclass
class Schema:
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add_field(self, name: str, kind: str, **params: Any) -> None:
        self.fields[name] = {"name": name, "type": kind, "params": params}


@dataclass
class Indices:
    kinds: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    def add_index(
        self, name: str, index_type: str, metric_type: str = "", params: dict[str, Any] | None = None
    ) -> None:
        self.kinds[name] = (index_type, params or {})


@dataclass
class Collection:
    schema: Schema
    properties: dict[str, str]
    partitions: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"_default": []})
    unseen: list[Any] = field(default_factory=list)
    indices: Indices = field(default_factory=Indices)
    loaded: bool = False

    def see(self) -> None:
        """Apply what was written: reads that are strongly consistent wait for it, others do not."""
        for name, rows in self.unseen:
            if name is None:
                for held in self.partitions.values():
                    held[:] = [row for row in held if row["id"] not in rows]
            else:
                self.partitions[name].extend(row for row in rows if row["id"] != LOST_ID)
        self.unseen.clear()

    def read(self, partitions: list[str] | None, consistency: str | None) -> list[dict[str, Any]]:
        if not self.loaded:
            raise MilvusException(101, "failed to search: collection not loaded")
        if consistency in (None, "Strong", "Session"):
            self.see()
        return sorted((row for name in partitions or self.partitions for row in self.partitions[name]), key=_id)


class Server:
    """What a server keeps while clients come and go."""

    def __init__(self, version: str = "v2.3.5-lite") -> None:
        self.version, self.collections = version, dict[str, Collection]()
        self.calls: list[str] = []
        self.fail: list[Exception] = []


SERVERS: dict[str, Server] = {}
"""The servers that can be reached, by address."""


class MilvusClient:
    def __init__(self, uri: str, token: str = "", timeout: float | None = None) -> None:
        if not uri.startswith("http"):
            Path(uri, "collections").mkdir(parents=True, exist_ok=True)
            SERVERS.setdefault(uri, Server("milvus_lite-3.0.0"))
        if uri not in SERVERS:
            raise MilvusException(2, f"Fail connecting to server on {uri}, illegal connection params")
        self._server = SERVERS[uri]

    def get_server_version(self, timeout: float | None = None) -> str:
        return self._server.version

    def has_collection(self, name: str, timeout: float | None = None) -> bool:
        return name in self._server.collections

    def list_collections(self) -> list[str]:
        return list(self._server.collections)

    def describe_collection(self, name: str, timeout: float | None = None) -> dict[str, Any]:
        held = self._held(name)
        return {"fields": list(held.schema.fields.values()), "properties": dict(held.properties)}

    def drop_collection(self, name: str, timeout: float | None = None) -> None:
        self._server.collections.pop(name, None)

    def create_schema(self, **settings: Any) -> Schema:
        return Schema()

    def prepare_index_params(self) -> Indices:
        return Indices()

    def create_collection(
        self,
        name: str,
        schema: Schema,
        consistency_level: str = "Bounded",
        properties: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        self._server.collections[name] = Collection(schema, dict(properties or {}))

    def alter_collection_properties(self, name: str, properties: dict[str, str], timeout: float | None = None) -> None:
        self._held(name).properties.update(properties)

    def create_partition(self, name: str, partition_name: str, timeout: float | None = None) -> None:
        self._held(name).partitions[partition_name] = []

    def create_index(self, name: str, index_params: Indices, timeout: float | None = None) -> None:
        for _, (kind, _) in index_params.kinds.items():
            if kind not in ("FLAT", "IVF_FLAT", "IVF_SQ8", "HNSW", "STL_SORT", "INVERTED"):
                raise MilvusException(1100, f"invalid index type: {kind}")
        self._held(name).indices = index_params

    def load_collection(self, name: str, timeout: float | None = None) -> None:
        self._held(name).loaded = True

    def insert(
        self, name: str, data: list[dict[str, Any]], partition_name: str, timeout: float | None = None
    ) -> dict[str, Any]:
        self._maybe_fail("insert")
        held = self._held(name)
        dim = held.schema.fields["direction"]["params"]["dim"]
        self._check_partitions(held, [partition_name])
        for row in data:
            if len(row["direction"]) != dim:
                raise MilvusException(65535, f"the length of float data should divide the dim({dim})")
            if not np.isfinite(row["direction"]).all():
                raise MilvusException(65535, "value 'NaN' is not a number or infinity")
        held.unseen.append((partition_name, [dict(row) for row in data]))
        return {"insert_count": len(data)}

    def delete(self, name: str, ids: list[int], timeout: float | None = None) -> dict[str, Any]:
        if not ids:
            raise MilvusException(1, "The type of expr must be string ,but <class 'NoneType'> is given.")
        held = self._held(name)
        held.see()
        held.unseen.append((None, set(ids)))
        return {"delete_count": len(ids)}

    def query(
        self,
        name: str,
        filter: str,
        output_fields: list[str],
        consistency_level: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> list[dict[str, Any]]:
        self._maybe_fail("query")
        if limit is not None and not 1 <= limit <= WINDOW:
            raise MilvusException(65535, f"(offset+limit) should be in range [1, 16384], but got {limit}")
        if not filter and limit is None and output_fields != ["count(*)"]:
            raise MilvusException(65535, "empty expression should be used with limit")
        rows = [row for row in self._held(name).read(None, consistency_level) if _admits(filter, row)]
        if output_fields == ["count(*)"]:
            return [{"count(*)": len(rows)}]
        if limit is not None and self._server.version.startswith("milvus_lite"):
            rows.reverse()  # Lite gives any of them
        return [{key: row[key] for key in {*output_fields, "id"}} for row in rows[:limit]]

    def search(
        self,
        name: str,
        data: list[Any],
        limit: int,
        partition_names: list[str],
        search_params: dict[str, Any],
        output_fields: list[str],
        consistency_level: str | None = None,
        timeout: float | None = None,
    ) -> list[list[dict[str, Any]]]:
        self._maybe_fail("search")
        if not 1 <= limit <= WINDOW:
            raise MilvusException(65535, f"topk [{limit}] is invalid, top k should be in range [1, 16384]")
        if not 1 <= len(data) <= WINDOW:
            raise MilvusException(65535, f"nq [{len(data)}] is invalid, nq should be in range [1, 16384]")
        held = self._held(name)
        self._check_partitions(held, partition_names)
        if len(data[0]) != held.schema.fields["direction"]["params"]["dim"]:
            raise MilvusException(65535, "vector dimension mismatch: service internal error: UnknownError")
        rows = held.read(partition_names, consistency_level)
        if not rows:
            return [[] for _ in data]
        scores = np.array(data, np.float32) @ np.array([row["direction"] for row in rows], np.float32).T
        return [
            [{"id": rows[i]["id"], "distance": float(score[i])} for i in np.argsort(-score, kind="stable")[:limit]]
            for score in scores
        ]

    def flush(self, name: str, timeout: float | None = None) -> None:
        self._maybe_fail("flush")

    def close(self) -> None:
        pass

    def _held(self, name: str) -> Collection:
        if name not in self._server.collections:
            raise MilvusException(100, f"can't find collection[database=default][collection={name}]")
        return self._server.collections[name]

    def _maybe_fail(self, call: str) -> None:
        self._server.calls.append(call)
        if self._server.fail:
            raise self._server.fail.pop(0)

    @staticmethod
    def _check_partitions(held: Collection, names: list[str]) -> None:
        for name in names:
            if name not in held.partitions:
                raise MilvusException(200, f"partition not found[partition={name}]")


def _id(row: dict[str, Any]) -> int:
    return int(row["id"])


def _admits(filter: str, row: dict[str, Any]) -> bool:
    return all(_holds(part, row) for part in filter.split(" and ")) if filter else True


def _holds(part: str, row: dict[str, Any]) -> bool:
    if read := re.fullmatch(r"(\w+) in \[(.*)\]", part):
        return row[read[1]] in {int(value) for value in read[2].split(",")}
    read = re.fullmatch(r"(\w+) (>=|<=|==|>|<) (\S+)", part)
    if read is None:
        raise MilvusException(65535, f"cannot parse expression: {part}")
    value, bound = float(row[read[1]]), float(read[3])
    if math.isnan(bound) or math.isinf(bound):
        raise MilvusException(65535, f"field {read[3]} not exist")
    return {
        ">=": value >= bound,
        "<=": value <= bound,
        "==": value == bound,
        ">": value > bound,
        "<": value < bound,
    }[read[2]]
