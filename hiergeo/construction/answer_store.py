"""Answers that were paid for: kept one by one while a shard is made, so that a killed build asks for none twice.

A file of answers has one JSON object a line. A process that is killed leaves at most one line half written, which is
passed over; the call that it belonged to is made again.
"""

import json
import threading
from pathlib import Path
from typing import Any, final

from hiergeo._core.storage.documents import parse_json
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

    def begin(self, name: str) -> None:
        """Take up the answers of a shard, such as ``generalise-00012``, of an earlier run too.

        Raises UnavailableError.
        """
        self._known, self._file = {}, None
        if self.folder is not None:
            self._file = self.folder / f"{name}.jsonl"
            with writing(self._file):
                content = self._file.read_bytes() if self._file.exists() else b""
            for line in filter(None, content.split(b"\n")):
                try:
                    entry = parse_json(line)
                except ValueError:
                    continue
                self._known[entry["key"]] = entry["value"]

    def get(self, key: str) -> Any:
        """The answer that was put under a key; None if there is none."""
        return self._known.get(key)

    def put(self, key: str, value: Any) -> None:
        """Keep an answer, a JSON value other than null, by a hash of all that it depends on.

        When this returns, it outlives the process. Raises UnavailableError if it cannot be written.
        """
        with self._lock:
            self._known[key] = value
            if self._file is not None:
                with writing(self._file):
                    self._file.parent.mkdir(parents=True, exist_ok=True)
                    with self._file.open("ab", buffering=0) as handle:  # the first line end ends a half-written line
                        left = f"\n{json.dumps({'key': key, 'value': value})}\n".encode()
                        while left:
                            left = left[handle.write(left) :]

    def clear(self) -> None:
        """Remove the answers of the shard that is finished."""
        if self._file is not None:
            retire(self._file)
        self._known, self._file = {}, None

    def clear_all(self) -> None:
        """Remove the answers of all shards, which are finished."""
        if self.folder is not None:
            retire(self.folder)
