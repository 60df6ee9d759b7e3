"""Downloads that leave behind either the whole, checked file or nothing."""

import hashlib
import http.client
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from hiergeo._progress import track
from hiergeo._version import __version__
from hiergeo.errors import UnavailableError
from hiergeo.storage.files import atomic_write

BLOCK = 1 << 18
"""Bytes read at a time."""

TIMEOUT = 30.0
"""Seconds without an answer before a server counts as unreachable."""


def fetch(url: str, destination: Path | str, sha256: str | None = None, *, progress: bool = False) -> Path:
    """Download `url` to `destination`, replacing what is there once the new file is whole.

    Args:
        sha256: the digest that the bytes must have, in hexadecimal; None accepts any.
        progress: draw a bar on standard error when the server announces the length.

    Returns:
        `destination` as a path.

    Raises:
        UnavailableError: the server cannot be reached, refuses, breaks off or sends other bytes than `sha256` says.
    """
    destination = Path(destination)
    digest = hashlib.sha256()
    try:
        with _open(url) as response, atomic_write(destination) as handle:
            for block in _blocks(response, destination.name, progress):
                digest.update(block)
                handle.write(block)
            if sha256 is not None and digest.hexdigest() != sha256:
                raise _Refused(f"the bytes received have sha256 {digest.hexdigest()} instead of {sha256}")
    except _Refused as refused:
        raise UnavailableError(
            f"cannot download {destination.name} from {url}: {refused}; "
            f"try again later, or put a copy at {destination} by hand."
        ) from refused
    return destination


class _Refused(Exception):
    """The reason, in words, why the other side did not deliver."""


def _open(url: str) -> http.client.HTTPResponse:
    try:
        request = urllib.request.Request(url, headers={"User-Agent": f"hiergeo/{__version__}"})
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        raise _Refused(f"the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Refused(f"no connection ({getattr(error, 'reason', error)})") from error


def _blocks(response: http.client.HTTPResponse, label: str, progress: bool) -> Iterator[bytes]:
    """The body of `response`; unlike `read`, a body shorter than announced is an error."""
    length = response.length
    received = 0
    steps = range(sys.maxsize if length is None else -(-length // BLOCK))
    for _ in track(steps, label, enabled=progress and length is not None):
        try:
            block = response.read(BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise _Refused(f"the transfer broke off after {received} bytes ({error})") from error
        if not block:
            break
        received += len(block)
        yield block
    if length is not None and received < length:
        raise _Refused(f"the transfer broke off after {received} of {length} bytes")
