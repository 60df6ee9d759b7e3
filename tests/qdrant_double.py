"""A Qdrant server in memory that speaks its HTTP: the calls that the store uses, and what a real one refuses.

Written from the API that Qdrant publishes, not recorded: no server could be run beside the tests.
"""

import json
import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

LARGEST_BODY = 32 << 20
LARGEST_ID = 2**64 - 1


class Refused(Exception):
    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass
class Collection:
    dim: int
    points: dict[int, dict[str, Any]] = field(default_factory=dict)
    indexed: dict[str, str] = field(default_factory=dict)

    def admitted(self, where: dict[str, Any] | None) -> list[dict[str, Any]]:
        return [self.points[i] for i in sorted(self.points) if _admits(where, self.points[i]["payload"])]


@dataclass
class Qdrant:
    version: str = "1.15.0"
    collections: dict[str, Collection] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: Any) -> Any:
        if path == "/":
            return {"title": "qdrant - vector search engine", "version": self.version, "commit": "0"}
        read = re.fullmatch(r"/collections/([^/]+)(/.*)?", path)
        if read is None:
            raise Refused(404, "")
        name, call = read[1], f"{method} {read[2] or ''}".strip()
        self.calls.append(call)
        if call == "GET /exists":
            return {"exists": name in self.collections}
        if call == "PUT":
            if name in self.collections:
                raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
            if body["vectors"]["distance"] != "Dot":
                raise Refused(400, "the double knows the distance Dot only")
            self.collections[name] = Collection(body["vectors"]["size"])
            return True
        if name not in self.collections:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return _CALLS[call](self.collections[name], body)


def _index(held: Collection, body: Any) -> Any:
    held.indexed[body["field_name"]] = body["field_schema"]
    return {"operation_id": 1, "status": "completed"}


def _upsert(held: Collection, body: Any) -> Any:
    for point in body["points"]:
        _check_id(point["id"])
        if len(point["vector"]) != held.dim:
            raise Refused(400, f"Wrong input: Vector dimension error: expected dim: {held.dim}")
        held.points[point["id"]] = {**point, "payload": point.get("payload") or {}}
    return {"operation_id": 1, "status": "completed"}


def _retrieve(held: Collection, body: Any) -> Any:
    for i in body["ids"]:
        _check_id(i)
    return [_shown(held.points[i], body) for i in body["ids"] if i in held.points]


def _delete(held: Collection, body: Any) -> Any:
    for i in body["points"]:
        held.points.pop(i, None)
    return {"operation_id": 1, "status": "completed"}


def _count(held: Collection, body: Any) -> Any:
    return {"count": len(held.admitted(body.get("filter")))}


def _scroll(held: Collection, body: Any) -> Any:
    points, order = held.admitted(body.get("filter")), body.get("order_by")
    limit = body.get("limit", 10)
    if limit < 1:
        raise Refused(422, "Validation error in JSON body: limit")
    if order:
        if held.indexed.get(order["key"]) not in ("float", "integer"):
            raise Refused(400, f"Bad request: No range index for `order_by` key: `{order['key']}`.")
        points.sort(key=lambda point: point["payload"][order["key"]], reverse=order.get("direction") == "desc")
        return {"points": [_shown(point, body) for point in points[:limit]], "next_page_offset": None}
    points = [point for point in points if point["id"] >= (body.get("offset") or 0)]
    following = points[limit]["id"] if len(points) > limit else None
    return {"points": [_shown(point, body) for point in points[:limit]], "next_page_offset": following}


def _query(held: Collection, body: Any) -> Any:
    answers = []
    for search in body["searches"]:
        vector = search["query"]["nearest"]
        if len(vector) != held.dim:
            raise Refused(400, f"Wrong input: Vector dimension error: expected dim: {held.dim}, got {len(vector)}")
        points = held.admitted(search.get("filter"))
        scores = np.array([point["vector"] for point in points], np.float32).reshape(-1, held.dim) @ np.array(
            vector, np.float32
        )
        order = np.argsort(-scores, kind="stable")[: search["limit"]]
        answers.append({"points": [{"id": points[i]["id"], "version": 1, "score": float(scores[i])} for i in order]})
    return answers


_CALLS = {
    "PUT /index": _index,
    "PUT /points": _upsert,
    "POST /points": _retrieve,
    "POST /points/delete": _delete,
    "POST /points/count": _count,
    "POST /points/scroll": _scroll,
    "POST /points/query/batch": _query,
}


def _check_id(value: Any) -> None:
    if not isinstance(value, int) or not 0 <= value <= LARGEST_ID:
        raise Refused(400, f"Format error in JSON body: value {value} is not a valid point ID")


def _shown(point: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    shown = {"id": point["id"]}
    if body.get("with_payload"):
        shown["payload"] = point["payload"]
    if body.get("with_vector"):
        shown["vector"] = point["vector"]
    return shown


def _admits(where: dict[str, Any] | None, payload: dict[str, Any]) -> bool:
    return all(_holds(condition, payload) for condition in (where or {}).get("must", []))


def _holds(condition: dict[str, Any], payload: dict[str, Any]) -> bool:
    if condition["key"] not in payload:
        return False
    value = payload[condition["key"]]
    if condition.get("match"):
        return bool(value == condition["match"]["value"])
    span = condition["range"]
    low = -math.inf if span.get("gte") is None else span["gte"]
    high = math.inf if span.get("lte") is None else span["lte"]
    return bool(low <= value <= high)


@contextmanager
def serving(qdrant: Qdrant) -> Iterator[str]:
    """Serve on a free port of loopback; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            try:
                if length > LARGEST_BODY:
                    raise Refused(413, "Payload error: JSON payload is larger than allowed")
                told = json.loads(body) if body else None
                result = qdrant.answer(self.command, self.path.split("?")[0], told)
                status, answer = 200, result if self.path == "/" else {"result": result, "status": "ok", "time": 0.0}
            except Refused as error:
                status, answer = error.status, {"status": {"error": str(error)}, "time": 0.0}
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_PUT = do_POST = do_DELETE = _do

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
