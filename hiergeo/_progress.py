"""One progress bar for the whole package: on a terminal's standard error, and only for work that outlasts a second."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, final

Item = TypeVar("Item")

PATIENCE = 1.0
"""Seconds of work before a bar appears."""


@final
class Bar:
    """A bar for work that is done step by step; it appears after `PATIENCE` seconds.

    Args:
        label: what is done.
        total: how many steps there are.
    """

    def __init__(self, label: str, total: int) -> None:
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
        self._start, self._shown = time.monotonic(), False

    def advance(self, steps: int, note: str = "") -> None:
        """Count steps as done; `note` stands beside the label from now on."""
        self._bar.update(self._task, advance=steps, description=f"{self._label} {note}" if note else self._label)
        if not self._shown and self._console.is_terminal and time.monotonic() - self._start > PATIENCE:
            self._bar.start()
            self._shown = True

    def close(self) -> None:
        """Remove the bar from the terminal."""
        if self._shown:
            self._bar.stop()


def track(items: Sequence[Item], label: str, *, enabled: bool, note: Callable[[], str] | None = None) -> Iterator[Item]:
    """Iterate over `items`, drawing a bar named `label` once the loop has run for `PATIENCE` seconds.

    What `note` says after an item stands beside the label.
    """
    if not enabled or not items:
        yield from items
        return
    bar = Bar(label, len(items))
    try:
        for item in items:
            yield item
            bar.advance(1, note() if note else "")
    finally:
        bar.close()
