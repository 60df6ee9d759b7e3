"""Audits for people: tables for the terminal and a self-contained page."""

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table
from rich.text import Text

from hiergeo._core.records import percent, signed
from hiergeo._core.tables import light
from hiergeo._core.text import caption
from hiergeo.evaluation.auditing import Audit, Controlled, LengthFacts
from hiergeo.evaluation.auditing.confounds import RadialOrder
from hiergeo.evaluation.auditing.population import Measured
from hiergeo.evaluation.metrics import Interval, find_metric
from hiergeo.report import drawing, plot, summary
from hiergeo.report.labels import number, short_model
from hiergeo.report.page import spaced, write_html
from hiergeo.report.terminal import MARK, NONE, bounds, stacked

ATTRIBUTION = (("", "as it is"), ("angle_only", "angles alone"), ("radius_only", "radii alone"), ("flat", "K = 0"))
WALKS = (
    ("", "to the root"),
    ("random_root", "random root"),
    ("data_mean", "data mean"),
    ("random_target", "random target"),
)
"""Controls and what columns call them; the first column is what they are compared with."""

LENGTH = (
    ("right_equal_length", "right where words are equally many"),
    ("right_shorter", "right where the specific caption is shorter"),
    ("partial_tau", "partial correlation given words"),
    ("length_content_free", "tau_d of captions without content"),
    ("length_shuffled", "tau_d with the words of captions shuffled"),
    ("length_untrained", "largest tau_d of untrained copies"),
    ("right_equal_length_untrained", "largest share right of untrained copies where words are equally many"),
)
"""Numbers with length held fixed and what the page calls them."""


def write_audit(audit: Audit, path: Path) -> Path:
    """Write the page of an audit: one HTML file that needs nothing else.

    Raises:
        UnavailableError: the file cannot be written.
    """
    settings = audit.settings
    model, data = short_model(str(settings["model"])), f"{settings['dataset']} {settings['split']}"
    count = sum(name.startswith("curvature_factor") for name in audit.numbers)
    return write_html(
        path,
        "audit.html",
        picture=summary.of_audit(audit, ATTRIBUTION),
        audit=audit,
        conclusion=audit,
        title=f"Audit of {caption(model)} on {caption(data)}",
        kicker=("audit", model, data, str(settings["geometry"])),
        attribution_controls=_present(ATTRIBUTION, audit.attribution),
        walk_controls=_present(WALKS, audit.walks),
        factors=[(at, audit.numbers[f"curvature_factor{at}"]) for at in range(count)],
        chart=drawing.svg(plot.operating_point(audit), "Share of captions up to u against u"),
        length=LENGTH,
        settings=spaced(settings),
    )


def audit_tables(audit: Audit, *, full: bool = False) -> Iterator[Table]:
    """What carries the hierarchy, and the walks: a value a cell; with `full` the gain over each control below it."""
    settings = audit.settings
    data = f"{settings['dataset']} {settings['split']}"
    about = caption(f"{short_model(str(settings['model']))} · {data} · {settings['geometry']}")
    legend = (
        f"Below each value what '{ATTRIBUTION[0][1]}' gains over it, and the 95 % interval of the gain."
        if full
        else f"{MARK} differs from the first column: the 95 % interval of the difference excludes 0."
    )
    yield _table(audit, audit.attribution, "", _present(ATTRIBUTION, audit.attribution), full)
    yield _table(audit, audit.walks, "walk_", _present(WALKS, audit.walks), full, f"{about}\n{legend}")


def audit_numbers(audit: Audit) -> Table:
    """The same for other programs: a row a metric and control, with the gain over the control and its interval."""
    table = light("metric", "control", "value", "gain", "low", "high")
    for prefix, rows in (("", audit.attribution), ("walk_", audit.walks)):
        for row in rows:
            name = f"{prefix}{row.metric}"
            table.add_row(name, "", *_plain(row.native), "", *_plain(*audit.intervals[name]))
            for control, value in row.controls.items():
                gain = f"{name}_minus_{control}"
                table.add_row(name, control, *_plain(value, audit.numbers[gain], *audit.intervals[gain]))
    return table


def _plain(*values: float) -> tuple[str, ...]:
    return tuple(map(repr, map(float, values)))


def _present(controls: tuple[tuple[str, str], ...], rows: tuple[Controlled, ...]) -> tuple[tuple[str, str], ...]:
    measured = {name for row in rows for name in row.controls}
    return tuple((name, title) for name, title in controls if not name or name in measured)


def _table(
    audit: Audit,
    rows: tuple[Controlled, ...],
    prefix: str,
    controls: tuple[tuple[str, str], ...],
    full: bool,
    notes: str = "",
) -> Table:
    table = light("walk" if prefix else "metric", *(title for _, title in controls), notes=notes)
    for row in rows:
        name = f"{prefix}{row.metric}"
        cells = [stacked(number(row.native), bounds(audit.intervals[name]) if full else None)]
        for control, _ in controls[1:]:
            gain = f"{name}_minus_{control}"
            if control not in row.controls:
                cells.append(Text(""))
                continue
            low, high = audit.intervals[gain]
            below = f"{signed(audit.numbers[gain])}\n{bounds(audit.intervals[gain])}" if full else None
            cells.append(stacked(number(row.controls[control]), below, best=not full and not low <= 0 <= high))
        table.add_row(find_metric(row.metric).label, *cells)
    return table


def length_table(facts: LengthFacts) -> Table:
    """One row a control of length: tau_d, and the shares of pairs in the right order at equal and reversed lengths."""
    about = caption(f"{short_model(facts.model)} · {facts.data} · {facts.geometry}")
    notes = "Below each value its 95 % interval. Equal, shorter: share of pairs of tiers in the right order."
    table = light("", "tau_d", "equal length", "shorter", notes=f"{about}\n{notes}")
    table.add_row("words alone", _figure(facts.words), "", "")
    for name, order in _controlled(facts).items():
        table.add_row(name, _figure(order.tau_d), _share(order.equal), _share(order.shorter))
    if facts.partial_tau is not None:
        table.add_row("partial tau", _figure(facts.partial_tau), "", "")
    return table


def length_numbers(facts: LengthFacts) -> Table:
    """The same for other programs: a row a number, shares between 0 and 1, with its interval and how many items."""
    table = light("control", "metric", "value", "low", "high", "items")
    figures = [("words alone", "tau_d", facts.words), ("partial tau", "tau_d", facts.partial_tau)]
    for name, order in _controlled(facts).items():
        figures += [(name, "tau_d", order.tau_d), (name, "equal", order.equal), (name, "shorter", order.shorter)]
    for name, metric, figure in figures:
        if figure is not None:
            table.add_row(name, metric, *_plain(figure.value, *figure.interval), str(figure.items))
    return table


def _controlled(facts: LengthFacts) -> dict[str, RadialOrder]:
    """The order of the model, and those of its controls that were measured."""
    orders = {
        "the model": facts.order,
        "content-free": facts.content_free,
        "words shuffled": facts.shuffled,
        "words exchanged": facts.exchanged,
        **{f"untrained {copy}": each for copy, each in enumerate(facts.untrained)},
    }
    return {name: order for name, order in orders.items() if order is not None}


def _share(estimate: Measured | None) -> Text:
    """A share in per cent."""
    if estimate is None:
        return Text(NONE)
    low, high = (100 * end for end in estimate.interval)
    return stacked(percent(estimate.value), bounds(Interval(low, high), 1))


def _figure(estimate: Measured | None) -> Text:
    return Text(NONE) if estimate is None else stacked(number(estimate.value), bounds(estimate.interval))
