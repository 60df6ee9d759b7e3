"""What the client of OpenAI does not do: an answer is capped in bytes and in time, and the key is struck out of it."""

import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from hiergeo._core import extras
from hiergeo._core.errors import reason

BODY_BYTES = 1 << 22
"""Bytes of an answer; a longer one is refused."""

STRUCK = "[key]"
"""What stands in the place of a key that an endpoint sends back."""

SECRET_CHARACTERS = 16
"""Characters of the shortest key that is struck out of replies: shorter ones may be words of an answer."""


def client(address: str, key: str, timeout: float, attempts: int) -> Any:
    """The client of one endpoint, which tries requests again where that can help. Threads may share it.

    Args:
        address: of the endpoint, up to ``/v1``.
        key: empty for none.
        timeout: seconds for a whole answer.
        attempts: times that a request is tried.

    Raises:
        UnavailableError: the client of OpenAI is not installed.
    """
    openai = extras.require("openai", "the backend openai")
    http = openai.DefaultHttpxClient(timeout=timeout, event_hooks={"response": [_capping(openai, timeout)]})
    return openai.OpenAI(
        api_key=key or "none",
        base_url=address,
        timeout=timeout,
        max_retries=attempts - 1,
        default_headers={"Accept-Encoding": "identity"},
        http_client=http,
    )


def message_of(error: Any, key: str) -> str:
    """What an error of the client says, in one line and without the key."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping):
        body = body.get("message") or body.get("detail")
    response = getattr(error, "response", None)
    message = body if response is not None else reason(error.__cause__ or error)
    text = " ".join(str(message or "no message").split()).rstrip(".")
    text = text.replace(key, STRUCK) if key else text
    return text if response is None else f"status {response.status_code}, {text}"


def without_key(content: bytes, key: str) -> bytes:
    """The body of a reply without the key; one that may be a word is struck only where it is sent as a key."""
    if not key:
        return content
    content = content.replace(f"Bearer {key}".encode(), STRUCK.encode())
    return content.replace(key.encode(), STRUCK.encode()) if len(key) >= SECRET_CHARACTERS else content


def _capping(openai: Any, timeout: float) -> Any:
    """What makes responses of the client end with an error beyond `BODY_BYTES` or `timeout` seconds."""
    library = import_module(openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])

    class Capped(library.SyncByteStream):  # type: ignore[name-defined]  # of httpx or httpx2, known at run time
        def __init__(self, stream: Any) -> None:
            self._stream, self._until = stream, time.monotonic() + timeout

        def __iter__(self) -> Iterator[bytes]:
            length = 0
            for chunk in self._stream:
                length += len(chunk)
                if length > BODY_BYTES:
                    raise library.ReadError(f"an answer of more than {BODY_BYTES:,} bytes")
                if time.monotonic() > self._until:
                    raise library.ReadTimeout(f"an answer took more than {timeout:g} seconds")
                yield chunk

        def close(self) -> None:
            self._stream.close()

    def cap(response: Any) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise library.ReadError("a compressed answer, which was not asked for")
        response.stream = Capped(response.stream)

    return cap
