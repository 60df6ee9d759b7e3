"""Requests to an endpoint by the client of OpenAI: tried again with growing waits, answers capped and without keys."""

import email.utils
import json
import random
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, final

from hiergeo._core import extras
from hiergeo._core.errors import UnavailableError, reason, warn

BODY_BYTES = 1 << 22
"""Bytes of an answer; a longer one is refused."""

GLITCHES = 3
"""Times that a request is made while what is answered is no answer of the interface."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before the second try, doubled before each further one up to the longest."""

PATIENCE = 300.0
"""Seconds that an endpoint may ask to wait (``Retry-After``) for one request, in all; asked for more, work stops."""

TOLD = 5.0
"""Seconds of a wait that is told, the first time."""

PASSING = {408, 409, 425, 429}
"""Statuses, besides those from 500 on, after which a request is tried again."""

STRUCK = b"[key]"
"""What stands in the place of a key that an endpoint sends back."""

SECRET_CHARACTERS = 8
"""Characters of the shortest key that is taken for a secret."""

PLACEHOLDERS = (
    "anything",
    "changeme",
    "lm-studio",
    "no-key-required",
    "not-needed",
    "nothing",
    "placeholder",
    "whatever",
)
"""Longer ones that servers without keys are given, and that may be words of an answer."""

MESSAGE_BYTES = 10_000
"""Bytes of an answer that are searched for a message."""


@final
class Stopped(Exception):
    """A request that was given up because others failed."""


@final
@dataclass(frozen=True)
class Answer:
    """What an endpoint answered.

    Attributes:
        status: of HTTP.
        body: without the key.
        wait: seconds that it asks to wait, None without such a wish.
    """

    status: int
    body: bytes
    wait: float | None = None

    @property
    def told(self) -> str:
        """What it says of an error: its message if the body has one, else the beginning of the body."""
        try:
            value = json.loads(self.body[:MESSAGE_BYTES])
            value = value.get("error", value)
            message = value if isinstance(value, str) else value.get("message") or value.get("detail")
        except (ValueError, AttributeError, RecursionError):
            message = self.body[:MESSAGE_BYTES].decode("utf-8", "replace")
        return " ".join(str(message or "").split()).rstrip(".") or "without a message"


@final
class Transport:
    """Requests to one endpoint. Threads may share it.

    Args:
        address: of the endpoint, up to ``/v1``.
        key: empty for none.
        timeout: seconds for a whole answer.
        attempts: times that a request is tried.

    Raises:
        UnavailableError: the client of OpenAI is not installed.
    """

    def __init__(self, address: str, key: str, timeout: float, attempts: int) -> None:
        openai = extras.require("openai", "the backend openai")
        self.address, self._key, self._timeout, self._attempts = address, key, timeout, attempts
        self._told, self._lock = False, threading.Lock()
        self._errors: tuple[type[Exception], type[Exception]] = (openai.APIStatusError, openai.APIConnectionError)
        http = openai.DefaultHttpxClient(timeout=timeout, event_hooks={"response": [_capping(openai, timeout)]})
        self._client: Any = openai.OpenAI(
            api_key=key or "none",
            base_url=address,
            timeout=timeout,
            max_retries=0,
            default_headers={"Accept-Encoding": "identity"},
            http_client=http,
        )

    def send(self, path: str, body: Mapping[str, Any] | None, stop: threading.Event, *, patient: bool = True) -> Answer:
        """The answer to a request, tried again where that can help.

        Args:
            path: ``chat`` or ``models``.
            body: of a request for a chat completion.
            stop: once it is set no further try is made.
            patient: try again.

        Raises:
            UnavailableError: the endpoint cannot be reached or stays busy.
            Stopped: `stop` was set.
        """
        waited = 0.0
        for attempt in range(1, self._attempts + 1 if patient else 2):
            if stop.is_set():
                raise Stopped
            try:
                answer = self._once(path, body)
            except self._errors[1] as error:
                told = reason(error.__cause__ or error).encode("utf-8", "replace")
                trouble, wait = self._struck(told).decode("utf-8", "replace"), None
            else:
                if answer.status < 500 and answer.status not in PASSING:
                    return answer
                trouble, wait = f"status {answer.status}, {answer.told}", answer.wait
            waited += wait or 0.0
            if waited > PATIENCE:
                raise UnavailableError(
                    f"{self.address} asks to wait {waited:,.0f} seconds ({trouble}); what was answered is kept."
                )
            if (
                patient
                and attempt < self._attempts
                and self._wait(_pause(attempt) if wait is None else wait, trouble, stop)
            ):
                raise Stopped
        raise UnavailableError(
            f"{self.address} cannot be reached or stays busy ({trouble}): start it, or check base_url; what "
            "was answered is kept."
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _wait(self, seconds: float, trouble: str, stop: threading.Event) -> bool:
        """Wait before another try, and tell of the first wait of `TOLD` seconds; whether `stop` was set meanwhile."""
        with self._lock:
            told, self._told = self._told, self._told or seconds >= TOLD
        if self._told and not told:
            warn(f"waiting {seconds:,.0f} seconds for {self.address} ({trouble}); more waits are not told.")
        return stop.wait(seconds)

    def _once(self, path: str, body: Mapping[str, Any] | None) -> Answer:
        try:
            if path == "models":
                raw = self._client.models.with_raw_response.list()
            else:
                told = dict(body or {})
                raw = self._client.chat.completions.with_raw_response.create(
                    model=told.pop("model"), messages=told.pop("messages"), extra_body=told
                )
            response = raw.http_response
        except self._errors[0] as error:
            response = error.response  # type: ignore[attr-defined]
        return Answer(response.status_code, self._struck(response.content), _wait(response.headers))

    def _struck(self, content: bytes) -> bytes:
        """What was sent without the key; one that is no secret is struck only where it is sent as a key."""
        if not self._key:
            return content
        content = content.replace(f"Bearer {self._key}".encode(), STRUCK)
        secret = len(self._key) >= SECRET_CHARACTERS and self._key.casefold() not in PLACEHOLDERS
        return content.replace(self._key.encode(), STRUCK) if secret else content


def _pause(attempt: int) -> float:
    """Seconds before the next try; up to a quarter less, so that requests that failed together do not return so."""
    return min(FIRST_WAIT * 2.0 ** (attempt - 1), LONGEST_WAIT) * random.uniform(0.75, 1.0)


def _wait(headers: Mapping[str, str]) -> float | None:
    """The seconds in ``Retry-After-Ms`` or ``Retry-After``, which may be a date; None without a usable one."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        return seconds if 0 <= seconds < 1e9 else None
    try:
        until = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, until.timestamp() - time.time())
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _capping(openai: Any, timeout: float) -> Any:
    """What makes responses of the client end with an error beyond `BODY_BYTES` or `timeout` seconds."""
    library = import_module(openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])

    class Capped(library.SyncByteStream):  # type: ignore[name-defined]
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
