"""The data home, where datasets live on this machine, and downloads into it that are checked by hash."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import responses
from pathlib import Path
from typing import Any

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, UnavailableError
from hiergeo._core.progress import track
from hiergeo._core.storage.files import atomic_write, path_of
from hiergeo._core.version import __version__


def data_home() -> Path:
    """The folder of data sets: ``HIERGEO_DATA_HOME`` where set, otherwise ``hiergeo`` in the user's cache folder.

    Returns:
        An absolute path, which need not exist yet.

    Raises:
        InputError: the variable holds no path.
    """
    if home := os.environ.get("HIERGEO_DATA_HOME"):
        return path_of(home).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return path_of(cache).absolute() / "hiergeo"


BLOCK = 1 << 18
"""Bytes read at a time."""

TIMEOUT = 30.0
"""Seconds without an answer before a server counts as unreachable."""

PATIENCE, PACE = 60.0, 1024
"""A transfer is given up after this many seconds if it brought fewer bytes a second than this."""

RETRIES = 2
"""How often a connection that fails is tried again."""


def fetch(
    url: str,
    destination: Path | str,
    sha256: str | None = None,
    *,
    most: int = limits.DOWNLOAD_BYTES,
    check: Callable[[Path], None] | None = None,
    progress: bool = False,
) -> Path:
    """Download `url` to `destination`, replacing what is there once the new file is whole.

    Redirects are followed to https only.

    Args:
        url: an address of http or https.
        destination: the file.
        sha256: the digest that the bytes must have, in hexadecimal; without it the server must announce their number.
        most: bytes beyond which the transfer is broken off.
        check: called with the path of the new file before it takes its place; an `InputError` that it raises refuses
            the file.
        progress: draw a bar on standard error when the server announces the length.

    Returns:
        `destination` as a path.

    Raises:
        UnavailableError: the server cannot be reached, refuses, breaks off, is slower than `PACE`, sends more than
            `most`, sends other bytes than `sha256` says or a file that `check` refuses; or `destination` cannot be
            written.
    """
    destination = Path(destination)
    digest = hashlib.sha256()
    try:
        with _opened(url) as response, atomic_write(destination) as handle:
            length = int(response.headers.get("content-length", 0))
            if not length and sha256 is None:
                raise _Refused("the server does not say how long the file is, so that nobody can tell whether it ended")
            if length > most:
                raise _Refused(f"the server announces {length:,} bytes, and the file has {most:,} at most")
            blocks = _blocks(response, most)
            for block in track(blocks, destination.name, enabled=progress, size=len, total=length or None):
                digest.update(block)
                handle.write(block)
            if sha256 is not None and digest.hexdigest() != sha256:
                raise _Refused(f"the bytes received have sha256 {digest.hexdigest()} instead of {sha256}")
            if check is not None:
                handle.flush()
                _run(check, Path(handle.name), destination)
    except _Refused as refused:
        raise UnavailableError(
            f"cannot download {destination.name} from {url}: {refused}; "
            f"try again later, or put a copy at {destination} by hand."
        ) from refused
    return destination


class _Refused(Exception):
    """The reason, in words, why the other side did not deliver."""


@contextmanager
def _opened(url: str) -> Iterator[Any]:
    import requests
    from requests.adapters import HTTPAdapter, Retry
    from urllib3.exceptions import HTTPError

    session = requests.Session()
    session.headers.update({"User-Agent": f"hiergeo/{__version__}", "Accept-Encoding": "identity"})
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=Retry(RETRIES, read=0, backoff_factor=0.2)))
    with session:
        try:
            with session.get(url, hooks={"response": _check}, stream=True, timeout=TIMEOUT) as response:
                yield response
        except HTTPError as error:
            raise _Refused(f"the transfer broke off ({type(error).__name__})") from error
        except requests.RequestException as error:
            raise _Refused(f"no connection ({type(error).__name__})") from error


def _check(response: Any, **_: object) -> None:
    """Refuse a redirect that is not to https, and an answer without the file."""
    if response.is_redirect and not response.headers["location"].lower().startswith("https://"):
        response.close()
        raise _Refused("the server redirects to an address that is not https")
    if response.status_code >= 400:
        response.close()
        phrase = responses.get(response.status_code, "which is not a code of HTTP")
        raise _Refused(f"the server answers {response.status_code} ({phrase})")


def _blocks(response: Any, most: int) -> Iterator[bytes]:
    received, began = 0, time.monotonic()
    while block := response.raw.read1(BLOCK):
        received += len(block)
        elapsed = time.monotonic() - began
        if elapsed > PATIENCE and received < PACE * elapsed:
            raise _Refused(f"the server sent {received:,} bytes in {elapsed:.0f} seconds, too slowly")
        if received > most:
            raise _Refused(f"the server sends more than the {most:,} bytes that the file has at most")
        yield block


def _run(check: Callable[[Path], None], scratch: Path, destination: Path) -> None:
    try:
        check(scratch)
    except HiergeoError as error:
        message = str(error).replace(str(scratch), destination.name).replace(scratch.name, destination.name)
        raise _Refused(f"what the server sent is not this file ({message.rstrip('.')})") from error
