"""The data home, where datasets live on this machine, and downloads into it that are checked by hash."""

import hashlib
import http.client
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import IO

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, UnavailableError
from hiergeo._core.progress import track
from hiergeo._core.storage.files import atomic_write, path_of
from hiergeo._version import __version__


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
        with _open(url) as response, atomic_write(destination) as handle:
            if response.length is None and sha256 is None:
                raise _Refused("the server does not say how long the file is, so that nobody can tell whether it ended")
            for block in _blocks(response, destination.name, most, progress):
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


class _ToHttps(urllib.request.HTTPRedirectHandler):
    """Follow redirects to https only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.lower().startswith("https://"):
            fp.close()
            raise _Refused("the server redirects to an address that is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _opener() -> urllib.request.OpenerDirector:
    """An opener for http and https; `urllib.request.urlopen` would also open local files."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _ToHttps(),
    ):
        opener.add_handler(handler)
    return opener


def _open(url: str) -> http.client.HTTPResponse:
    try:
        request = urllib.request.Request(url, headers={"User-Agent": f"hiergeo/{__version__}"})
        response: http.client.HTTPResponse = _opener().open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        phrase = http.client.responses.get(error.code, "which is no code of HTTP")
        raise _Refused(f"the server answers {error.code} ({phrase})") from error
    except (http.client.HTTPException, ConnectionError) as error:
        raise _Refused(f"no connection (what answers does not speak HTTP: {type(error).__name__})") from error
    except (OSError, ValueError) as error:
        raise _Refused(f"no connection ({getattr(error, 'reason', error)})") from error
    return response


def _blocks(response: http.client.HTTPResponse, label: str, most: int, progress: bool) -> Iterator[bytes]:
    """The body of `response`; unlike `read`, a body shorter than announced is an error."""
    length = response.length
    if length is not None and length > most:
        raise _Refused(f"the server announces {length:,} bytes, and the file has {most:,} at most")
    received, began = 0, time.monotonic()
    steps = range(sys.maxsize if length is None else -(-length // BLOCK))
    for _ in track(steps, label, enabled=progress and length is not None):
        block = bytearray()
        while len(block) < BLOCK and (part := _part(response, BLOCK - len(block), received + len(block))):
            block += part
            elapsed = time.monotonic() - began
            if elapsed > PATIENCE and received + len(block) < PACE * elapsed:
                raise _Refused(f"the server sent {received + len(block):,} bytes in {elapsed:.0f} seconds, too slowly")
        if not block:
            break
        received += len(block)
        if received > most:
            raise _Refused(f"the server sends more than the {most:,} bytes that the file has at most")
        yield bytes(block)
    if length is not None and received < length:
        raise _Refused(f"the transfer broke off after {received} of {length} bytes")


def _part(response: http.client.HTTPResponse, count: int, received: int) -> bytes:
    try:
        return response.read1(count)
    except (OSError, http.client.HTTPException) as error:
        raise _Refused(f"the transfer broke off after {received} bytes ({type(error).__name__})") from error


def _run(check: Callable[[Path], None], scratch: Path, destination: Path) -> None:
    try:
        check(scratch)
    except HiergeoError as error:
        said = str(error).replace(str(scratch), destination.name).replace(scratch.name, destination.name)
        raise _Refused(f"what the server sent is not this file ({said.rstrip('.')})") from error
