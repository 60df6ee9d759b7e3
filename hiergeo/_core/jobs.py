"""Jobs on one folder: any number of processes do each of them once, and go on where one was killed.

A job is worked on under its lock, and is done when its record says so; a record is written whole or not at all. Records
of a job that is not done yet may say how far it is. Which jobs are whose is a `hiergeo._core.shares.Share`. Inputs of
an index, cells of a suite and trainings of heads are such jobs.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, final

from hiergeo._core.errors import InputError, warn
from hiergeo._core.storage import documents
from hiergeo._core.storage.files import retire
from hiergeo._core.storage.locks import HeldError, locked

WAIT = 1.0
"""Seconds between looks at jobs that other processes are doing."""


class JobRecord(Protocol):
    """A dataclass that pydantic knows; `finished` says whether the job is done."""

    @property
    def number(self) -> int: ...

    @property
    def finished(self) -> bool: ...


Record = TypeVar("Record", bound=JobRecord)
Key = TypeVar("Key")
Result = TypeVar("Result")


def under_locks(
    keys: Iterable[Key], path: Callable[[Key], Path], work: Callable[[Key], Result], patient: bool = True
) -> Iterator[Result]:
    """Do jobs one after the other, each under the lock of its file; gives what each comes to.

    Args:
        keys: of the jobs.
        path: the file of a job.
        work: does one, or finds that it is done.
        patient: whether a job that another process does is looked at again later; HeldError otherwise.
    """
    waiting = list(keys)
    while waiting:
        busy = []
        for key in waiting:
            try:
                with locked(path(key)):
                    yield work(key)
            except HeldError:
                if not patient:
                    raise
                busy.append(key)
        waiting = busy
        if waiting:
            time.sleep(WAIT)


def intact(path: Path, read: Callable[[Path], Result]) -> Result | None:
    """What a job left in a file; None where there is none, or where it is damaged, with a warning: it is done again."""
    try:
        return read(path) if path.exists() else None
    except InputError as error:
        warn(f"a finished job is damaged, and it is done again: {error}")
        return None


@dataclass(frozen=True)
class Outcome(Generic[Record]):
    """What became of a job: its record, or why it has none; `earlier` if another process or run did it."""

    number: int
    record: Record | None = None
    earlier: bool = False
    failure: str = ""


@final
class Jobs(Generic[Record]):
    """The jobs whose records are in a folder.

    Args:
        folder: it is made for the first record.
        kind: of records.
    """

    def __init__(self, folder: Path, kind: type[Record]) -> None:
        self.folder, self.kind = folder, kind

    def path(self, number: int) -> Path:
        """Where the record of a job is; its lock has this name too."""
        return self.folder / f"{number:06d}.json"

    def read(self, number: int) -> Record | None:
        """The record of a job, None where there is none; raises InputError if it is damaged."""
        path = self.path(number)
        return documents.read(path, self.kind, hashed=True) if path.exists() else None

    def write(self, record: Record) -> None:
        """Store the record of a job, durably and at once."""
        values: Any = record
        documents.write(self.path(record.number), asdict(values), indent=None)

    def remove(self, number: int) -> None:
        """Forget a job, so that it is done again."""
        retire(self.path(number))

    def finished(self) -> dict[int, Record]:
        """The records of the jobs that are done, by number."""
        paths = sorted(self.folder.glob("[0-9]*.json"))
        records = (documents.read(path, self.kind, hashed=True) for path in paths)
        return {record.number: record for record in records if record.finished}

    def run(
        self,
        numbers: Iterable[int],
        work: Callable[[int], Record],
        failing: type[Exception],
        patient: bool = True,
    ) -> Iterator[Outcome[Record]]:
        """Do jobs as `under_locks`; gives what became of each.

        Args:
            numbers: of the jobs.
            work: does one and returns its record, which it has written.
            failing: errors that end a job and not the run.
            patient: as for `under_locks`.
        """

        def outcome(number: int) -> Outcome[Record]:
            try:
                record = self.read(number)
                if record is not None and record.finished:
                    return Outcome(number, record, earlier=True)
                return Outcome(number, work(number))
            except failing as error:
                return Outcome(number, failure=str(error))

        return under_locks(numbers, self.path, outcome, patient)


def patiently(action: Callable[[], Result]) -> Result:
    """The result of an action that needs a lock, waiting while another process holds it."""
    while True:
        with suppress(HeldError):
            return action()
        time.sleep(0.05 + 0.2 * random.random())
