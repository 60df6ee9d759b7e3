"""Audits for people: tables for the terminal and a self-contained page."""

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table
from rich.text import Text

from hiergeo._core.records import Figure, Records, number, signed
from hiergeo._core.tables import MARK, light, stacked
from hiergeo._core.text import caption, without_folders
from hiergeo.evaluation.auditing import Audit, Controlled, LengthFacts
from hiergeo.evaluation.metrics import find_metric
from hiergeo.report import drawing, plot, summary
from hiergeo.report.page import spaced, write_html
from hiergeo.report.terminal import bounds

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
    model, data = without_folders(str(settings["model"])), f"{settings['dataset']} {settings['split']}"
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
    legend = (
        f"Below each value what '{ATTRIBUTION[0][1]}' gains over it, and the 95 % interval of the gain."
        if full
        else f"{MARK} differs from the first column: the 95 % interval of the difference excludes 0."
    )
    yield _table(audit, audit.attribution, "", _present(ATTRIBUTION, audit.attribution), full)
    yield _table(audit, audit.walks, "walk_", _present(WALKS, audit.walks), full, f"{_about(audit)}\n{legend}")


def _about(audit: Audit) -> str:
    settings = audit.settings
    data = f"{settings['dataset']} {settings['split']}"
    return caption(f"{without_folders(str(settings['model']))} · {data} · {settings['geometry']}")


def audit_records(audit: Audit) -> Records:
    """Every metric, and its value under every control with what the metric gains over it, and 95 % intervals."""
    rows: list[tuple[object, ...]] = []
    for prefix, measured in (("", audit.attribution), ("walk_", audit.walks)):
        for row in measured:
            name = f"{prefix}{row.metric}"
            rows.append((name, None, row.native, *audit.intervals[name], None, None, None))
            for control, value in row.controls.items():
                gain = f"{name}_minus_{control}"
                rows.append((name, control, value, None, None, audit.numbers[gain], *audit.intervals[gain]))
    keys = ("metric", "control", "value", "low", "high", "gain", "gain_low", "gain_high")
    notes = f"{_about(audit)}. Gain: of the metric over its value under the control. 95 % intervals."
    return Records.of(keys, rows, notes)


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
        cells = [stacked(Figure(number(row.native), bounds(audit.intervals[name]) if full else ""))]
        for control, _ in controls[1:]:
            gain = f"{name}_minus_{control}"
            if control not in row.controls:
                cells.append(Text(""))
                continue
            low, high = audit.intervals[gain]
            below = f"{signed(audit.numbers[gain])}\n{bounds(audit.intervals[gain])}" if full else ""
            best = not full and not low <= 0 <= high
            cells.append(stacked(Figure(number(row.controls[control]), below, best=best)))
        table.add_row(find_metric(row.metric).label, *cells)
    return table


def length_records(facts: LengthFacts) -> Records:
    """A row a number, with its interval and over how many items it is."""
    figures = [("words alone", "tau_d", facts.words), ("partial tau", "tau_d", facts.partial_tau)]
    orders = {
        "the model": facts.order,
        "content-free": facts.content_free,
        "words shuffled": facts.shuffled,
        "words exchanged": facts.exchanged,
        **{f"untrained {copy}": each for copy, each in enumerate(facts.untrained)},
    }
    for name, order in orders.items():
        if order is not None:
            figures += [(name, "tau_d", order.tau_d), (name, "equal", order.equal), (name, "shorter", order.shorter)]
    measured = ((*of, each.value, *each.interval, each.items) for *of, each in figures if each is not None)
    about = caption(f"{without_folders(facts.model)} · {facts.data} · {facts.geometry}")
    notes = f"{about}. Equal, shorter: share of pairs of tiers in the right order. 95 % intervals."
    return Records.of(("control", "metric", "value", "low", "high", "items"), measured, notes)
