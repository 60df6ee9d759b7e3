"""One progress bar for the whole package: on a terminal's standard error, and only for work that outlasts a second."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

Item = TypeVar("Item")

PATIENCE = 1.0
"""Seconds of work before a bar appears."""


def track(
    items: Iterable[Item],
    label: str,
    *,
    enabled: bool,
    note: Callable[[], str] | None = None,
    size: Callable[[Item], int] = lambda _: 1,
) -> Iterator[Item]:
    """Iterate over `items`, drawing a bar named `label` once the loop has run for `PATIENCE` seconds.

    What `note` says after an item stands beside the label. The bar counts `size` of each item.
    """
    total = len(items) if isinstance(items, Sized) else None
    if not enabled or total == 0:
        yield from items
        return

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task(label, total=total)
    start, shown = time.monotonic(), False
    try:
        for item in items:
            yield item
            bar.update(task, advance=size(item), description=f"{label} {note()}" if note else label)
            if not shown and console.is_terminal and time.monotonic() - start > PATIENCE:
                bar.start()
                shown = True
    finally:
        if shown:
            bar.stop()
