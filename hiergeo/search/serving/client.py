"""Searching an index that a server holds: the same answers as from the index itself."""

import base64
import io
import json
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, Union, cast, final
from urllib.parse import urlsplit

import numpy as np
import torch
import urllib3

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

CONNECTIONS = 64
"""That are kept at most."""


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
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise InputError(f"{url!r} is not the URL of a server: write http://HOST:PORT.")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise InputError("a token must consist of printable ASCII characters.")
        self.url, self.timeout, self.retries = url.rstrip("/"), timeout, retries
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        self._pool = urllib3.PoolManager(headers=headers, timeout=timeout, retries=False, maxsize=CONNECTIONS)

    def children(
        self,
        query: Query | Sequence[Query],
        k: int = 10,
        *,
        by: By = "margin",
        distinct: bool = True,
        geometry: str | None = None,
    ) -> Answer | list[Answer]:
        """The k items that the query comes nearest to entailing; as `Index.children`."""
        return self._asked("children", query, answer_of, k=k, by=by, distinct=distinct, geometry=geometry)

    def parents(
        self,
        query: Query | Sequence[Query],
        k: int = 10,
        *,
        by: By = "margin",
        distinct: bool = True,
        geometry: str | None = None,
    ) -> Answer | list[Answer]:
        """The k items that come nearest to entailing the query; as `Index.parents`."""
        return self._asked("parents", query, answer_of, k=k, by=by, distinct=distinct, geometry=geometry)

    def neighbours(
        self, query: Query | Sequence[Query], k: int = 10, *, distinct: bool = True, geometry: str | None = None
    ) -> Answer | list[Answer]:
        """The k nearest items; as `Index.neighbours`."""
        return self._asked("neighbours", query, answer_of, k=k, distinct=distinct, geometry=geometry)

    def ladder(
        self, query: Query | Sequence[Query], steps: int = 50, *, geometry: str | None = None
    ) -> Climb | list[Climb]:
        """From general to specific; as `Index.ladder`."""
        return self._asked("ladder", query, climb_of, steps=steps, geometry=geometry)

    def count(self, query: Query | Sequence[Query], *, geometry: str | None = None) -> int | list[int]:
        """How many items the query entails; as `Index.count`."""
        return self._asked("count", query, lambda answer: int(answer["count"]), geometry=geometry)

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
        return int(self._request("POST", "/api/add", _given(body), repeat=ids is not None)["rows"])

    def health(self) -> dict[str, Any]:
        """What the server says of itself: status, rows, generation, model, geometry, version, uptime."""
        return self._request("GET", "/api/health", None)

    def close(self) -> None:
        """Close the connections, of requests in flight once they are answered."""
        self._pool.clear()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _asked(
        self, verb: str, query: Query | Sequence[Query], read: Callable[[Mapping[str, Any]], Given], **settings: Any
    ) -> Any:
        several = isinstance(query, list | tuple) or (isinstance(query, torch.Tensor | np.ndarray) and query.ndim == 2)
        queries = list(cast(Sequence[Query], query)) if several else [cast(Query, query)]
        for name in ("k", "steps"):
            if name in settings:
                settings[name] = _whole(name, settings[name])
        body = {"queries": [_spelled(each) for each in queries], **_given(settings)}
        answer = self._request("POST", f"/api/{verb}", body)
        try:
            answers = [read(each) for each in answer["answers"]]
        except (KeyError, TypeError, ValueError) as error:
            raise UnavailableError(
                f"{self.url} does not answer like a server of hiergeo: check the address."
            ) from error
        return answers if several else answers[0]

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None, repeat: bool = True) -> dict[str, Any]:
        try:
            content = None if body is None else json.dumps(body, allow_nan=False).encode()
        except ValueError as error:
            raise InputError("an embedding holds NaN or Inf: every coordinate must be finite.") from error
        except TypeError as error:
            raise InputError(f"this cannot be sent: {reason(error)}.") from error
        wait, last = 0.0, self.retries if repeat else 0
        for attempt in range(last + 1):
            status, after, answer = self._exchange(method, path, content)
            if status != 503 or attempt == last:
                break
            wait = max(after, 2 * wait, 0.1)
            time.sleep(min(wait, self.timeout))
        return self._understood(status, answer)

    def _understood(self, status: int, answer: bytes) -> dict[str, Any]:
        try:
            content = json.loads(answer)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise UnavailableError(
                f"{self.url} does not answer like a server of hiergeo ({status}): check the address."
            )
        if status == 200:
            return content
        message = str(content.get("error", f"the server refused with status {status}."))
        raise UnavailableError(message) if status >= 500 or status == 408 else InputError(message)

    def _exchange(self, method: str, path: str, content: bytes | None) -> tuple[int, float, bytes]:
        """Status, seconds of Retry-After, and body of one response."""
        headers = dict(self._pool.headers) | ({} if content is None else {"Content-Type": "application/json"})
        try:
            response = self._pool.request(
                method, self.url + path, body=content, headers=headers, redirect=False, preload_content=False
            )
            body = response.read(ANSWER_BYTES + 1)
            response.release_conn() if len(body) <= ANSWER_BYTES else response.close()
        except urllib3.exceptions.HTTPError as error:
            slow = isinstance(error, urllib3.exceptions.ReadTimeoutError | urllib3.exceptions.ConnectTimeoutError)
            problem = f"no answer within {self.timeout:g} seconds" if slow else reason(error.__cause__ or error)
            raise UnavailableError(f"{self.url} cannot be reached ({problem}): is the server running?") from error
        after = response.headers.get("Retry-After", "")
        return response.status, float(after) if after.isdigit() and len(after) < 6 else 0.0, body


def answer_of(raw: Mapping[str, Any]) -> Answer:
    """The answer that `Answer.as_dict` gave."""
    hits, radius = tuple(_hit(each) for each in raw["hits"]), _number(raw["radius"])
    return Answer(hits, raw["guarantee"], raw["scored"], raw["rows"], radius, _recall(raw), int(raw["repeats"]))


def climb_of(raw: Mapping[str, Any]) -> Climb:
    """The ladder that `Climb.as_dict` gave."""
    rungs = tuple(
        Rung(_number(each["threshold"]), None if each["hit"] is None else _hit(each["hit"])) for each in raw["rungs"]
    )
    return Climb(rungs, raw["guarantee"], raw["scored"], raw["rows"], _number(raw["radius"]), _recall(raw))


def _hit(raw: Mapping[str, Any]) -> Hit:
    numbers = (_number(raw[name]) for name in ("radius", "margin", "angle", "distance"))
    return Hit(int(raw["id"]), raw["caption"], raw["image"], *numbers)


def _recall(raw: Mapping[str, Any]) -> Recall | None:
    return None if raw["recall"] is None else Recall(**raw["recall"])


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _whole(name: str, value: Any) -> int:
    try:
        return operator.index(value)
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
        buffer = io.BytesIO()
        open_rgb(query).save(buffer, "PNG")
        content = buffer.getvalue()
    else:
        raise InputError(f"a query is a text, an image or an embedding (D,), not {type(query).__name__}.")
    return {"image": base64.b64encode(content).decode()}
