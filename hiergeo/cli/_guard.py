"""How commands end: every error becomes one sentence and an exit code.

0: done; 1: a check was not passed; 2: the user has to change something; 70: an unexpected error, below its traceback;
130, 143: interrupted by Ctrl-C, stopped by SIGTERM; 141: the reader of standard output closed it.
"""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer

from hiergeo._core.errors import HiergeoError, UnavailableError
from hiergeo._core.text import one_line, printable

USER, CRASHED, INTERRUPTED, TERMINATED, CLOSED = 2, 70, 130, 143, 141

USAGE: type[Exception] = typer.BadParameter.__mro__[2]
"""What the command-line library raises for arguments it cannot read; its name and home depend on the version."""

ENVIRONMENT = (
    *(errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ELOOP, errno.EMFILE),
    *(errno.ENAMETOOLONG, errno.ENFILE, errno.ENOSPC, errno.EPERM, errno.EROFS),
)
"""Errors of the operating system that say enough by themselves: the machine is to blame, not the program."""

RESUMED = {
    ("index", "build"): "complete shards",
    ("embed",): "finished batches",
    ("classify",): "finished batches",
    ("data", "fetch"): "whole files",
    ("study",): "trained heads",
    ("suite",): "finished cells",
    ("train", "clip"): "checkpoints",
    ("train", "re"): "checkpoints",
}
"""Verbs that go on after an interruption -> what stays of their work."""

AGAIN = "are kept, run the same command again to go on."


def again(error: UnavailableError, *verb: str) -> UnavailableError:
    """An error that stopped a verb, with how to go on."""
    return UnavailableError(f"{str(error).rstrip('.')}; {RESUMED[verb]} {AGAIN}")


class WrongResults(SystemExit):
    """Raised by a verb whose check failed: exit code 1."""

    def __init__(self) -> None:
        super().__init__(1)


class Terminated(BaseException):
    """Raised on SIGTERM."""


def guarded(command: Callable[[], Any], arguments: list[str]) -> int:
    """Run a command and return its exit code; errors are reported on standard error."""
    if sys.stdout is None:
        return _say(USER, "standard output is closed: redirect it, to a file or to /dev/null.")
    try:
        with _termination():
            code = command()
            sys.stdout.flush()
    except WrongResults as wrong:
        return int(str(wrong.code))
    except BaseException as error:
        return _end(error, arguments)
    return _interrupted("interrupted", INTERRUPTED, arguments) if code == INTERRUPTED else int(code or 0)


def _end(error: BaseException, arguments: list[str]) -> int:
    """Report what ended a command; returns its exit code."""
    match error:
        case HiergeoError():
            return _say(USER, str(error))
        case KeyboardInterrupt() | typer.Abort():
            return _interrupted("interrupted", INTERRUPTED, arguments)
        case Terminated():
            return _interrupted("stopped by SIGTERM", TERMINATED, arguments)
        case BrokenPipeError():
            return _closed()
        case SystemExit(code=code):
            return _closed() if code == 1 else int(code) if isinstance(code, int) else USER
        case OSError(errno=number, filename=name) if number in ENVIRONMENT:
            return _say(USER, f"the system refused {name or 'a file or standard output'}: {os.strerror(number)}.")
        case MemoryError() | RuntimeError() if _out_of_memory(error):
            detail = "".join(f" ({line.rstrip('.')})" for line in str(error).splitlines()[:1])
            return _say(USER, f"there is not enough memory{detail}: take fewer rows, or smaller sizes.")
    if isinstance(error, USAGE):
        return _usage(error)
    return _crash(error)


def _usage(error: Any) -> int:
    """Arguments that cannot be read: what the command-line library says of them, and where to look."""
    command = getattr(getattr(error, "ctx", None), "command_path", "hiergeo")
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return USER
    return _say(USER, f"{error.format_message().strip().rstrip('.')} (see {command} --help).")


def _crash(error: BaseException) -> int:
    """Report an unexpected error, below its traceback."""
    print(printable("".join(traceback.format_exception(error))), file=sys.stderr)
    what = f"unexpected {type(error).__name__} ({str(error) or 'no message'})"
    return _say(CRASHED, f"{what}; please report it with the traceback above and what 'hiergeo info' prints.")


def _interrupted(how: str, code: int, arguments: list[str]) -> int:
    parts = next((parts for verb, parts in RESUMED.items() if tuple(arguments[: len(verb)]) == verb), None)
    return _say(code, f"{how}: {parts} {AGAIN}" if parts else f"{how}.")


def _closed() -> int:
    """Redirect a closed standard output, so that Python does not fail when it flushes at exit."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return CLOSED


def _say(code: int, sentence: str) -> int:
    print(f"Error: {one_line(sentence)}", file=sys.stderr)
    return code


def _out_of_memory(error: MemoryError | RuntimeError) -> bool:
    of_a_device = getattr(sys.modules.get("torch"), "OutOfMemoryError", MemoryError)
    return isinstance(error, MemoryError | of_a_device) or "DefaultCPUAllocator" in str(error)


@contextmanager
def _termination() -> Iterator[None]:
    """Within the block SIGTERM ends the work as an exception does, so that what is half written is cleared away.

    Processes of a launcher are left alone: they may wait for each other inside a library, where no exception comes.
    """
    if "WORLD_SIZE" in os.environ:
        yield
        return

    def stop(_: int, __: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
