"""Searching an index that a server holds: the same answers as from the index itself."""

import base64
import io
import json
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, Union, cast, final
from urllib.parse import urlsplit

import numpy as np
import torch

from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo.datasets.pictures import open_rgb
from hiergeo.geometry.space import By
from hiergeo.search import Answer, Climb, Hit, Recall, Rung

if TYPE_CHECKING:
    from PIL.Image import Image

Query: TypeAlias = Union[str, Path, "Image", torch.Tensor, "np.ndarray[Any, Any]"]
"""A text, the path of an image file, a picture, or an embedding (D,). A string is always a text."""

Given = TypeVar("Given")

ANSWER_BYTES = 1 << 28
"""Bytes of an answer that are read at most."""


@final
class Client:
    """A connection to a server of `hiergeo serve`; it can be shared by threads. `with` closes it.

    Methods take one query and give one answer, or a list of queries and give a list of answers from one request.

    Args:
        url: of the server, such as ``http://127.0.0.1:8080``.
        token: that the server asks for.
        timeout: seconds for one answer.
        retries: how often a request is repeated that a busy server refuses with 503; each wait is twice as long.
    """

    def __init__(self, url: str, token: str | None = None, timeout: float = 60.0, retries: int = 4) -> None:
        try:
            parts = urlsplit(url)
            self._address = parts.hostname or "", parts.port
        except ValueError as error:
            raise InputError(f"{url!r} is no URL of a server ({error}): write http://HOST:PORT.") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{url!r} is no URL of a server: write http://HOST:PORT.")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise InputError("a token must consist of printable ASCII characters.")
        self.url, self.timeout, self.retries = url.rstrip("/"), timeout, retries
        self._secure, self._base = parts.scheme == "https", parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        self._idle: list[HTTPConnection] = []
        self._closed = False
        self._lock = Lock()

    def children(
        self, query: Query | Sequence[Query], k: int = 10, *, by: By = "margin", geometry: str | None = None
    ) -> Answer | list[Answer]:
        """The k items that the query entails most; as `Index.children`."""
        return self._asked("children", query, answer_of, k=k, by=by, geometry=geometry)

    def parents(
        self, query: Query | Sequence[Query], k: int = 10, *, by: By = "margin", geometry: str | None = None
    ) -> Answer | list[Answer]:
        """The k items that entail the query most; as `Index.parents`."""
        return self._asked("parents", query, answer_of, k=k, by=by, geometry=geometry)

    def neighbours(
        self, query: Query | Sequence[Query], k: int = 10, *, geometry: str | None = None
    ) -> Answer | list[Answer]:
        """The k nearest items; as `Index.neighbours`."""
        return self._asked("neighbours", query, answer_of, k=k, geometry=geometry)

    def ladder(
        self, query: Query | Sequence[Query], steps: int = 50, *, geometry: str | None = None
    ) -> Climb | list[Climb]:
        """From general to specific; as `Index.ladder`."""
        return self._asked("ladder", query, climb_of, steps=steps, geometry=geometry)

    def count(self, query: Query | Sequence[Query], *, geometry: str | None = None) -> int | list[int]:
        """How many items the query entails; as `Index.count`."""
        return self._asked("count", query, lambda held: int(held["count"]), geometry=geometry)

    def add(
        self,
        captions: Sequence[str | None] | None = None,
        images: Sequence[str | None] | None = None,
        *,
        embeddings: "torch.Tensor | np.ndarray[Any, Any] | None" = None,
        ids: Sequence[int] | torch.Tensor | None = None,
    ) -> int:
        """Add items to the index; when it returns they are durable. Returns how many items there are now.

        With ids of one's own an addition whose answer was lost can be sent again: what is there is refused. Without
        them it is sent once, however busy the server is.

        Args:
            captions: one an item.
            images: references to images, kept as they are.
            embeddings: (N, D); None lets the model of the index embed the captions.
            ids: (N,), distinct and new; None lets the index number the items.
        """
        for name, given in (("captions", captions), ("images", images)):
            if isinstance(given, str):
                raise InputError(f"{name} must be a list of strings, not one string.")
        try:
            body = {
                "captions": None if captions is None else list(captions),
                "images": None if images is None else list(images),
                "embeddings": None if embeddings is None else torch.as_tensor(embeddings).detach().cpu().tolist(),
                "ids": None if ids is None else [operator.index(each) for each in ids],
            }
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"these items cannot be sent ({reason(error)}): ids are whole numbers.") from error
        return int(self._request("POST", "/api/add", _given(body), again=False, repeat=ids is not None)["rows"])

    def health(self) -> dict[str, Any]:
        """What the server says of itself: status, rows, generation, model, geometry, version, uptime."""
        return self._request("GET", "/api/health", None)

    def close(self) -> None:
        """Close the connections, of requests in flight once they are answered."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for connection in idle:
            connection.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _asked(
        self, verb: str, query: Query | Sequence[Query], read: Callable[[Mapping[str, Any]], Given], **settings: Any
    ) -> Any:
        several = isinstance(query, list | tuple) or (isinstance(query, torch.Tensor | np.ndarray) and query.ndim == 2)
        queries = list(query) if several else [query]  # type: ignore[arg-type]
        for name in ("k", "steps"):
            if name in settings:
                settings[name] = _whole(name, settings[name])
        body = {"queries": [_spelled(cast(Query, each)) for each in queries], **_given(settings)}
        held = self._request("POST", f"/api/{verb}", body)
        try:
            answers = [read(each) for each in held["answers"]]
        except (KeyError, TypeError, ValueError) as error:
            raise UnavailableError(f"{self.url} answers as no server of hiergeo does: check the address.") from error
        return answers if several else answers[0]

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None, again: bool = True, repeat: bool = True
    ) -> dict[str, Any]:
        try:
            content = None if body is None else json.dumps(body, allow_nan=False).encode()
        except ValueError as error:
            raise InputError("an embedding holds NaN or Inf: every coordinate must be finite.") from error
        except TypeError as error:
            raise InputError(f"this is nothing that can be sent: {reason(error)}.") from error
        wait, last = 0.0, self.retries if repeat else 0
        for attempt in range(last + 1):
            status, after, answer = self._exchange(method, self._base + path, content, again)
            if status != 503 or attempt == last:
                break
            wait = max(after, 2 * wait, 0.1)
            time.sleep(min(wait, self.timeout))
        return self._understood(status, answer)

    def _understood(self, status: int, answer: bytes) -> dict[str, Any]:
        try:
            held = json.loads(answer)
        except (ValueError, RecursionError):
            held = None
        if not isinstance(held, dict):
            raise UnavailableError(f"{self.url} answers as no server of hiergeo does ({status}): check the address.")
        if status == 200:
            return held
        told = str(held.get("error", f"the server refused with status {status}."))
        raise UnavailableError(told) if status >= 500 or status == 408 else InputError(told)

    def _exchange(self, method: str, path: str, content: bytes | None, again: bool) -> tuple[int, float, bytes]:
        """Status, seconds of Retry-After, and body of one response; a connection that the server closed is renewed."""
        headers = self._headers | ({} if content is None else {"Content-Type": "application/json"})
        while True:
            with self._lock:
                kept = self._idle.pop() if self._idle and again else None
            connection = kept or self._connection()
            try:
                connection.request(method, path, content, headers)
                response = connection.getresponse()
                body = response.read(ANSWER_BYTES + 1)
            except (OSError, HTTPException) as error:
                connection.close()
                if kept is not None and not isinstance(error, TimeoutError):
                    continue
                said = (
                    f"no answer within {self.timeout:g} seconds" if isinstance(error, TimeoutError) else reason(error)
                )
                raise UnavailableError(f"{self.url} cannot be reached ({said}): is the server running?") from error
            self._keep(connection, response.will_close or len(body) > ANSWER_BYTES)
            after = response.headers.get("Retry-After", "")
            return response.status, float(after) if after.isdigit() and len(after) < 6 else 0.0, body

    def _keep(self, connection: HTTPConnection, spent: bool) -> None:
        with self._lock:
            if spent or self._closed:
                connection.close()
            else:
                self._idle.append(connection)

    def _connection(self) -> HTTPConnection:
        kind = HTTPSConnection if self._secure else HTTPConnection
        return kind(*self._address, timeout=self.timeout)


def answer_of(held: Mapping[str, Any]) -> Answer:
    """The answer that `Answer.as_dict` gave."""
    hits = tuple(_hit(each) for each in held["hits"])
    return Answer(hits, held["guarantee"], held["scored"], held["rows"], _number(held["radius"]), _recall(held))


def climb_of(held: Mapping[str, Any]) -> Climb:
    """The ladder that `Climb.as_dict` gave."""
    rungs = tuple(
        Rung(_number(each["threshold"]), None if each["hit"] is None else _hit(each["hit"])) for each in held["rungs"]
    )
    return Climb(rungs, held["guarantee"], held["scored"], held["rows"], _number(held["radius"]), _recall(held))


def _hit(held: Mapping[str, Any]) -> Hit:
    numbers = (_number(held[name]) for name in ("radius", "margin", "angle", "distance"))
    return Hit(int(held["id"]), held["caption"], held["image"], *numbers)


def _recall(held: Mapping[str, Any]) -> Recall | None:
    return None if held["recall"] is None else Recall(**held["recall"])


def _number(held: float | None) -> float:
    return float("nan") if held is None else float(held)


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _whole(name: str, value: object) -> int:
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise InputError(f"{name} must be a whole number, not of type {type(value).__name__}.") from error


def _spelled(query: Query) -> Any:
    """A query in JSON."""
    if isinstance(query, str):
        return {"text": query}
    if isinstance(query, torch.Tensor | np.ndarray):
        if query.ndim != 1:
            raise InputError(f"an embedding has one dimension (D,), not {tuple(query.shape)}.")
        return {"embedding": query.tolist()}
    if isinstance(query, Path):
        try:
            content = query.read_bytes()
        except OSError as error:
            raise InputError(f"the image {query} cannot be read: {reason(error)}.") from error
    elif hasattr(query, "convert"):
        held = io.BytesIO()
        open_rgb(query).save(held, "PNG")
        content = held.getvalue()
    else:
        raise InputError(f"a query is a text, an image or an embedding (D,), not {type(query).__name__}.")
    return {"image": base64.b64encode(content).decode()}
