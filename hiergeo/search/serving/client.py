"""Searching an index that a server holds: the same answers as from the index itself."""

import base64
import io
import json
import operator
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union, cast, final

import numpy as np
import torch
import urllib3
from typing_extensions import Unpack

from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo.datasets.pictures import open_rgb
from hiergeo.search.answers import Answer, Climb
from hiergeo.search.requests import Kind, Options, Request

if TYPE_CHECKING:
    from PIL.Image import Image

Query: TypeAlias = Union[str, Path, "Image", torch.Tensor, "np.ndarray[Any, Any]"]
"""A text, the path of an image file, a picture, or an embedding (D,). A string is always a text."""

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
            valid = urllib3.util.parse_url(url).scheme in ("http", "https")
        except urllib3.exceptions.LocationParseError:
            valid = False
        if not valid:
            raise InputError(f"{url!r} is not the URL of a server: write http://HOST:PORT.")
        self.url, self.timeout, self.retries = url.rstrip("/"), timeout, retries
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        self._pool = urllib3.PoolManager(headers=headers, timeout=timeout, maxsize=CONNECTIONS)

    def children(
        self, query: Query | Sequence[Query], k: int = 10, **options: Unpack[Options]
    ) -> Answer | list[Answer]:
        """The k items that the query comes nearest to entailing; arguments as for `Index.children`."""
        return self._asked("children", query, Answer.of_dict, k=k, **options)

    def parents(self, query: Query | Sequence[Query], k: int = 10, **options: Unpack[Options]) -> Answer | list[Answer]:
        """The k items that come nearest to entailing the query; arguments as for `Index.parents`."""
        return self._asked("parents", query, Answer.of_dict, k=k, **options)

    def neighbours(
        self, query: Query | Sequence[Query], k: int = 10, **options: Unpack[Options]
    ) -> Answer | list[Answer]:
        """The k nearest items; arguments as for `Index.neighbours`."""
        return self._asked("neighbours", query, Answer.of_dict, k=k, **options)

    def ladder(
        self, query: Query | Sequence[Query], steps: int = 50, **options: Unpack[Options]
    ) -> Climb | list[Climb]:
        """From general to specific; steps are thresholds, other arguments as for `Index.ladder`."""
        return self._asked("ladder", query, Climb.of_dict, thresholds=steps, **options)

    def count(self, query: Query | Sequence[Query], **options: Unpack[Options]) -> int | list[int]:
        """How many items the query entails; arguments as for `Index.count`."""
        return self._asked("count", query, operator.itemgetter("count"), **options)

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
        body = {"captions": captions, "images": images, "embeddings": embeddings, "ids": ids}
        return int(self._request("POST", "/api/add", body, repeat=ids is not None)["rows"])

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

    def _asked(self, kind: Kind, query: Query | Sequence[Query], read: Callable[[Any], Any], **options: Any) -> Any:
        several = isinstance(query, list | tuple) or (isinstance(query, torch.Tensor | np.ndarray) and query.ndim == 2)
        queries = list(cast(Sequence[Query], query)) if several else [cast(Query, query)]
        settings = Request(kind, "", **options).sent()
        answer = self._request("POST", f"/api/{kind}", {"queries": [_spelled(each) for each in queries], **settings})
        try:
            answers = [read(each) for each in answer["answers"]]
        except (KeyError, TypeError, ValueError) as error:
            raise UnavailableError(
                f"{self.url} does not answer like a server of hiergeo: check the address."
            ) from error
        return answers if several else answers[0]

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None, repeat: bool = True) -> dict[str, Any]:
        """The JSON object that the server answers; parameters that are None are not sent."""
        given = {name: value for name, value in (body or {}).items() if value is not None}
        try:
            content = None if body is None else json.dumps(given, allow_nan=False, default=_plain).encode()
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"this cannot be sent ({reason(error)}): numbers must be finite and ids whole.") from error
        headers = dict(self._pool.headers) | ({} if content is None else {"Content-Type": "application/json"})
        again = urllib3.Retry(
            *(None, False, False, False),
            status=self.retries if repeat else 0,
            other=0,
            status_forcelist=[503],
            allowed_methods=None,
            backoff_factor=0.1,
            backoff_max=self.timeout,
            raise_on_status=False,
        )
        try:
            response = self._pool.request(method, self.url + path, body=content, headers=headers, retries=again)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            slow = isinstance(error, urllib3.exceptions.ReadTimeoutError | urllib3.exceptions.ConnectTimeoutError)
            problem = f"no answer within {self.timeout:g} seconds" if slow else reason(error.__cause__ or error)
            raise UnavailableError(f"{self.url} cannot be reached ({problem}): is the server running?") from error
        return self._understood(response.status, response.data)

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


def _plain(value: Any) -> Any:
    """Tensors and arrays as lists, numbers of numpy as those of Python."""
    return value.tolist() if hasattr(value, "tolist") else operator.index(value)


def _spelled(query: Query) -> Any:
    """A query in JSON."""
    if isinstance(query, str):
        return {"text": query}
    if isinstance(query, torch.Tensor | np.ndarray):
        return {"embedding": query}
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
