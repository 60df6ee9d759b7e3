"""A stand-in for pymilvus over an imitation of a Milvus server in memory.

It has the methods that the store uses, and what the store relies on of Milvus 2.3.5 by pymilvus 3.0: partitions, reads
that are strongly consistent or not, and limited queries, of which Lite gives any rows.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np


class MilvusException(Exception):
    pass


DataType = SimpleNamespace(INT64="INT64", DOUBLE="DOUBLE", FLOAT_VECTOR="FLOAT_VECTOR")


@dataclass
class Collection:
    properties: dict[str, str]
    partitions: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"_default": []})
    unseen: list[Any] = field(default_factory=list)
    loaded: bool = False

    def see(self) -> None:
        """Apply what was written: reads that are strongly consistent wait for it, others do not."""
        for name, rows in self.unseen:
            if name is None:
                for held in self.partitions.values():
                    held[:] = [row for row in held if row["id"] not in rows]
            else:
                self.partitions[name].extend(rows)
        self.unseen.clear()

    def read(self, partitions: list[str] | None, consistency: str | None) -> list[dict[str, Any]]:
        if not self.loaded:
            raise MilvusException("failed to search: collection not loaded")
        if consistency in (None, "Strong", "Session"):
            self.see()
        rows = (row for name in partitions or self.partitions for row in self.partitions[name])
        return sorted(rows, key=lambda row: row["id"])


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
            raise MilvusException(f"Fail connecting to server on {uri}, illegal connection params")
        self._server = SERVERS[uri]

    def get_server_version(self, **_: Any) -> str:
        return self._server.version

    def has_collection(self, name: str, **_: Any) -> bool:
        return name in self._server.collections

    def describe_collection(self, name: str, **_: Any) -> dict[str, Any]:
        return {"properties": dict(self._server.collections[name].properties)}

    def drop_collection(self, name: str, **_: Any) -> None:
        self._server.collections.pop(name, None)

    def create_schema(self, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(add_field=lambda *_, **__: None)

    def prepare_index_params(self) -> SimpleNamespace:
        return SimpleNamespace(add_index=lambda *_, **__: None)

    def create_collection(self, name: str, properties: dict[str, str], **_: Any) -> None:
        self._server.collections[name] = Collection(dict(properties))

    def alter_collection_properties(self, name: str, properties: dict[str, str], **_: Any) -> None:
        self._server.collections[name].properties.update(properties)

    def create_partition(self, name: str, partition_name: str, **_: Any) -> None:
        self._server.collections[name].partitions[partition_name] = []

    def create_index(self, *_: Any, **__: Any) -> None:
        pass

    def load_collection(self, name: str, **_: Any) -> None:
        self._server.collections[name].loaded = True

    def insert(self, name: str, data: list[dict[str, Any]], partition_name: str, **_: Any) -> None:
        self._called("insert", name).unseen.append((partition_name, [dict(row) for row in data]))

    def delete(self, name: str, ids: list[int], **_: Any) -> None:
        held = self._called("delete", name)
        held.see()
        held.unseen.append((None, set(ids)))

    def query(
        self,
        name: str,
        filter: str,
        output_fields: list[str],
        consistency_level: str | None = None,
        limit: int | None = None,
        **_: Any,
    ) -> list[dict[str, Any]]:
        rows = [row for row in self._called("query", name).read(None, consistency_level) if _holds(filter, row)]
        if output_fields == ["count(*)"]:
            return [{"count(*)": len(rows)}]
        if limit is not None and self._server.version.startswith("milvus_lite"):
            rows.reverse()  # Lite gives any of them
        return [{key: row[key] for key in {*output_fields, "id"}} for row in rows[:limit]]

    def search(
        self, name: str, data: list[Any], limit: int, partition_names: list[str], consistency_level: str, **_: Any
    ) -> list[list[dict[str, Any]]]:
        rows = self._called("search", name).read(partition_names, consistency_level)
        if not rows:
            return [[] for _ in data]
        scores = np.array(data, np.float32) @ np.array([row["direction"] for row in rows], np.float32).T
        return [[{"id": rows[i]["id"]} for i in np.argsort(-score, kind="stable")[:limit]] for score in scores]

    def flush(self, name: str, **_: Any) -> None:
        self._called("flush", name)

    def close(self) -> None:
        pass

    def _called(self, method: str, name: str) -> Collection:
        self._server.calls.append(method)
        if self._server.fail:
            raise self._server.fail.pop(0)
        return self._server.collections[name]


def _holds(condition: str, row: dict[str, Any]) -> bool:
    if read := re.fullmatch(r"(\w+) in \[(.*)\]", condition):
        return row[read[1]] in {int(value) for value in read[2].split(",")}
    read = re.fullmatch(r"(\w+) (>=|==|>) (\S+)", condition)
    if read is None:
        raise MilvusException(f"cannot parse expression: {condition}")
    value, bound = row[read[1]], int(read[3])
    return bool({">=": value >= bound, "==": value == bound, ">": value > bound}[read[2]])
