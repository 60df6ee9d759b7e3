"""The page of a suite: an overview, a table a benchmark, differences between rows, and what could not be measured."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiergeo._core.records import number
from hiergeo._core.text import caption
from hiergeo.report import summary
from hiergeo.report.page import PageSection, write_html

if TYPE_CHECKING:
    from hiergeo.training.suite import Leaderboard
    from hiergeo.training.suite.plan import ModelEntry


def write_leaderboard(table: "Leaderboard", path: Path) -> Path:
    """Write the page of a suite, one HTML file that needs nothing else.

    Args:
        table: what to show.
        path: the file, replaced whole or left as it was.

    Raises:
        UnavailableError: the file cannot be written.
    """
    standings = [(PageSection(f"benchmark{at}", each.name), each) for at, each in enumerate(table.standings)]
    return write_html(
        path,
        "leaderboard.html",
        picture=summary.of_leaderboard(table),
        title=caption(table.title),
        kicker=("suite", table.title),
        conclusion=table.conclusion,
        table=table,
        standings=standings,
        counts=Counter(cell.status for cell in table.cells.values()),
        settings=_settings(table),
    )


def _settings(table: "Leaderboard") -> list[tuple[str, Any]]:
    plan, cells = table.plan, table.cells.values()
    measured = [cell.result.settings for cell in cells if cell.result is not None]
    versions, devices = (sorted({str(of[key]) for of in measured if key in of}) for key in ("hiergeo", "device"))
    return [
        ("seed", plan.seed),
        ("bootstrap samples", plan.samples),
        ("dtype", plan.dtype),
        ("devices", ", ".join(devices) or "none yet"),
        ("hiergeo", ", ".join(versions) or "none yet"),
        ("seconds of measuring", number(sum(cell.seconds for cell in cells), 0)),
        *((f"model: {model.name}", _described(_named(model), model.train)) for model in plan.models),
    ]


def _named(model: "ModelEntry") -> str:
    """The spec of a model, with the name of its package for the folder of it, which is another on every machine."""
    return model.spec.replace("{package}", model.package or "{package}")


def _described(spec: str, train: Any) -> str:
    if train is None:
        return spec
    rows = "" if train.rows is None else f", {train.rows} rows"
    return f"{spec}, then {train.kind} on {train.data} {train.split}{rows} in {train.geometry}"
