"""What a server allows, and how it refuses the rest."""

import errno
import logging
from dataclasses import dataclass, field
from typing import final

from hiergeo._core.errors import HiergeoError, InputError
from hiergeo._core.storage.locks import HeldError

LOG = logging.getLogger("hiergeo.serving")


@final
class Refused(HiergeoError):
    """A request that gets a status of HTTP and one sentence instead of an answer.

    `field` is the parameter that is to blame, if one is; after `retry_after` seconds the same request may succeed.
    """

    def __init__(self, status: int, message: str, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.field, self.retry_after = status, field, retry_after


def refusal_of(error: Exception) -> Refused:
    """An error as the refusal of a request; what is not the client's fault is logged."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, InputError):
        return Refused(400, str(error))
    LOG.error("a request cannot be answered: %s", error, exc_info=not isinstance(error, HiergeoError | OSError))
    cause = error.__cause__ if isinstance(error, HiergeoError) else error
    if isinstance(error, HeldError):
        return Refused(503, "the index is being written to: try again.", retry_after=1)
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Refused(507, "the disk of the server is full and nothing was stored: make room there.")
    if isinstance(error, HiergeoError | OSError):
        return Refused(503, "a required service is unavailable, the log says which: try again.", retry_after=5)
    if isinstance(error, MemoryError):
        return Refused(503, "there is not enough memory for the answer: ask for less.", retry_after=5)
    return Refused(500, "the server met an unexpected error; its log says more.")


@dataclass(frozen=True)
class Limits:
    """How much one request may ask for (up to `added`), and how many are taken at a time.

    Requests beyond `held_bytes` of unanswered bodies, `in_flight` requests and `waiting` queries get 503, connections
    beyond `connections` are closed. `read_seconds` are those in which a request must arrive and an answer be taken.
    """

    body_bytes: int = 1 << 24
    image_bytes: int = 1 << 23
    image_pixels: int = 1 << 25
    text_characters: int = 4096
    queries: int = 64
    k: int = 1024
    steps: int = 1024
    hits: int = 1 << 14
    added: int = 4096
    held_bytes: int = 1 << 27
    waiting: int = 512
    in_flight: int = 256
    connections: int = 1024
    answer_seconds: float = 30.0
    read_seconds: float = 10.0
    stop_seconds: float = 10.0


@dataclass(frozen=True)
class Settings:
    """How an index is served.

    Attributes:
        token: that requests must carry, if any.
        writable: whether items can be added.
        open_paths: of pages and their files, which need no token; ``/static/*`` are those one name below.
        hosts: names that the Host header may hold, lower case and without port; None allows every name. A server on
            loopback names itself here, so that no web page can reach it under a name of its own.
        store: spec of the store that is searched; None scans the index.
        batch: queries with which a sweep is full.
        embeds: whether texts and images are taken; without them the model of the index is not loaded.
        limits: of requests.
    """

    token: str | None = field(default=None, repr=False)
    writable: bool = False
    open_paths: frozenset[str] = frozenset()
    hosts: frozenset[str] | None = None
    store: str | None = None
    batch: int = 64
    embeds: bool = True
    limits: Limits = Limits()
