"""Searching an index that a server holds: the same answers as from the index itself."""

import base64
import io
import json
import operator
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
import urllib3

from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo.datasets.pictures import open_rgb
from hiergeo.search.answers import Answer, Climb
from hiergeo.search.ids import Id
from hiergeo.search.requests import Kind, Queries, Request, Searcher, queries_of


@final
class Client(Searcher):
    """A connection to a server of `hiergeo serve`; it can be shared by threads. `with` closes it.

    It answers as `Index` does. A query is a text, the path of an image file, a picture, or an embedding (D,); a string
    is always a text. Several are sent in one request.

    Args:
        url: of the server, such as ``http://127.0.0.1:8080``.
        token: that the server asks for.
        timeout: seconds for one answer.
        retries: how often a request is repeated that a busy server refuses with 503; each wait is twice as long.
    """

    def __init__(self, url: str, token: str | None = None, timeout: float = 60.0, retries: int = 4) -> None:
        if not re.fullmatch(r"https?://([^/:]+|\[[0-9a-fA-F:.%]+\])(:[0-9]+)?(/.*)?", url):
            raise InputError(f"{url!r} is not the URL of a server: write http://HOST:PORT.")
        self.url, self.timeout, self.retries = url.rstrip("/"), timeout, retries
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        self._pool = urllib3.PoolManager(headers=headers, timeout=timeout, maxsize=64)

    def add(
        self,
        captions: Sequence[str | None] | None = None,
        images: Sequence[str | None] | None = None,
        *,
        embeddings: "torch.Tensor | np.ndarray[Any, Any] | None" = None,
        ids: Sequence[Id] | torch.Tensor | None = None,
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
        given = {name: value for name, value in body.items() if value is not None}
        return int(self._request("POST", "/api/add", given, repeat=ids is not None)["rows"])

    def health(self) -> dict[str, Any]:
        """What the server says of itself: status, rows, generation, model, geometry, version, uptime."""
        return self._request("GET", "/api/health")

    def close(self) -> None:
        """Close the connections, of requests in flight once they are answered."""
        self._pool.clear()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _search(self, kind: Kind, query: Queries, **options: Any) -> Any:
        queries, several = queries_of(query)
        given = {"queries": list(map(_spelled, queries)), **Request(kind, "", **options).sent()}
        answer = self._request("POST", f"/api/{kind}", given)
        readers: dict[Kind, Any] = {"ladder": Climb.of_dict, "count": operator.itemgetter("count")}
        try:
            answers = [readers.get(kind, Answer.of_dict)(values) for values in answer["answers"]]
        except (KeyError, TypeError, ValueError) as error:
            raise UnavailableError(self._foreign()) from error
        return answers if several else answers[0]

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None, repeat: bool = True) -> Any:
        """The JSON object that the server answers."""
        try:
            content = None if body is None else json.dumps(body, allow_nan=False, default=_plain).encode()
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"this cannot be sent ({reason(error)}): numbers must be finite and ids whole.") from error
        headers = {**self._pool.headers, "Content-Type": "application/json"}
        again = urllib3.Retry(
            *(None, False, False, False),
            other=0,
            status=self.retries if repeat else 0,
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
        try:
            answer = dict(json.loads(response.data))
        except (ValueError, TypeError, RecursionError):
            raise UnavailableError(self._foreign()) from None
        if response.status == 200:
            return answer
        message = str(answer.get("error", f"the server refused with status {response.status}."))
        raise UnavailableError(message) if response.status >= 500 or response.status == 408 else InputError(message)

    def _foreign(self) -> str:
        return f"{self.url} does not answer like a server of hiergeo: check the address."


def _plain(value: Any) -> Any:
    """Tensors and arrays as lists, numbers of numpy as those of Python."""
    return value.tolist() if hasattr(value, "tolist") else operator.index(value)


def _spelled(query: Any) -> Any:
    """A query in JSON."""
    if isinstance(query, str):
        return {"text": query}
    if isinstance(query, torch.Tensor | np.ndarray):
        return {"embedding": query}
    file = io.BytesIO()
    if isinstance(query, Path):
        try:
            file.write(query.read_bytes())
        except OSError as error:
            raise InputError(f"the image {query} cannot be read: {reason(error)}.") from error
    elif hasattr(query, "convert"):
        open_rgb(query).save(file, "PNG")
    else:
        raise InputError(f"a query is a text, an image or an embedding (D,), not {type(query).__name__}.")
    return {"image": base64.b64encode(file.getvalue()).decode()}
