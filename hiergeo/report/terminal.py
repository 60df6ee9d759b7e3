"""Tables for the terminal: results, comparisons and studies, readable in 80 columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from hiergeo._core.tables import light
from hiergeo.evaluation import Comparison, Result
from hiergeo.evaluation.findings import Findings, Score
from hiergeo.evaluation.length import LENGTH
from hiergeo.evaluation.metrics import Interval, find_metric
from hiergeo.report.labels import baseline, baseline_heading, label, listing, number, said, setting_line
from hiergeo.training.study import Study
from hiergeo.training.study.result import DRIFT, NO_HEAD, is_of_pairs

WIDE = 4
"""Largest number of metrics that are shown as columns; more of them become rows."""

EDGES, GAP = 4, 2
"""Blank columns at the edges of a table, and between two of its columns."""

NARROWEST = 50
"""Smallest width of a table with a caption."""

LONGEST_NAME = 24
"""Width at which the names of metrics are broken where they stand beside several figures."""

MARK = "*"
"""Mark behind a figure that beats every other geometry."""

NONE = "–"
"""What stands where there is no figure."""


def dim(words: str) -> Text:
    """Words beside the point."""
    return Text(words, style="dim")


def stacked(value: str, below: str | None, *, best: bool = False) -> Text:
    """A value, marked and bold where it is best, and below it an interval, a spread or a comparison, if any."""
    text = Text(f"{value}{MARK if best else ''}", style="bold" if best else "")
    return text if below is None else text.append(f"\n{below}", style="not bold dim")


def bounds(interval: Interval, digits: int = 3) -> str:
    """An interval by its ends."""
    return " to ".join(number(end, digits) for end in interval)


def read_metrics(metrics: Iterable[str], results: Iterable[Result] = (), *, full: bool = False) -> tuple[str, ...]:
    """Those of some metrics that tables show: all but the one that a sentence says of the results in per cent, and
    unless `full` neither controls nor metrics without merit."""
    told = said(results)
    shown = (name for name in metrics if name not in told)
    if full:
        return tuple(shown)
    known = ((name, find_metric(name)) for name in shown)
    return tuple(name for name, metric in known if not metric.control and metric.higher_is_better is not None)


def result_table(result: Result, *, full: bool = False) -> Table:
    """The metrics of one result: name, value, 95 % bootstrap interval, and the value without the model if known."""
    heading = baseline_heading(result.baselines.values())
    figures = ("value", "95 % interval", *([heading] if heading else []))
    about = f"{setting_line(result)} · {result.geometry}"
    table = light("metric", *figures, numbers=figures, notes=about)
    table.min_width = NARROWEST
    intervals = result.intervals
    for metric in read_metrics(result.metrics, [result], full=full):
        ends = Text(bounds(intervals[metric], 4)) if metric in intervals else dim(NONE)
        beside = () if heading is None else (_beside(result.baselines.get(metric, {}), heading, 4),)
        table.add_row(label(metric), number(result.metrics[metric], 4), ends, *beside)
    return table


def _named(findings: Findings, metric: str, at: int) -> Text:
    """The label of a metric, and below it the baseline at a dimension where there is one."""
    alone = baseline(findings.baselines(metric, at))
    return stacked(label(metric), None if alone is None else f"{alone[0]} {number(alone[1])}")


def _beside(known: Mapping[str, float], heading: str, digits: int = 3) -> Text:
    """The baseline among those of a metric, named where the heading does not name it."""
    alone = baseline(known)
    if alone is None:
        return dim(NONE)
    called, value = alone
    return dim(number(value, digits) if called == heading else f"{called} {number(value, digits)}")


def comparison_table(comparison: Comparison, *, full: bool = False) -> Table:
    """Every metric in every geometry with its 95 % interval, the best marked; metrics are rows if there are many."""
    places = range(len(comparison.results))
    return _across(comparison, full) if is_across(comparison, full) else _down(comparison, places, full, last=True)


def comparison_tables(comparison: Comparison, width: int = 80, *, full: bool = False) -> Iterator[Table]:
    """The same in as many tables as it takes to break no figure in `width` columns; the last has the caption."""
    if is_across(comparison, full):
        yield _across(comparison, full)
        return
    places = range(len(comparison.results))
    metrics = _metrics(comparison, full)
    names = min(LONGEST_NAME, max(len(label(metric)) for metric in metrics))
    entries = [_entry(comparison, metric, at).plain for metric in metrics for at in places]
    figure = max(len(line) for entry in entries for line in entry.split("\n"))
    fitting = max(1, (width - names - EDGES) // (figure + GAP))
    for start in places[::fitting]:
        yield _down(comparison, places[start : start + fitting], full, last=start + fitting >= len(places))


def study_tables(study: Study, *, full: bool = False) -> Iterator[Table]:
    """One table for each dimension, in the plan's order; with `full` controls and the decided differences too."""
    for dim in study.plan.dims:
        if study.findings.geometries(dim):
            yield _study_table(study, dim, full)
    if full and (differences := contrast_table(study)) is not None:
        yield differences


def contrast_table(study: Study) -> Table | None:
    """The decided differences with their own and their simultaneous intervals; None where there are none."""
    if not study.findings.decided:
        return None
    figures = ("a − b", "95 %, alone", "95 %, with all")
    table = light("dim", "metric", "a", "b", *figures, title="Decided differences")
    for column in table.columns[4:]:
        column.no_wrap = True
    for each in study.findings.decided:
        ends = (bounds(interval, 4) for interval in (each.interval, each.simultaneous))
        names = (Text(name, style="bold" if name == each.winner else "") for name in (each.a, each.b))
        table.add_row(str(each.dim), label(each.metric), *names, number(each.difference, 4), *ends)
    return table


def is_across(comparison: Comparison, full: bool = False) -> bool:
    """Whether the metrics are few enough for columns."""
    return len(_metrics(comparison, full)) <= WIDE


def _metrics(comparison: Comparison, full: bool) -> tuple[str, ...]:
    return read_metrics(comparison.findings.metrics(comparison.dim), comparison.results, full=full)


def _across(comparison: Comparison, full: bool) -> Table:
    metrics = _metrics(comparison, full)
    table = light("geometry", *map(label, metrics), notes=_caption(comparison, full))
    for at, result in enumerate(comparison.results):
        table.add_row(Text(result.geometry), *(_entry(comparison, metric, at) for metric in metrics))
    findings, at = comparison.findings, comparison.dim
    heading = baseline_heading(findings.baselines(metric, at) for metric in metrics)
    if heading is not None:
        table.add_row(dim(heading), *(_beside(findings.baselines(metric, at), heading) for metric in metrics))
    return table


def _down(comparison: Comparison, places: Sequence[int], full: bool, *, last: bool) -> Table:
    geometries = (comparison.results[at].geometry for at in places)
    table = light("metric", *geometries, notes=_caption(comparison, full) if last else "")
    table.columns[0].max_width = LONGEST_NAME
    table.min_width = NARROWEST if last else None
    for metric in _metrics(comparison, full):
        named = _named(comparison.findings, metric, comparison.dim)
        table.add_row(named, *(_entry(comparison, metric, at) for at in places))
    return table


def _entry(comparison: Comparison, metric: str, at: int) -> Text:
    findings = comparison.findings
    if metric in findings.shared and at > 0:
        return dim("same by\nconstruction" if at == 1 else "same")
    geometry = comparison.results[at].geometry
    score = findings.score(metric, geometry, comparison.dim)
    return dim(NONE) if score is None else _figure(score, findings.is_best(metric, geometry, comparison.dim))


def _figure(score: Score, best: bool) -> Text:
    """The value, and below it the spread over seeds, or the interval."""
    below = None if score.interval is None else bounds(score.interval)
    return stacked(number(score.value), below if score.spread is None else f"±{number(score.spread)}", best=best)


def _caption(comparison: Comparison, full: bool) -> str:
    notes = (*_notes(comparison), *(_details(comparison) if full else ()))
    return "\n".join((setting_line(comparison.results[0]), *notes))


def _notes(comparison: Comparison) -> Iterator[str]:
    """What must be known to read the figures."""
    findings = comparison.findings
    best = f" {MARK} best: ahead of every other space." if findings.has_leaders else ""
    yield f"Below each value its 95 % interval.{best}"
    for caution in findings.cautions:
        yield caution.message


def _details(comparison: Comparison) -> Iterator[str]:
    """What else is behind them."""
    findings = comparison.findings
    if any(LENGTH in findings.baselines(metric, comparison.dim) for metric in findings.cube.metrics):
        yield "Words alone: the number of words in place of the radius or the score, in the space where it does best."
    if findings.contrasts:
        yield (
            f"{MARK} best: the paired difference from every other space holds, by 95 % intervals and tests over all "
            "metrics and spaces of the table."
            if findings.has_leaders
            else "No geometry is best: none beats all others by simultaneous 95 % intervals and paired tests."
        )
    if len(comparison.results) > 1:
        yield (
            "tau_d is the same by construction: the radius is |e − root| in every geometry."
            if findings.shared
            else "tau_d is each geometry's own, since these measure radii differently; no winner is named for it."
        )
    for charts in findings.twins:
        yield f"{listing(charts)} are one space in {len(charts)} charts, so they tie."


def _study_table(study: Study, at: int, full: bool) -> Table:
    findings = study.findings
    geometries = findings.geometries(at)
    table = light("metric", NO_HEAD, *geometries, notes="\n".join(_study_notes(study, at)))
    table.columns[0].max_width = LONGEST_NAME
    before = study.before[geometries[0]]
    frozen = before.metrics
    measured = (*read_metrics(findings.metrics(at), full=full), *(DRIFT if full else ()))
    for of_pairs, rows in ((False, f"{len(study.frozen.hierarchy.rows)} test rows"), (True, "chains set aside")):
        table.add_row(dim(f"on {rows}"))
        for metric in (name for name in measured if is_of_pairs(name) is of_pairs):
            figures = []
            for geometry in geometries:
                score = study.cube.score(metric, geometry, at)
                figures.append(dim(NONE) if score is None else _figure(score, findings.is_best(metric, geometry, at)))
            table.add_row(_named(findings, metric, at), number(frozen[metric]) if metric in frozen else NONE, *figures)
        table.add_section()
    rates = [f"{study.cell(geometry, at).learning_rate:g}" for geometry in geometries]
    table.add_row("learning rate", "", *rates, end_section=True)
    return table


def _study_notes(study: Study, at: int) -> Iterator[str]:
    findings = study.findings
    yield f"Dimension {at}: means over {len(study.plan.seeds)} seeds, below them the standard deviation over seeds."
    yield (
        f"{MARK} better than every other geometry, by intervals that hold simultaneously over the study."
        if any(findings.leaders(metric, at) for metric in findings.metrics(at))
        else "No geometry is better than every other one in anything."
    )
    if study.findings.shared:
        yield f"{', '.join(sorted(study.findings.shared))}: the same in all geometries by construction."
    for caution in findings.cautions:
        if caution.kind == "small sample":
            yield caution.message
