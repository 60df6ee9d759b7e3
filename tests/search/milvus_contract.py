"""What a Milvus server limits, answers and passes over in silence, as the store relies on it."""

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


def check_contract(client: Any, types: Any) -> None:
    """Hold a client, with the module's types of fields, to the contract of a server."""
    name = f"hiergeo_test_{uuid.uuid4().hex}"
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", types.INT64, is_primary=True)
    schema.add_field("shell", types.INT64)
    schema.add_field("radius", types.DOUBLE)
    schema.add_field("direction", types.FLOAT_VECTOR, dim=4)
    indices = client.prepare_index_params()
    indices.add_index("direction", index_type="FLAT", metric_type="IP", params={})
    indices.add_index("radius", index_type="STL_SORT")

    def refused(call: Callable[[], Any], word: str) -> None:
        with pytest.raises(Exception, match=word):
            call()

    def search(vectors: Any, k: int, partition: str = "a", level: str = "Strong") -> Any:
        params = {"metric_type": "IP", "params": {}}
        return client.search(
            name,
            data=list(vectors),
            limit=k,
            partition_names=[partition],
            search_params=params,
            output_fields=["id"],
            consistency_level=level,
        )

    def query(where: str, fields: list[str], **limit: int) -> Any:
        return client.query(name, filter=where, output_fields=fields, consistency_level="Strong", **limit)

    def item(i: int, radius: float = 1.0) -> dict[str, Any]:
        return {"id": i, "shell": 0, "radius": radius, "direction": np.eye(4, dtype=np.float32)[i % 4]}

    assert not client.has_collection(name)
    refused(lambda: client.describe_collection(name), "ollection")
    client.create_collection(name, schema=schema, consistency_level="Strong", properties={"first": "1"})
    try:
        client.create_partition(name, "a")
        client.create_partition(name, "b")
        client.create_index(name, indices)
        client.alter_collection_properties(name, {"second": '{"x": [0.1]}'})
        held = client.describe_collection(name)["properties"]
        assert (held["first"], held["second"]) == ("1", '{"x": [0.1]}')
        refused(lambda: search(np.eye(4)[:1], 1), "not loaded")
        client.load_collection(name)
        client.insert(name, [item(i, 0.1 * i) for i in range(10)], partition_name="a")
        client.insert(name, [item(1)], partition_name="b")
        assert query("id >= 0", ["count(*)"])[0]["count(*)"] == 11, "an id may be there twice, and nothing says so"
        assert len(search(np.eye(4, dtype=np.float32)[:2], 5)[1]) == 5
        assert [len(hits) for hits in search(np.eye(4, dtype=np.float32)[:2], 16_384)] == [10, 10]
        refused(lambda: search(np.eye(4, dtype=np.float32)[:1], 16_385), "16384")
        refused(lambda: search(np.zeros((16_385, 4), np.float32), 1), "16384")
        refused(lambda: search(np.eye(4, dtype=np.float32)[:1], 1, "c"), "partition")
        refused(lambda: search(np.zeros((1, 3), np.float32), 1), "dim")
        refused(lambda: query("id >= 0", ["id"], limit=16_385), "16384")
        refused(lambda: query("", ["id"]), "limit")
        refused(lambda: query("radius <= inf", ["id"]), "inf")
        refused(lambda: client.insert(name, [item(20)], partition_name="c"), "partition")
        refused(lambda: client.insert(name, [{**item(20), "direction": np.zeros(3)}], partition_name="a"), "dim")
        refused(lambda: client.insert(name, [{**item(20), "direction": [np.nan] * 4}], partition_name="a"), "NaN")
        assert [row["id"] for row in query("radius >= 0.25 and radius <= 0.65 and id > 3", ["id"], limit=2)] == [4, 5]
        client.delete(name, ids=[2, 77])
        assert sorted(row["id"] for row in query("id in [1, 2, 3, 99]", ["id"])) in ([1, 3], [1, 1, 3])
        client.insert(name, [item(2**63 - 1), item(2**63 - 2)], partition_name="b")
        assert [row["id"] for row in query(f"id in [{2**63 - 1}, {2**63 - 2}]", ["id"])] == [2**63 - 2]
        assert search(np.eye(4, dtype=np.float32)[:1], 3, "b", "Session"), "searches of other levels are answered"
    finally:
        client.drop_collection(name)
