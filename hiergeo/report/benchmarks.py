"""Results of benchmarks with what they have to be compared with: baselines, and figures of papers marked as such."""

from collections.abc import Iterable

from rich.table import Table

from hiergeo._core.records import Record, Records
from hiergeo._core.tables import light
from hiergeo._core.text import caption
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks import Published
from hiergeo.evaluation.length import baseline_name
from hiergeo.evaluation.metrics import find_metric
from hiergeo.report.labels import number, short_model
from hiergeo.report.terminal import NONE, bounds


def benchmark_records(result: Result, figures: Iterable[Published]) -> Records:
    """A row a metric with its 95 % interval and baselines, then figures of papers: `kind` tells them apart."""
    whole = {"model": result.settings["model"], "space": result.geometry, "dataset": result.settings["dataset"]}
    rows: list[Record] = []
    for metric, value in result.metrics.items():
        low, high = result.intervals.get(metric, (None, None))
        measured = {"kind": "measured", **whole, "metric": metric, "value": value, "low": low, "high": high}
        rows.append(measured | baselines(result, metric))
    for each in figures:
        paper = {"protocol": each.protocol or None, "source": each.source}
        rows.append({**whole, "kind": "published", **vars(each), "space": None, **paper})
    return Records(rows, f"{protocol_line(result)}. 95 % intervals. Published figures are their authors'.")


def baselines(result: Result, metric: str) -> dict[str, object]:
    """The baselines of a metric as columns."""
    return {baseline_name(of).replace(" ", "_"): value for of, value in result.baselines.get(metric, {}).items()}


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
    figures = ("value", "95 % interval")
    table = light("metric", *figures, "baselines", numbers=figures, notes=protocol_line(result))
    for name, value in result.metrics.items():
        known = result.baselines.get(name, {}).items()
        table.add_row(
            find_metric(name).heading,
            number(value, 4),
            bounds(result.intervals[name], 4) if name in result.intervals else NONE,
            ", ".join(f"{baseline_name(of)} {number(value, 3)}" for of, value in known) or NONE,
        )
    return table
