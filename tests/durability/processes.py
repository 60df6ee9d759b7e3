"""Forks of this process that are killed, or that find the disk full; what they printed and how they ended."""

import functools
import os
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

WRITES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
"""Audited events that change a file system; `open` is one where it opens for writing."""

Task = Callable[[], int]


@dataclass(frozen=True)
class End:
    """How a process ended.

    Attributes:
        code: exit code, negative for a signal.
        said: standard error.
    """

    code: int
    said: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.said.splitlines() if line.startswith("Error: ")]

    def check(self) -> None:
        """Raise AssertionError unless the command is done, was killed, or refused in one sentence."""
        assert (self.code, len(self.errors)) in ((0, 0), (2, 1), (-signal.SIGKILL, 0)), f"{self.code}: {self.said}"
        assert "Traceback" not in self.said, self.said


class Fork:
    """A fork of this process that runs a task, whose return value is the exit code."""

    def __init__(self, task: Task) -> None:
        self._said = tempfile.NamedTemporaryFile("r", errors="replace")  # noqa: SIM115 - closed at the end
        self._child = os.fork()
        if self._child == 0:
            _run(task, Path(self._said.name))

    def end(self) -> End:
        """Wait for it."""
        _, status = os.waitpid(self._child, 0)
        with self._said:
            return End(os.waitstatus_to_exitcode(status), self._said.read())


def forked(task: Task) -> End:
    """Run a task in a fork of this process to its end."""
    return Fork(task).end()


def _run(task: Task, said: Path) -> None:
    code = 70
    try:
        warnings.resetwarnings()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(said, os.O_WRONLY), 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        code = task()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def counted(task: Task, count: Path) -> Task:
    """The task, whose number of file operations goes to a file."""

    def watched() -> int:
        operations = _Operations()
        code = task()
        number = operations.number
        count.write_text(str(number))
        return code

    return watched


def killed_at(number: int, task: Task, *, opened: bool = False) -> Task:
    """The task, killed before its file operation of that number, or right after it if that opens a file."""

    def watched() -> int:
        _Operations(number, opened)
        return task()

    return watched


def killed_after(seconds: float, task: Task) -> Task:
    """The task, killed after some time."""

    def alarmed() -> int:
        signal.signal(signal.SIGALRM, lambda *_: _die())
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return task()

    return alarmed


def with_files_of_at_most(size: int, task: Task) -> Task:
    """The task, in which every write beyond this position of a file fails, as on a full disk."""

    def limited() -> int:
        with files_of_at_most(size):
            return task()

    return limited


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Within the block every write beyond this position of a file fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class _Operations:
    """Counts the file operations of this process, and kills it at one of them."""

    def __init__(self, last: int = 0, opened: bool = False) -> None:
        self.number, self._last, self._opened = 0, last, opened
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in WRITES or (event == "open" and _opens_for_writing(*arguments)):
            self.number += 1
            if self.number == self._last and event == "open" and self._opened:
                sys.setprofile(_die_once_opened)
            elif self.number == self._last:
                _die()


def _die_once_opened(frame: FrameType, event: str, argument: object) -> None:
    """Called for the next calls and returns: that of the hook comes before the file is open, any other after it."""
    if frame.f_code is not _Operations._hook.__code__:
        _die()


def _opens_for_writing(path: object, mode: object, flags: object) -> bool:
    if isinstance(path, int) or str(path).startswith(("/dev", "/proc")):
        return False
    written = any(letter in str(mode or "") for letter in "wxa+")
    return written or (isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@functools.cache
def may_mount() -> bool:
    """Whether this process may mount file systems, of which full disks are made."""
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return done.returncode == 0


@contextmanager
def disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A disk of its own at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
