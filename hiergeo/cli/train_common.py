"""What ``hiergeo train head`` and ``hiergeo train re`` share: options, and what they report."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.table import Table

from hiergeo._core.records import Figure, Grid, Record, Records, drawn, number
from hiergeo.cli._io import publish
from hiergeo.cli.options import option, path_option

if TYPE_CHECKING:
    from hiergeo.training import EvalRecord, Summary

TrainingSplit = Annotated[str | None, option("NAME", "Split to train on.  [expanded-train or train]")]
Settings = Annotated[
    list[str],
    option("KEY=VALUE", "A setting of the recipe, such as steps=500 or batch=64; give it once for each."),
]
Out = Annotated[Path, path_option("DIR", "The folder of what is trained.", "--out", "-o")]


def chosen_split(data: str, split: str | None) -> str:
    """The split to train on where none is named."""
    return split or ("expanded-train" if data == "hierarcaps" else "train")


def report(
    history: Sequence["EvalRecord"],
    best: int,
    settings: Mapping[str, Any],
    summary: "Summary | None",
    result: str,
    json: Path | None,
) -> None:
    """Write the JSON, metrics first, print before and after, and where the result is."""
    from hiergeo.training.trainer import at_step

    look = at_step(history, best)
    validation = {f"validation_{name}": value for name, value in look.validation.items()}
    document = {
        "metrics": validation | {"validation_tau_d": look.tau_d} | ({} if summary is None else summary.metrics()),
        "intervals": {} if summary is None else summary.intervals(),
        "baselines": {} if summary is None else summary.after.baselines,
        "settings": dict(settings),
        "history": [record.as_dict() for record in history],
    }
    rows: list[Record] = [{"metric": "validation_tau_d", "before": history[0].tau_d, "after": look.tau_d}]
    rows += () if summary is None else _changes(summary)
    publish(document, json, "table", Records(rows), screen=[_table(rows)], lines=[result])


def _changes(summary: "Summary") -> Iterator[Record]:
    """A row a metric before and after, with the interval of the gain and the strongest control; and the drift."""
    from hiergeo.evaluation.result import strongest

    for name, change in summary.changes.items():
        low, high = change.difference
        row = {"metric": name, "before": change.before, "after": change.after, "gain_low": low, "gain_high": high}
        control = strongest(name, summary.after.baselines.get(name, {}))
        yield row if control is None else row | dict(zip(("control", "control_value"), control, strict=True))
    yield from ({"metric": name, "after": value} for name, value in summary.drift.items())


def _table(rows: Sequence[Record]) -> Table:
    """The rows for the terminal."""
    from hiergeo.evaluation.metrics import find_metric

    heads = ("before", "after", "95 % interval of the gain", "strongest control")
    lines = ((find_metric(str(row["metric"])).label, tuple(_figures(row))) for row in rows)
    return drawn(Grid("metric", heads if len(rows) > 1 else heads[:2], tuple(lines)))


def _figures(row: Record) -> Iterator[Figure]:
    values: Any = {name: value for name, value in row.items() if isinstance(value, float)}
    for name in ("before", "after"):
        yield Figure(number(values[name], 4) if name in values else "")
    if "gain_low" in values:
        yield Figure(f"{number(values['gain_low'], 4)} to {number(values['gain_high'], 4)}")
    if "control" in row:
        yield Figure(number(values["control_value"], 4), note=str(row["control"]))
