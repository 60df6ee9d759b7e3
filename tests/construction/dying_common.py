"""Builds in forked processes that die at a step that was drawn beforehand, however fast or slow the machine is."""

import os
import random
import signal
import sys
import threading
import traceback
from collections.abc import Callable

from hiergeo.construction.answer_store import AnswerStore

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate")
"""Audited events that change a file system; `open` is one where it opens for writing."""


class Steps:
    """Counts the steps of a process, and ends it by SIGKILL at one of them or shortly after.

    Args:
        last: the step before which it dies; 0 for none.
        seconds: that it lives on then.
    """

    def __init__(self, last: int = 0, seconds: float = 0.0) -> None:
        self.last, self.seconds, self.count = last, seconds, 0

    def step(self) -> None:
        """Note a step."""
        self.count += 1
        if self.count == self.last and self.seconds:
            threading.Timer(self.seconds, die).start()
        elif self.count == self.last:
            die()


def die() -> None:
    """End this process as the system would."""
    os.kill(os.getpid(), signal.SIGKILL)


def drawn(draw: random.Random, steps: int, kills: int, seconds: float) -> list[Steps]:
    """Deaths spread over a build of so many steps, some within `seconds` after a step; the first is certain."""
    lasts = [draw.randint(1, min(steps, 1 + 5 * steps // (4 * kills))) for _ in range(kills)]
    waits = [0.0, *(draw.choice((0.0, draw.uniform(0, seconds))) for _ in range(kills - 1))]
    return [Steps(last, wait) for last, wait in zip(lasts, waits, strict=True)]


def forked(build: Callable[[], object], steps: Steps) -> int:
    """Build in a process of its own; its exit code, negative for a signal.

    A step is an answer that is to be kept, or an operation that changes files.
    """
    child = os.fork()
    if child == 0:
        try:
            _watch(steps)
            build()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _watch(steps: Steps) -> None:
    put = AnswerStore.put

    def counted(self: AnswerStore, key: str, value: object) -> None:
        steps.step()
        put(self, key, value)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in CHANGES or (event == "open" and _writes(*arguments)):
            steps.step()

    AnswerStore.put = counted  # type: ignore[method-assign]  # of this process, which dies
    sys.addaudithook(hook)


def _writes(path: object, mode: object, flags: object) -> bool:
    if isinstance(path, int) or str(path).startswith(("/dev", "/proc")):
        return False
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
