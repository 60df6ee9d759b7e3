"""Hostile requests to the HTTP service.

Each attack is bytes on a connection. What comes back has to be an HTTP response below 500, or 503 or 504, without a
traceback, or nothing where the request was no whole one; afterwards the server still answers.
"""

import base64
import io
import json
import random
import re
import socket
from collections import Counter
from collections.abc import Callable

VERBS = ("children", "parents", "neighbours", "ladder", "count")
PATHS = (*(f"/api/{verb}" for verb in VERBS), "/api/add", "/api/health", "/api/openapi.json", "/metrics")

TEXTS = (
    "",
    "a red square",
    "\0",
    "\ud800",
    "\U0010ffff" * 20,
    "../../../../etc/passwd",
    "/etc/hostname",
    "file:///etc/passwd",
    "<script>alert(1)</script>",
    "'; DROP TABLE items; --",
    "{{7*7}}",
    "%s%s%n",
    "a" * 5000,
    "\u202e\u2066",
    "e\u0301" * 50,
    "\r\nX-Injected: yes",
)
NUMBERS = (0, -1, 1, 2, 1024, 1025, 10**18, 10**19, -(10**30), 0.5, 1e308, -1e-308, float("nan"), float("inf"), True)
SPECS = (
    "euclidean",
    "lorentz:-1",
    "lorentz:-1e-300",
    "lorentz:-1e300",
    "sphere:0.25",
    "sphere:1e9",
    "lorentz:nan",
    "product:lorentz:-1x32,euclidean:x32",
    "product:" + ",".join(["euclidean:x1"] * 64),
    "poincare:",
    ":::",
    "lorentz:" + "9" * 900,
)
NAMES = ("q", "k", "by", "geometry", "steps", "queries", "captions", "embeddings", "ids", "images", "image", "x")
BODIES = (
    b"",
    b"null",
    b"\xef\xbb\xbf{}",
    b'{"queries": [NaN]}',
    b'{"queries": [[Infinity]]}',
    b'{"queries": [[1e999]]}',
    b'{"queries": ' + b"[" * 50_000,
    b'{"queries": ' + b"[" * 40 + b"]" * 40 + b"}",
    b'{"a":' * 3000,
    b'{"k": ' + b"9" * 5000 + b"}",
    b'{"queries": ["\\ud800"]}',
    b'{"queries": ["a"], "queries": ["b"]}',
    b'{"queries": ["\xff\xfe"]}',
    b"\xff" * 1000,
)


def attack(chance: random.Random) -> tuple[bytes, bool]:
    """The bytes of one hostile request, and whether they are a whole request."""
    family = chance.choice(FAMILIES)
    return family(chance), family not in (_noise, _head, _cut)


def _noise(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(1, 400)) + chance.choice((b"", b"\r\n\r\n"))


METHODS = (b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"TRACE", b"CONNECT", b"PRI", b"G\0T", b"get")
TARGETS = (
    *(path.encode() for path in PATHS),
    *(b"*", b"/", b"//", b"/api/../../etc/passwd", b"http://evil/", b"/%00", b"/\xff", b"", b"/" + b"a" * 70_000),
)
FIELDS = (
    b"Host: x",
    b"Host: " + b"h" * 3000,
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999999",
    b"Content-Length: 4",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAA",
    b"Expect: 100-continue",
    b"Authorization: Bearer \xff\xfe",
    b"Content-Type: multipart/form-data; boundary=" + b"x" * 500,
    b"X: " + bytes(range(1, 256, 12)),
    b"Cookie: " + b"a=b;" * 1000,
    b" folded",
    b"no colon",
)


def _head(chance: random.Random) -> bytes:
    version = chance.choice((b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b""))
    line = b" ".join((chance.choice(METHODS), chance.choice(TARGETS), version))
    fields = (chance.choice(FIELDS) for _ in range(chance.randrange(6)))
    return b"\r\n".join((line, *fields, b"Connection: close", b"", b"zz\r\nabc"))


def _query(chance: random.Random) -> bytes:
    from urllib.parse import quote

    def value() -> str:
        given = chance.choice((*TEXTS, *NUMBERS, *SPECS))
        return quote(str(given).encode("utf-8", "surrogatepass")) if chance.random() < 0.9 else "%ff%fe%"

    pairs = "&".join(f"{chance.choice(NAMES)}={value()}" for _ in range(chance.randrange(5)))
    return request("GET", f"{chance.choice(PATHS)}?q={value()}&{pairs}".rstrip("&"))


def _value(chance: random.Random, depth: int = 0) -> object:
    kinds: tuple[Callable[[], object], ...] = (
        lambda: chance.choice((*TEXTS, *NUMBERS, *SPECS, None)),
        lambda: [chance.choice(NUMBERS)] * 64,
        lambda: [chance.gauss(0, 10.0 ** chance.randrange(-40, 39)) for _ in range(64)],
        lambda: [_value(chance, depth + 1) for _ in range(chance.randrange(4))] if depth < 4 else 0,
        lambda: {chance.choice(("text", "embedding", "image", "x")): _value(chance, depth + 1)} if depth < 4 else 0,
    )
    return chance.choice(kinds)()


def _json(chance: random.Random) -> bytes:
    path = chance.choice(PATHS[:6])
    given: dict[str, object] = {"queries": ["a", [0.5] * 64]} if path != "/api/add" else {"captions": ["a"]}
    given |= {chance.choice(NAMES): _value(chance) for _ in range(chance.randrange(4))}
    return request("POST", path, json.dumps(given).encode())


def _body(chance: random.Random) -> bytes:
    return request("POST", chance.choice(PATHS), chance.choice(BODIES))


def _picture(chance: random.Random) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    size = chance.randrange(1, 40), chance.randrange(1, 40)
    Image.new("RGB", size, "red").save(file, chance.choice(("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP")))
    content = bytearray(file.getvalue())
    for _ in range(chance.randrange(6)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    damaged = content[: chance.randrange(len(content))] if chance.random() < 0.3 else content
    body = json.dumps({"queries": [{"image": base64.b64encode(damaged).decode()}]}).encode()
    return request("POST", chance.choice(("/api/children", "/api/ladder")), body)


def _cut(chance: random.Random) -> bytes:
    whole = chance.choice((_json, _query, _picture))(chance)
    return whole[: chance.randrange(len(whole))]


FAMILIES = (_noise, _head, _query, _json, _json, _body, _picture, _cut)


def request(method: str, target: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
    """The bytes of a request that closes its connection."""
    told = b"" if body is None else f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n".encode()
    return f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode() + told + b"\r\n" + (body or b"")


def met(port: int, content: bytes, whole: bool = True, leaves: bool = False) -> str | None:
    """The status that an attack met, "" for a closed connection; None where the client `leaves` without waiting.

    A request that is not `whole` ends the stream. Raises AssertionError for what no server should send.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        answer = b""
        try:
            connection.sendall(content)
            if leaves:
                return None
            if not whole:
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 16):
                answer += part
        except ConnectionError:
            pass
    if not answer:
        return ""
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert found, f"{content[:200]!r} met {answer[:200]!r}"
    status = found[1].decode()
    assert status < "500" or status in ("503", "504"), f"{content[:2000]!r} met {answer[:400]!r}"
    assert b"Traceback" not in answer, f"{content[:2000]!r} met a traceback"
    assert b"X-Injected" not in answer.partition(b"\r\n\r\n")[0]
    return status


def campaign(port: int, number: int, seed: int) -> Counter[str | None]:
    """Attack a server, and count what the attacks met."""
    chance = random.Random(seed)
    return Counter(met(port, *attack(chance), leaves=chance.random() < 0.1) for _ in range(number))
