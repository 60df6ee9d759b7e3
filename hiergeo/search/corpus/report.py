"""What a run of embedding did: progress while it lasts, and throughput."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

from hiergeo._core.jobs import Outcome
from hiergeo._core.progress import Bar
from hiergeo.datasets.reading import Source
from hiergeo.search.corpus.records import Done


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

    @property
    def sound(self) -> bool:
        """Whether every input of the share was read to its end."""
        return not self.failed and not self.incomplete

    def as_dict(self) -> dict[str, Any]:
        """The summary in values of JSON: numbers under ``metrics``, names beside them."""
        values = asdict(self)
        names = {name: values.pop(name) for name in ("failed", "incomplete", "finished")}
        return {"metrics": {**values, "failed": len(self.failed), "incomplete": len(self.incomplete)}, **names}


@final
class Report:
    """Follows one run, whose share are the inputs `mine`, of which some are `missing`."""

    def __init__(self, sources: Sequence[Source], mine: Sequence[int], missing: Sequence[int], progress: bool) -> None:
        self.sources, self.inputs = sources, len(mine)
        self.rows = self.items = self.poisoned = self.embedded = 0
        self.failed: dict[str, str] = {}
        self.incomplete: list[str] = []
        self._bar = (
            Bar("embedding items", None if len(sources) == 1 else len(missing)) if progress and missing else None
        )
        self._start = time.monotonic()

    def count(self, rows: int) -> None:
        """Rows went through."""
        self.rows += rows
        self._draw(rows if len(self.sources) == 1 else 0)

    def note(self, outcome: Outcome[Done]) -> None:
        """An input is finished."""
        source, done = self.sources[outcome.number], outcome.record
        if done is None:
            self.failed[source.name] = outcome.failure
        else:
            self.earlier(done)
            if not outcome.earlier:
                self.embedded += 1
                self.items += done.items
                self.poisoned += done.poisoned
        self._draw(0 if len(self.sources) == 1 else 1)

    def earlier(self, done: Done) -> None:
        """An input was embedded, by whatever run or process."""
        if not done.complete:
            self.incomplete.append(self.sources[done.number].name)

    def summary(self, finished: bool) -> Summary:
        """What the run did; `finished` says whether nothing is left to do."""
        seconds = time.monotonic() - self._start
        return Summary(
            inputs=self.inputs,
            embedded=self.embedded,
            earlier=self.inputs - self.embedded - len(self.failed),
            failed=self.failed,
            incomplete=tuple(self.incomplete),
            rows=self.rows,
            items=self.items,
            poisoned=self.poisoned,
            seconds=seconds,
            rows_per_second=self.rows / seconds if self.rows else 0.0,
            finished=finished,
        )

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()

    def _draw(self, steps: int) -> None:
        if self._bar is not None:
            seconds = max(time.monotonic() - self._start, 1e-3)
            self._bar.advance(steps, f"{self.rows:,} rows, {self.rows / seconds:,.0f} rows/s")
