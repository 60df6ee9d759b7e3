"""Answers that were paid for: stored one by one, so that neither a killed build nor another plan asks for one twice.

A file of answers has one JSON object a line. A process that is killed leaves at most one line half written, which is
passed over; the call that it belonged to is made again.
"""

import json
import threading
from pathlib import Path
from typing import Any, final

from hiergeo._core.storage.documents import parse_json
from hiergeo._core.storage.files import writing


@final
class AnswerStore:
    """Answers by key, on disk as soon as they are put; threads may share it.

    The answers of one shard are open at a time; before the first `begin`, and without a folder, they are in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._answers: dict[str, Any] = {}
        self._file: Path | None = None

    def begin(self, shard: int) -> None:
        """Take up the answers of a shard, of earlier runs too. Raises UnavailableError if they cannot be read."""
        self._answers = {}
        if self.folder is None:
            return
        self._file = self.folder / f"{shard:06d}.jsonl"
        with writing(self._file):
            content = self._file.read_bytes() if self._file.exists() else b""
        for line in filter(None, content.split(b"\n")):
            try:
                entry = parse_json(line)
            except ValueError:
                continue
            self._answers[entry["key"]] = entry["value"]

    def get(self, key: str) -> Any:
        """The answer that was put under a key; None if there is none."""
        return self._answers.get(key)

    def put(self, key: str, value: Any) -> None:
        """Store an answer, a JSON value other than null, by a hash of all that it depends on.

        When this returns, it outlives the process. Raises UnavailableError if it cannot be written.
        """
        with self._lock:
            self._answers[key] = value
            if self._file is not None:
                with writing(self._file):
                    self._file.parent.mkdir(parents=True, exist_ok=True)
                    with self._file.open("ab") as handle:  # the first line end ends a half-written line
                        handle.write(f"\n{json.dumps({'key': key, 'value': value})}\n".encode())
