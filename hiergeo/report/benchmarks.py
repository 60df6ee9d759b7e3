"""Results of benchmarks with what they have to be compared with: baselines, and figures of papers marked as such."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

from hiergeo._core.records import Exported, Grid, Record, number
from hiergeo._core.text import caption, without_folders
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks import Published
from hiergeo.evaluation.metrics import find_metric


@final
@dataclass(frozen=True)
class BenchmarkResult(Exported):
    """A result of a benchmark and the figures of papers beside it."""

    result: Result
    published: Sequence[Published]

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """Those of the result, then the figures of papers."""
        yield from self.result.records(items=items)
        yield from (figure.record() for figure in self.published)

    def grids(self) -> Iterator[Grid]:
        """The table of the result; its notes name the protocol and the figures of papers."""
        for grid in self.result.grids():
            yield replace(grid, notes="\n".join((protocol_line(self.result), *published_lines(self.published))))


def published_lines(figures: Iterable[Published]) -> list[str]:
    """Figures of papers, marked as such: a line for each model, source and protocol."""
    grouped: dict[tuple[str, str, str], list[Published]] = {}
    for each in figures:
        grouped.setdefault((each.model, each.source, each.protocol), []).append(each)
    return [
        f"published, not measured here: {model}, {_figures(group)} ({source}{f'; {protocol}' if protocol else ''})"
        for (model, source, protocol), group in grouped.items()
    ]


def _figures(figures: Iterable[Published]) -> str:
    return ", ".join(f"{find_metric(each.metric).label} {number(each.value)}" for each in figures)


def protocol_line(result: Result) -> str:
    """Model, space and protocol in one sentence, and what an arrow means."""
    settings = result.settings
    model, space = caption(without_folders(str(settings["model"]))), f"{result.geometry}, root {settings['root']}"
    fewer = any(find_metric(name).higher_is_better is False for name in result.metrics)
    arrow = "; ↓: less is better" if fewer else ""
    return f"{model}; {space}; {settings['dataset']}: {settings['protocol']}{arrow}"
