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
    """A request that gets an error instead of an answer.

    Args:
        status: of HTTP.
        message: one sentence: what is wrong and what to do.
        field: the parameter that is to blame; None where none is.
        retry_after: seconds after which the same request may succeed.
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
    """How much one request may ask for, and how many may wait.

    Attributes:
        body_bytes: of the body of a request.
        held_bytes: of the bodies of all requests that are not answered yet, beyond which others get 503.
        image_bytes: of one image file.
        image_pixels: of the images of one request, width times height.
        text_characters: of one text.
        queries: of one request.
        k: hits of one query; the engine takes 1,024.
        steps: of one ladder.
        hits: of one request, queries times k or steps.
        added: items of one addition.
        waiting: queries in the queue, beyond which requests get 503.
        in_flight: requests that are read, queued or answered at a time, beyond which others get 503.
        connections: that are open at a time, beyond which others are closed.
        answer_seconds: from the queue to the answer, beyond which a request gets 504.
        read_seconds: in which a request must arrive, and a client take its answer.
        stop_seconds: that requests in flight get when the server is stopped.
    """

    body_bytes: int = 1 << 24
    held_bytes: int = 1 << 27
    image_bytes: int = 1 << 23
    image_pixels: int = 1 << 25
    text_characters: int = 4096
    queries: int = 64
    k: int = 1024
    steps: int = 1024
    hits: int = 1 << 14
    added: int = 4096
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
        token: that requests must carry; None asks for none.
        writable: whether items can be added.
        open_paths: paths of pages and their files that need no token; ``/static/*`` are all paths below.
        hosts: names that the Host header may hold, lower case and without port; None allows every name. A server on
            loopback names itself here, so that no web page can reach it under a name of its own.
        store: spec of the store that is searched, such as ``milvus:http://localhost:19530``; None scans the index.
        batch: queries that one sweep answers at most; 1 answers every request alone.
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
