"""One progress bar for the whole package: on a terminal's standard error, and only for work that outlasts a second."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar, final

Item = TypeVar("Item")

PATIENCE = 1.0
"""Seconds of work before a bar appears."""


@final
class Bar:
    """A bar for work that is done step by step; it appears after `PATIENCE` seconds.

    Args:
        label: what is done.
        total: how many steps there are; None if that is unknown.
    """

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

    What `note` says after an item stands beside the label. The bar counts `size` of each item, to `total` where items
    have no length.
    """
    total = len(items) if isinstance(items, Sized) else total
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
