"""The journal of decisions: a file that is only appended to, a line a decision, durable before it is acknowledged."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, final

from pydantic import Field

from hiergeo._core import limits
from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage.documents import STRICT, Count, parse_json, validated
from hiergeo._core.storage.files import size_of, sync_folder, writing
from hiergeo.construction.claiming import DECISIONS

FILE = DECISIONS

FORMAT = 1

ACCEPT, REJECT, EDIT, UNDO = "accept", "reject", "edit", "undo"

KINDS = (ACCEPT, REJECT, EDIT, UNDO)

Identity = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


@final
@dataclass(frozen=True)
class Decision:
    """What a reviewer did.

    Attributes:
        kind: ``accept``, ``reject``, ``edit`` or ``undo``.
        row: place of the chain in its file, from 0.
        version: of its texts when the reviewer saw them (see `hiergeo.report.review.desk.version_of`).
        reviewer: a name.
        reason: of a rejection; may be empty.
        positive: the texts after an edit.
        negative: the negatives after an edit.
        undoes: number of the decision that an undo takes back, from 0.
    """

    __pydantic_config__ = STRICT

    kind: Annotated[str, Field(pattern=f"^({'|'.join(KINDS)})$")]
    row: Count
    version: Identity
    reviewer: str
    reason: str = ""
    positive: tuple[str, ...] | None = None
    negative: tuple[str, ...] | None = None
    undoes: Count | None = None

    def line(self) -> str:
        """The line of the journal."""
        return json.dumps(asdict(self), separators=(",", ":")) + "\n"


@final
class Journal:
    """The decisions in a file, in the order in which they were made.

    A last line that a crash cut short was never acknowledged and is removed. Who writes must hold the lock of the file.

    Args:
        path: the file; it begins with the first decision.
        split: of the chains.
        rows: how many there are.
        identity: of the set, 16 hexadecimal digits.

    Attributes:
        entries: the decisions.
        mended: characters of the line that was removed.

    Raises:
        InputError: a damaged line (which), or decisions on another set of chains.
        UnavailableError: the file cannot be read or mended.
    """

    def __init__(self, path: Path, split: str, rows: int, identity: str) -> None:
        self.path = path
        self._head = {"format": FORMAT, "split": split, "rows": rows, "set": identity}
        self._writing = Lock()
        self.entries: list[Decision] = []
        self.mended = 0
        if size_of(path) is not None:
            self._read()

    def append(self, decision: Decision) -> int:
        """Write a decision durably; returns its number.

        Raises:
            UnavailableError: it could not be written; the file is as it was.
        """
        with self._writing, writing(self.path):
            begins = not self.path.exists() or self.path.stat().st_size == 0
            content = (json.dumps(self._head) + "\n" if begins else "") + decision.line()
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                before = os.fstat(descriptor).st_size
                try:
                    _write_all(descriptor, content.encode())
                    os.fsync(descriptor)
                except OSError:
                    with suppress(OSError):
                        os.ftruncate(descriptor, before)
                    raise
            finally:
                os.close(descriptor)
            if begins:
                sync_folder(self.path.parent)
            self.entries.append(decision)
            return len(self.entries) - 1

    def _read(self) -> None:
        with writing(self.path):
            if self.path.stat().st_size > limits.TEXT_BYTES:
                raise InputError(f"{self.path} is larger than {limits.TEXT_BYTES:,} bytes: move it away.")
            raw = self.path.read_bytes()
            whole = raw.rfind(b"\n") + 1
            if whole < len(raw):
                self.mended = len(raw) - whole
                with self.path.open("r+b") as handle:
                    handle.truncate(whole)
                    handle.flush()
                    os.fsync(handle.fileno())
        for number, line in enumerate(raw[:whole].splitlines()):
            try:
                self._take(number, line)
            except ValueError as error:
                if isinstance(error, InputError):
                    raise
                problem = f"{self.path}, line {number + 1} is damaged ({reason(error)})"
                raise InputError(f"{problem}: restore the file, or remove the line.") from error

    def _take(self, number: int, line: bytes) -> None:
        if len(line) > limits.RECORD_CHARACTERS:
            raise ValueError("it is too long")
        if number == 0:
            self._check_head(parse_json(line))
            return
        decision = validated(Decision, parse_json(line))
        if decision.undoes is not None and decision.undoes >= number - 1:
            raise ValueError("it undoes what comes later")
        self.entries.append(decision)

    def _check_head(self, head: Any) -> None:
        if not isinstance(head, dict) or head.keys() != self._head.keys():
            raise ValueError("it does not say which chains the decisions are on")
        changed = [name for name, value in self._head.items() if head[name] != value]
        if changed:
            differing = [f"{name} was {head[name]}, now {self._head[name]}" for name in changed]
            raise InputError(
                f"{self.path} holds decisions on other chains ({'; '.join(differing)}): move it away to begin anew, or "
                "restore the files that were decided on."
            )


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
