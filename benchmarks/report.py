"""Results as Markdown and JSON."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field

from scipy.stats import binomtest

from benchmarks.competitors import BASELINE
from benchmarks.machine import Machine
from benchmarks.memory import GOAL, Use, facts
from benchmarks.timing import Row

MIB = 2**20
NONE = "–"


@dataclass
class Results:
    """All that a run measured.

    Attributes:
        machine: where.
        settings: scale, curvature, rounds and what else was asked for.
        rows: competitors by case.
        memory: peak extra memory.
    """

    machine: Machine
    settings: dict[str, object]
    rows: list[Row] = field(default_factory=list)
    memory: list[Use] = field(default_factory=list)

    def share(self, row: Row) -> float | None:
        """FLOP/s of a row over the peak, where both are known."""
        peak = self.machine.peak_all
        return None if row.rate is None or not peak else row.rate / peak


def to_json(results: Results) -> str:
    """Ratios by name under `metrics`, then everything."""
    metrics = {f"{row.case} | {row.label}": row.ratio for row in results.rows if row.ratio is not None}
    rows = [{**asdict(row), "rate": row.rate, "share": results.share(row)} for row in results.rows]
    document = {
        "metrics": metrics,
        "machine": asdict(results.machine),
        "settings": results.settings,
        "rows": rows,
        "memory": [facts(use) for use in results.memory],
    }
    return json.dumps(document, indent=2)


def to_markdown(results: Results) -> str:
    """The tables that there are, each under the machine it belongs to."""
    tables = [
        ("Time", _main_table(results), results.rows),
        ("Peak extra memory", _memory_table(results.memory), []),
    ]
    parts = [f"### {title}\n\n{caption(results, rows)}\n\n{table}" for title, table, rows in tables if table]
    return "\n\n".join(parts) + "\n"


def caption(results: Results, rows: Iterable[Row]) -> str:
    """What a reader must know beside a table: machine, versions, peak, and how fast the unit of the ratios was."""
    machine = results.machine
    kernels = ", ".join(f"{name} {what}" for name, what in machine.kernels.items() if name != "kernels built")
    there = ", ".join(f"{name} {number}" for name, number in machine.versions.items() if number != "not installed")
    one, everyone = _giga(machine.peak_one), _giga(machine.peak_all)
    peak = machine.no_peak or f"FMA peak {one} GFLOP/s on one thread, {everyone} on {machine.threads}"
    products = sorted(row.rate for row in rows if row.label == BASELINE and row.rate)
    speed = f"; torch.mm {_giga(products[0])} to {_giga(products[-1])} GFLOP/s" if products else ""
    return (
        f"{machine.processor}, threads {machine.threads}, {kernels}; K = {results.settings['curvature']}; {there}.\n"
        f"{peak}{speed}; memory copies at {_giga(machine.bandwidth)} GB/s."
    )


def _main_table(results: Results) -> str:
    heads = ("operation", "N x M x D", "by", "ms", "ratio to torch.mm", "goal", "GFLOP/s", "share of FMA peak", "")
    return table(heads, [_main_cells(row, results) for row in results.rows])


def _main_cells(row: Row, results: Results) -> list[str]:
    about = "about " if row.seconds and not row.rounds else ""
    return [
        row.case,
        str(row.shape),
        row.label,
        about + _number(row.seconds, lambda s: f"{1e3 * s:,.1f}"),
        about + _number(row.ratio, _ratio),
        row.goal,
        _number(row.rate, _giga),
        _number(results.share(row), lambda share: f"{share:.1%}"),
        row.note,
    ]


def _memory_table(memory: Sequence[Use]) -> str:
    sizes = ("extra, MiB", "outputs", "packed x", "temporaries", "goal", "one N x M")
    rows, goal = [], f"< {_mebibytes(GOAL)}"
    for use in memory:
        parts = (use.extra, use.outputs, use.packed, use.temporaries)
        cells = [NONE] * 4 if use.extra is None else [_number(part, _mebibytes) for part in parts]
        rows.append([use.case, str(use.shape), use.label, *cells, goal, _mebibytes(use.shape.pairs), use.note])
    return table(("operation", "N x M x D", "by", *sizes, ""), rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, *rows)]
    lines.insert(1, "|" + "---|" * len(heads))
    return "\n".join(lines) if rows else ""


def proportion(count: int, total: int) -> str:
    """A share in per cent, with the upper end of its 95 % Clopper-Pearson interval."""
    high = binomtest(count, total).proportion_ci(0.95, method="exact").high
    return f"{100 * count / total:.1f} % (≤ {100 * high:.1f} %)"


def _number(value: float | None, written: Callable[[float], str]) -> str:
    return NONE if value is None else written(value)


def _ratio(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


def _giga(rate: float | None) -> str:
    return NONE if rate is None else f"{rate / 1e9:,.0f}"


def _mebibytes(count: float) -> str:
    return f"{count / MIB:,.1f}"
