"""The data home, where datasets live on this machine, and downloads into it that are checked by hash."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, UnavailableError, reason
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

RETRIES = 2
"""How often a connection that fails is tried again."""


def fetch(
    url: str,
    destination: Path,
    sha256: str | None = None,
    *,
    most: int = limits.DOWNLOAD_BYTES,
    check: Callable[[Path], None] | None = None,
) -> Path:
    """Download `url` (http or https) to `destination`, replacing what is there once the new file is whole.

    Args:
        url: the address.
        destination: the file.
        sha256: the digest that the bytes must have, in hexadecimal.
        most: bytes beyond which the transfer is broken off.
        check: called with the path of the new file before it is moved; an error that it raises refuses the file.

    Raises:
        UnavailableError: the server cannot be reached, refuses, breaks off, sends more than `most`, other bytes than
            `sha256` says or a file that `check` refuses; or `destination` cannot be written.
    """
    digest = hashlib.sha256()
    try:
        with atomic_write(destination) as handle:
            for block in _blocks(url, most):
                digest.update(block)
                handle.write(block)
            if sha256 is not None and digest.hexdigest() != sha256:
                raise _Refused(f"the bytes received have sha256 {digest.hexdigest()} instead of {sha256}")
            if check is not None:
                handle.flush()
                _run(check, Path(handle.name), destination)
    except _Refused as refused:
        raise UnavailableError(
            f"cannot download {destination.name} from {url}: {str(refused).rstrip('.')}; "
            f"try again later, or put a copy at {destination} by hand."
        ) from refused
    return destination


class _Refused(Exception):
    """The reason, in words, why the other side did not deliver."""


def _blocks(url: str, most: int) -> Iterator[bytes]:
    import requests
    from requests.adapters import HTTPAdapter, Retry

    received = 0
    with requests.Session() as session:
        session.headers.update({"User-Agent": f"hiergeo/{__version__}", "Accept-Encoding": "identity"})
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=Retry(RETRIES, read=0, backoff_factor=0.2)))
        try:
            with session.get(url, stream=True, timeout=TIMEOUT) as response:
                response.raise_for_status()
                for block in response.iter_content(BLOCK):
                    received += len(block)
                    if received > most:
                        raise _Refused(f"the server sends more than the {most:,} bytes that the file has at most")
                    yield block
        except requests.RequestException as error:
            raise _Refused(reason(error)) from error


def _run(check: Callable[[Path], None], scratch: Path, destination: Path) -> None:
    try:
        check(scratch)
    except HiergeoError as error:
        message = str(error).replace(str(scratch), destination.name)
        raise _Refused(f"what the server sent is not this file ({message.rstrip('.')})") from error
