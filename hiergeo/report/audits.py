"""Audits for people: a self-contained page, and the table of the controls of length."""

from pathlib import Path

from hiergeo._core.records import Records
from hiergeo._core.text import caption, without_folders
from hiergeo.evaluation.auditing.confounds import LengthFacts
from hiergeo.evaluation.auditing.record import ATTRIBUTION, WALKS, Audit, controls_of
from hiergeo.report import drawing, plot, summary
from hiergeo.report.page import spaced, write_html

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
        picture=summary.of_audit(audit),
        audit=audit,
        conclusion=audit,
        title=f"Audit of {caption(model)} on {caption(data)}",
        kicker=("audit", model, data, str(settings["geometry"])),
        attribution_controls=list(controls_of(ATTRIBUTION, audit.attribution).items()),
        walk_controls=list(controls_of(WALKS, audit.walks).items()),
        factors=[(at, audit.numbers[f"curvature_factor{at}"]) for at in range(count)],
        chart=drawing.svg(plot.operating_point(audit), "Share of captions up to u against u"),
        length=LENGTH,
        settings=spaced(settings),
    )


def length_records(facts: LengthFacts) -> Records:
    """A row a number, with its interval and over how many items it is."""
    figures = [
        ("words alone", "tau_d", facts.words),
        ("characters alone", "tau_d", facts.characters),
        ("partial tau", "tau_d", facts.partial_tau),
        ("the model", "equal, characters balanced", facts.balanced),
    ]
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
