"""One progress bar for the whole package, on standard error: a bar on a terminal; in a log a line at first, and then
now and then."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from datetime import timedelta
from typing import TypeVar, final

from hiergeo._core.text import one_line

Item = TypeVar("Item")

PATIENCE = 1.0  # seconds of work before a bar appears
LOGGED = 30.0  # seconds of work before the second line in a log; the next one comes after twice as many, and so on

_begun: set[str] = set()  # first lines that are in the log


@final
class Bar:
    """A bar for work of a total number of steps, if known; it appears after `PATIENCE` seconds, in a log as lines."""

    def __init__(self, label: str, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._label, self._console = label, Console(file=sys.stderr)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task(label, total=total)
        self._start, self._shown, self._next = time.monotonic(), False, LOGGED
        if not self._console.is_terminal:
            begin(f"{label}: {total:,}" if total and total > 1 else label)

    def advance(self, steps: int, note: str = "") -> None:
        """Count steps as done; `note` stands beside the label from now on."""
        self._bar.update(self._task, advance=steps, description=f"{self._label} {note}" if note else self._label)
        elapsed = time.monotonic() - self._start
        if not self._console.is_terminal:
            self._log(elapsed)
        elif not self._shown and elapsed > PATIENCE:
            self._bar.start()
            self._shown = True

    def _log(self, elapsed: float) -> None:
        if elapsed <= self._next:
            return
        while self._next < elapsed:
            self._next *= 2
        (task,) = self._bar.tasks
        total = "" if task.total is None else f" of {task.total:,.0f}"
        _say(f"{task.description}: {task.completed:,.0f}{total} after {timedelta(seconds=round(elapsed))}")

    def close(self) -> None:
        """Remove the bar from the terminal."""
        if self._shown:
            self._bar.stop()


def begin(label: str, *, enabled: bool = True) -> None:
    """Print a line, the first time, about work that has no steps to count."""
    if enabled and label not in _begun:
        _begun.add(label)
        _say(label)


def _say(line: str) -> None:
    print(one_line(f"{line[:1].upper()}{line[1:]} ..."), file=sys.stderr, flush=True)


def track(
    items: Iterable[Item],
    label: str,
    *,
    enabled: bool,
    note: Callable[[], str] | None = None,
    size: Callable[[Item], int] = lambda _: 1,
    total: int | None = None,
) -> Iterator[Item]:
    """Iterate over `items`, drawing a bar named `label` once the loop has run for `PATIENCE` seconds.

    What `note` says after an item stands beside the label. The bar counts `size` of each item, to `total`, which is
    the number of items where that is not given.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if not enabled or total == 0:
        yield from items
        return
    bar = Bar(label, total)
    try:
        for item in items:
            yield item
            bar.advance(size(item), note() if note else "")
    finally:
        bar.close()
