"""The table of length controls for the terminal."""

from typing import TYPE_CHECKING

from hiergeo._core.text import caption
from hiergeo.evaluation.auditing import LengthFacts
from hiergeo.evaluation.auditing.confounds import Estimate, Order
from hiergeo.report.words import number, short_model

if TYPE_CHECKING:
    from rich.table import Table


def length_table(facts: LengthFacts) -> "Table":
    """One row a control: tau_d, and the shares of pairs in the right order at equal and at reversed lengths."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    about = f"{short_model(facts.model)} · {facts.data} · {facts.geometry}"
    notes = "Below each value its 95 % bootstrap interval. Equal, shorter: share of pairs of tiers in the right order"
    table = Table(
        box=box.SIMPLE_HEAD,
        caption=Text(f"{caption(about)}\n{notes}.", style="dim"),
        caption_justify="left",
        pad_edge=False,
    )
    for heading in ("", "tau_d", "equal length", "shorter"):
        table.add_column(heading)
    rows: dict[str, Order | None] = {
        "the model": facts.order,
        "content-free": facts.content_free,
        "words shuffled": facts.shuffled,
        "words exchanged": facts.exchanged,
        **{f"untrained {place}": each for place, each in enumerate(facts.untrained)},
    }
    table.add_row("words alone", _figure(facts.words), "", "")
    for name, order in rows.items():
        if order is not None:
            table.add_row(name, *map(_figure, (order.tau_d, order.equal, order.shorter)))
    if facts.partial_tau is not None:
        table.add_row("partial tau", _figure(facts.partial_tau), "", "")
    return table


def _figure(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    low, high = (number(bound) for bound in estimate.interval)
    return f"{number(estimate.value)}\n{low}–{high}"
