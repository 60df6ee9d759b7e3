"""Work that is shared: threads ahead of a consumer, numbered jobs on one folder, shares of workers, clusters of Ray.

Any number of processes do each job of a folder once, and go on where one was killed. A job is worked on under its lock,
and is done when its record says so; a record is written whole or not at all. Records of a job that is not done yet may
say how far it is. Inputs of an index, cells of a suite and trainings of heads are such jobs.
"""

import os
import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, final

from hiergeo._core import extras
from hiergeo._core.errors import InputError, warn
from hiergeo._core.limits import COUNT
from hiergeo._core.storage import documents
from hiergeo._core.storage.files import retire
from hiergeo._core.storage.locks import HeldError, locked

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(function: Callable[[Item], Result], items: Iterable[Item], depth: int, threads: int = 1) -> Iterator[Result]:
    """What a function makes of items, in their order, in threads; errors are raised where their result would be.

    The caller's thread takes the items; `depth` of them, from 1, are worked on while the next is taken or results are
    used.
    """
    pool = ThreadPoolExecutor(threads, "hiergeo-ahead")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            if len(waiting) == depth:
                yield waiting.popleft().result()
            waiting.append(pool.submit(function, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


WAIT = 1.0  # seconds between looks at jobs that other processes are doing


class JobRecord(Protocol):
    """A dataclass that pydantic knows; `finished` says whether the job is done."""

    @property
    def number(self) -> int: ...

    @property
    def finished(self) -> bool: ...


Record = TypeVar("Record", bound=JobRecord)
Key = TypeVar("Key")


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
    """The jobs whose records, of one kind, are in a folder, which is made for the first one."""

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


AUTO = "auto"

VARIABLES = (
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("RANK", "WORLD_SIZE"),
    ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"),
)
"""Environment variables of the number of a worker, from 0, and of how many there are: of Slurm, torchrun and Kubernetes
(which sets the first alone; the second must be set in the specification of the job)."""


@dataclass(frozen=True)
class Share:
    """Every n-th input: those of the worker with a number, from 0, among so many."""

    number: int = 0
    total: int = 1

    def of(self, inputs: int) -> range:
        """The numbers of its inputs among so many."""
        return range(self.number, inputs, self.total)

    def __str__(self) -> str:
        return f"{self.number}-of-{self.total}"

    @classmethod
    def parse(cls, text: str | None, environment: Mapping[str, str] = os.environ) -> "Share":
        """A share as the command line writes it; None is the only worker.

        It is ``I/N``, where I counts from 0 or from 1 (N/N is 0/N); ``auto`` for the variables of a launcher;
        ``auto/N`` where it says the number alone. InputError for what is no share, or where no launcher says which one.
        """
        if text is None:
            return cls()
        if text == AUTO or text.startswith(f"{AUTO}/"):
            return cls._of_launcher(text.partition("/")[2], environment)
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if not match:
            raise InputError(f"a worker is written I/N, such as 0/8, or {AUTO}, not '{text}'.")
        number, total = int(match[1]), int(match[2])
        if not 1 <= total <= COUNT or number > total:
            raise InputError(f"worker '{text}' cannot be: of N workers I is from 0 to N - 1, or from 1 to N.")
        return cls(number % total, total)

    @classmethod
    def _of_launcher(cls, total: str, environment: Mapping[str, str]) -> "Share":
        for number, count in VARIABLES:
            if number in environment and (total or count in environment):
                text = f"{environment[number]}/{total or environment[count]}"
                return cls.parse(text)
        names = ", ".join("/".join(pair) for pair in VARIABLES)
        raise InputError(f"--worker {AUTO} finds none of {names}: start it by a launcher, or write I/N.")


def require_ray() -> Any:
    """The module ``ray``; UnavailableError where it is not installed."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    return extras.require("ray", "--ray")


@contextmanager
def cluster(device: str) -> Iterator[tuple[Any, int, int]]:
    """The module ``ray`` with a cluster to work on, its CPUs, and its GPUs (none where `device` is the CPU).

    The cluster is the one that runs (``RAY_ADDRESS``, `ray.init`), or one on this machine while work lasts.
    """
    ray = require_ray()
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False)
    try:
        resources = ray.cluster_resources()
        yield ray, int(resources.get("CPU", 1)), 0 if device == "cpu" else int(resources.get("GPU", 0))
    finally:
        if started:
            ray.shutdown()
