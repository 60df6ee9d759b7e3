"""An OpenAI-compatible endpoint on loopback that answers by rule, and misbehaves where a test tells it to."""

import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "scripted"
HUGE = 5 << 20
SLOW = 60.0
"""Seconds after which a slow answer ends, unless the endpoint ends before."""

Rule = Callable[[dict[str, Any], int], str]
"""(body of a request, how often its prompt was asked before) -> how to misbehave; empty for a proper answer."""


def well(body: dict[str, Any], asked: int) -> str:
    """Always answer as asked."""
    return ""


def wanted(body: dict[str, Any]) -> list[str]:
    """The keys that a prompt asks for, as its instructions name them."""
    found = re.search(r"Its keys are, in this order, (.*?):", body["messages"][0]["content"])
    assert found is not None
    return found[1].split(", ")


def item(body: dict[str, Any]) -> dict[str, Any]:
    """The item of a prompt."""
    return json.loads(body["messages"][1]["content"])


def caption_of(body: dict[str, Any]) -> str:
    given = item(body)
    return (
        given["caption"] if "caption" in given else [given[name] for name in given if name.startswith("positive")][-1]
    )


def answer(body: dict[str, Any]) -> dict[str, str]:
    """Texts that fit: ever shorter beginnings of the caption, and "no" before what they contradict."""
    given, caption = item(body), caption_of(body)
    made = {"caption": caption}
    for name in wanted(body)[1:]:
        side, tier = name.split("_")
        positive = given.get(f"positive_{tier}") or " ".join(caption.split()[: int(tier)])
        made[name] = positive if side == "positive" else f"no {positive}"
    return made


class Endpoint:
    """What was asked of an endpoint, and the rule by which it answers."""

    def __init__(self) -> None:
        self.rule: Rule = well
        self.url = ""
        self.headers: list[dict[str, str]] = []
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.most_at_once = 0
        self.at_once = 0
        self.ended = threading.Event()
        self._lock, self._last = threading.Lock(), ""

    def enter(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[str, int]:
        """Note a request; its key and how often it was there before."""
        told = json.dumps([body["messages"], body.get("seed")])
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.headers.append(headers)
            self.asked[told] += 1
            return told, self.asked[told] - 1

    def leave(self) -> None:
        with self._lock:
            self.at_once -= 1

    def content(self, body: dict[str, Any], act: str) -> str:
        """The text of the answer, spoiled in the way that `act` names."""
        made = answer(body)
        first, *_, last = list(made)[1:] * 2
        text = {
            "malformed": "Sure! " + json.dumps(made),
            "truncated": json.dumps(made)[:-9],
            "other caption": json.dumps({**made, "caption": "a cat"}),
            "missing": json.dumps({name: held for name, held in made.items() if name != last}),
            "more": json.dumps({**made, "positive_9": "x"}),
            "empty": json.dumps({**made, first: " . "}),
            "repeated": json.dumps({**made, first: made["caption"].upper()}),
            "echo": json.dumps({**made, first: "You are given the caption. Write the more"}),
            "surrogate": json.dumps({**made, first: "a \ud800 dog"}),
            "separator": json.dumps({**made, first: "animal => dog"}),
            "long": json.dumps({**made, first: "very " * 1000 + "long"}),
            "fenced": f"<think>{{}}</think>\n```json\n{json.dumps(made, indent=1)}\n```\n",
            "twice": '{"caption": "x", ' + json.dumps(made)[1:],
        }.get(act, json.dumps(made))
        with self._lock:
            stale, self._last = self._last, text
        return stale if act == "stale" else text


@contextmanager
def scripted(rule: Rule = well) -> Iterator[Endpoint]:
    """A running endpoint, ended with the block."""
    endpoint = Endpoint()
    endpoint.rule = rule

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told, before = endpoint.enter(body, {name.lower(): held for name, held in self.headers.items()})
            try:
                if self.misbehave(act := endpoint.rule(body, before)):
                    return
                message: dict[str, Any] = {"role": "assistant", "content": endpoint.content(body, act)}
                if act == "refused":
                    message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
                choice = {"index": 0, "message": message, "finish_reason": "length" if act == "truncated" else "stop"}
                usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
                endpoint.answered[told] += 1
                self.send(200, {"id": "1", "model": MODEL, "choices": [choice], "usage": usage})
            finally:
                endpoint.leave()

        def misbehave(self, act: str) -> bool:
            """Do what has no completion in it; whether it was asked for."""
            key = self.headers.get("Authorization", "")
            if act == "busy":
                self.send(429, {"error": {"message": "slow down"}}, {"Retry-After": "0.01"})
            elif act == "later":
                self.send(429, {"error": {"message": "quota"}}, {"Retry-After": "86400"})
            elif act == "error":
                self.send(500, {"error": {"message": "worker died"}}, {"Retry-After-Ms": "5"})
            elif act == "slow":
                endpoint.ended.wait(SLOW)
                self.close_connection = True
            elif act == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
            elif act == "cut":
                self.raw(200, b'{"choices": [', {"Content-Length": "1000"})
                self.close_connection = True
            elif act == "huge":
                self.raw(200, b" " * HUGE, {"Content-Length": str(HUGE)})
            elif act == "gzip":
                self.raw(200, b"{}", {"Content-Length": "2", "Content-Encoding": "gzip"})
            elif act == "page":
                self.raw(200, b"<html>Welcome</html>", {"Content-Length": "20", "Content-Type": "text/html"})
            elif act == "schema":
                self.send(200, {"generated_text": "x"})
            elif act == "unauthorised":
                self.send(401, {"error": {"message": f"wrong key in {key}"}})
            elif act == "rejected":
                self.send(400, {"error": {"message": f"unsupported, {key}"}})
            elif act == "unknown":
                self.send(404, {"error": {"message": "no such model"}})
            else:
                return False
            return True

        def send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            content = json.dumps(body).encode()
            told = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}
            self.raw(status, content, told)

        def raw(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
            except OSError:  # the client has gone
                self.close_connection = True

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # of a connection that a killed client left

    server = Server(("127.0.0.1", 0), Handler)
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
