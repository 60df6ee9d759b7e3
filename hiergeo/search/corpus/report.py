"""What a run of embedding did: progress while it lasts, a line of log for each input, throughput and cost."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, final

from hiergeo._core.progress import Bar
from hiergeo._core.storage.files import writing
from hiergeo.datasets.reading import Source
from hiergeo.search.corpus.records import Done
from hiergeo.search.corpus.work import Outcome

LOGS = "logs"
"""Folder of logs in that of the index."""

SIZES = (10**8, 10**9)
"""Numbers of rows whose cost is estimated."""


LEAST = 10_000
"""Rows of which a run must have read this many for its speed to be an estimate: the first batches are slow."""


@dataclass(frozen=True)
class Estimate:
    """What so many rows would take at the speed that was measured.

    Attributes:
        rows: how many.
        hours: of one worker; n workers of the same kind take an n-th of it each.
        price: of these hours; None if no price is known.
    """

    rows: int
    hours: float
    price: float | None


@dataclass(frozen=True)
class Summary:
    """What one run did.

    Attributes:
        inputs: in its share.
        embedded: inputs that it embedded.
        earlier: inputs that were embedded before, or by another process meanwhile.
        failed: inputs of which nothing could be read: name -> why.
        incomplete: names of inputs that broke off, whichever run read them.
        rows: that it read.
        items: that it added to the index.
        poisoned: rows that it set aside.
        seconds: that it took, models not counted.
        rows_per_second: its throughput.
        finished: whether every input of the plan is a part of the index or failed.
        estimates: for 1e8 and 1e9 rows; empty if fewer than `LEAST` rows were read.
    """

    inputs: int
    embedded: int
    earlier: int
    failed: dict[str, str]
    incomplete: tuple[str, ...]
    rows: int
    items: int
    poisoned: int
    seconds: float
    rows_per_second: float
    finished: bool
    estimates: tuple[Estimate, ...]

    @property
    def sound(self) -> bool:
        """Whether every input of the share was read to its end."""
        return not self.failed and not self.incomplete

    def as_dict(self) -> dict[str, Any]:
        """The summary in values of JSON: numbers under ``metrics``, names beside them."""
        values = asdict(self)
        names = {name: values.pop(name) for name in ("failed", "incomplete", "estimates", "finished")}
        return {"metrics": {**values, "failed": len(self.failed), "incomplete": len(self.incomplete)}, **names}


def estimates(rows: int, rows_per_second: float, price_per_hour: float | None) -> tuple[Estimate, ...]:
    """What `SIZES` rows take at a speed that was measured on `rows` rows; nothing if they are fewer than `LEAST`."""
    if rows < LEAST or rows_per_second <= 0:
        return ()
    hours = [rows / rows_per_second / 3600 for rows in SIZES]
    prices = [None if price_per_hour is None else each * price_per_hour for each in hours]
    return tuple(Estimate(*each) for each in zip(SIZES, hours, prices, strict=True))


@final
class Report:
    """Follows one run."""

    def __init__(self, out: Path, sources: Sequence[Source], numbers: Sequence[int], name: str, progress: bool) -> None:
        self.sources, self.numbers = sources, numbers
        self.log = out / LOGS / f"{name}.log"
        self.rows = self.items = self.poisoned = self.embedded = 0
        self.failed: dict[str, str] = {}
        self.incomplete: list[str] = []
        self._bar = Bar("embedding", len(numbers)) if progress and numbers else None
        self._start = time.monotonic()
        self._bytes = sum(max(sources[number].bytes, 0) for number in numbers)
        self._read = 0

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._start

    def count(self, rows: int) -> None:
        """Rows went through."""
        self.rows += rows
        self._draw(0)

    def note(self, outcome: Outcome) -> None:
        """An input is finished."""
        source, done = self.sources[outcome.number], outcome.done
        if done is not None:
            self.known(done)
        if not outcome.earlier:
            self._read += max(source.bytes, 0)
            if done is None:
                self.failed[source.name] = outcome.failure
                line = f"failed: {outcome.failure}"
            else:
                self.embedded += 1
                self.items += done.items
                self.poisoned += done.poisoned
                broken = "" if done.complete else ", BROKEN OFF"
                line = (
                    f"{done.rows:,} rows, {done.poisoned:,} poisoned{broken}, {len(done.shards)} shards, "
                    f"{done.seconds:.1f} s, {done.rows / max(done.seconds, 1e-3):,.0f} rows/s"
                )
            self._write(f"{outcome.number:06d} {source.name}: {line}")
        self._draw(1)

    def known(self, done: Done) -> None:
        """An input was embedded, by whatever run or process."""
        if not done.complete:
            self.incomplete.append(self.sources[done.number].name)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()

    def _draw(self, steps: int) -> None:
        if self._bar is not None:
            left = (self._bytes - self._read) * self.seconds / self._read if self._read else None
            ends = "" if left is None else f", about {left / 60:,.0f} min left"
            self._bar.advance(steps, f"{self.rows:,} rows, {self.rows / max(self.seconds, 1e-3):,.0f} rows/s{ends}")

    def _write(self, line: str) -> None:
        stamp = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
        with writing(self.log):
            self.log.parent.mkdir(exist_ok=True)
            with self.log.open("a", encoding="utf-8", errors="backslashreplace") as handle:
                handle.write(f"{stamp} {line}\n")
