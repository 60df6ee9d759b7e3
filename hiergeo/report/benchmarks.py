"""Results of benchmarks with what they have to be compared with: baselines, and figures of papers marked as such."""

from collections.abc import Iterable

from rich.table import Table

from hiergeo._core.records import markdown_table
from hiergeo._core.tables import light
from hiergeo._core.text import caption
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks import Benchmark, Published
from hiergeo.evaluation.length import baseline_name
from hiergeo.evaluation.metrics import find_metric
from hiergeo.report.labels import number, short_model
from hiergeo.report.terminal import NONE, bounds

HEADINGS = ("metric", "value", "95 % interval", "baselines")


def benchmark_rows(result: Result) -> list[tuple[str, str, str, str]]:
    """A row for each metric: label, value, interval, and baselines by name."""
    intervals = result.intervals
    return [
        (
            find_metric(name).heading,
            number(value, 4),
            bounds(intervals[name], 4) if name in intervals else NONE,
            ", ".join(f"{baseline_name(of)} {number(value, 3)}" for of, value in result.baselines.get(name, {}).items())
            or NONE,
        )
        for name, value in result.metrics.items()
    ]


def published_lines(figures: Iterable[Published]) -> list[str]:
    """Figures of papers, marked as such: a line for each model, source and protocol."""
    grouped: dict[tuple[str, str, str], list[Published]] = {}
    for each in figures:
        grouped.setdefault((each.model, each.source, each.protocol), []).append(each)
    return [
        f"published, not measured here: {model}, {_figures(group)} ({source}{f'; {protocol}' if protocol else ''})"
        for (model, source, protocol), group in grouped.items()
    ]


def published_line(figures: Iterable[Published]) -> str:
    """The same in one line."""
    parts = (line.partition(": ")[2] for line in published_lines(figures))
    return f"published, not measured here: {'; '.join(parts)}"


def _figures(figures: Iterable[Published]) -> str:
    return ", ".join(f"{find_metric(each.metric).label} {number(each.value)}" for each in figures)


def protocol_line(result: Result) -> str:
    """Model, space and protocol in one sentence, and what an arrow means."""
    settings = result.settings
    model, space = caption(short_model(str(settings["model"]))), f"{result.geometry}, root {settings['root']}"
    fewer = any(find_metric(name).higher_is_better is False for name in result.metrics)
    arrow = "; ↓: less is better" if fewer else ""
    return f"{model}; {space}; {settings['dataset']}: {settings['protocol']}{arrow}"


def benchmark_table(result: Result) -> Table:
    """The metrics of one result with intervals and baselines."""
    table = light(*HEADINGS, numbers=HEADINGS[1:3], notes=protocol_line(result))
    for row in benchmark_rows(result):
        table.add_row(*row)
    return table


def benchmark_markdown(result: Result, task: Benchmark) -> str:
    """The same in Markdown, published figures and the protocol below."""
    below = [f"- {line}" for line in published_lines(task.published)]
    return "\n".join([markdown_table(HEADINGS, benchmark_rows(result)), "", protocol_line(result), "", *below]).rstrip()
