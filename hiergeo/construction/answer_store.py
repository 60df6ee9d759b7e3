"""Answers that were paid for: kept one by one while a shard is made, so that a killed build asks for none twice.

A file of answers has one signed JSON object a line. A process that is killed leaves at most one line half written,
which is passed over; the call that it belonged to is made again.
"""

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.storage.documents import HASH, content_sha256, parse_json, signed
from hiergeo._core.storage.files import retire, writing

FOLDER = "answers"
"""The folder of answers in that of a build's work."""


@final
class AnswerStore:
    """Answers by key, on disk as soon as they are put. Threads may share it.

    The answers of one shard are held at a time: `begin` opens its file, `clear` removes it once the shard itself
    is stored. Before the first `begin`, and after `clear`, answers are held in memory alone.

    Args:
        folder: where files of answers go, made when it is needed; None keeps answers in memory alone.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {}
        self._file: Path | None = None
        self._descriptor: int | None = None

    def begin(self, name: str) -> None:
        """Open the answers of a shard, those of an earlier run among them.

        Args:
            name: of the shard, such as ``generalise-00012``.

        Raises:
            UnavailableError: the file cannot be read.
        """
        self.close()
        if self.folder is None:
            return
        path = self.folder / f"{name}.jsonl"
        with writing(path):
            content = path.read_bytes() if path.exists() else b""
        self._known = dict(filter(None, map(_entry, content.split(b"\n"))))
        self._file = path

    def get(self, key: str) -> Any:
        """The answer that was put under a key; None if there is none."""
        with self._lock:
            return self._known.get(key)

    def put(self, key: str, value: Any) -> None:
        """Keep an answer; when this returns, it outlives the process.

        Args:
            key: a hash of all that the answer depends on.
            value: a JSON value other than null.

        Raises:
            UnavailableError: it cannot be written.
            InputError: it is longer than `hiergeo._core.limits` allows.
        """
        line = signed({"key": key, "value": value}, None).encode()
        if len(line) > limits.RECORD_CHARACTERS:
            raise InputError(f"an answer of {len(line):,} bytes is too long to be kept.")
        with self._lock:
            self._known[key] = value
            if self._file is not None:
                with writing(self._file):
                    if self._descriptor is None:
                        self._descriptor = _opened(self._file)
                    while line:
                        line = line[os.write(self._descriptor, line) :]

    def __len__(self) -> int:
        return len(self._known)

    def clear(self) -> None:
        """Remove the answers of the shard that is finished."""
        file = self._file
        self.close()
        if file is not None:
            retire(file)

    def clear_all(self) -> None:
        """Remove the answers of all shards, which are finished."""
        self.close()
        if self.folder is not None:
            retire(self.folder)

    def close(self) -> None:
        """Forget the answers; their file stays."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor, self._file, self._known = None, None, {}


def _opened(path: Path) -> int:
    """The descriptor of a file to append lines to; a line that was half written is ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.write(descriptor, b"\n")
    return descriptor


def _entry(line: bytes) -> tuple[str, Any] | None:
    """The key and the value in a line; None for one that is empty, half written or damaged."""
    try:
        entry = parse_json(line) if len(line) <= limits.RECORD_CHARACTERS else None
    except ValueError:
        return None
    if not isinstance(entry, Mapping) or entry.get(HASH) != content_sha256(entry):
        return None
    return (entry["key"], entry.get("value")) if isinstance(entry.get("key"), str) else None
