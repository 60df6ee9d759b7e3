"""``hiergeo info``: what is installed, what runs, and why something does not; ``--check`` tests the kernels."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

from rich.table import Table

from hiergeo._core.tables import light
from hiergeo.cli import options
from hiergeo.cli._guard import WrongResults
from hiergeo.cli._io import check_writable, facts_table, publish
from hiergeo.cli.options import flag
from hiergeo.cli.plans import finite


def info_command(
    check: Annotated[
        bool, flag("--check", "Compare every native kernel with the reference; exits with 1 where one is wrong.")
    ] = False,
    format: options.Format = "table",
    json: options.Json = None,
    seed: options.Seed = 0,
    device: options.Device = options.AUTO,
) -> None:
    """Print versions, kernels, devices, data and plug-ins, for a bug report or a paper's appendix."""
    from hiergeo import pairwise
    from hiergeo.cli.installation import collect

    check_writable(json)
    facts = collect(device)
    document: dict[str, Any] = {"metrics": {"torch_threads": facts["torch threads"]}, "info": facts}
    tables, lines, wrong = [facts_table(facts)], [], 0
    screen: list[Table | str] = [*tables]
    if check:
        places = pairwise.check_kernels(seed=seed)
        checks = [_as_dict(place, outcome) for place, outcomes in places.items() for outcome in outcomes]
        wrong = sum(not each["passed"] for each in checks)
        document["metrics"] |= {"kernels_checked": len(checks), "kernels_wrong": wrong}
        document["checks"] = checks
        if checks:
            tables.append(_checks_table(checks))
            screen += ["\nLargest error / bar:", *_text(tables[-1])]
        lines = [
            f"{of['kernel']} raised {of['raised']} on {of['place']} in {of['dtype']}" for of in checks if of["raised"]
        ]
        verdict = f"{len(checks) - wrong} of {len(checks)} within their bars."
        lines.append(verdict if checks else "There are no native kernels to check.")
    publish(document, json, format, tables, screen=screen, lines=lines)
    if wrong:
        raise WrongResults


def _as_dict(place: str, outcome: Any) -> dict[str, Any]:
    """An outcome of a check in values of JSON, which has no infinity."""
    return {"place": place, **asdict(outcome), "error": finite(outcome.error), "passed": outcome.passed}


def _checks_table(checks: list[dict[str, Any]]) -> Table:
    """A row for every place and kernel: the worst error and the bar in every pair of dtypes."""
    dtypes = list(dict.fromkeys(each["dtype"] for each in checks))
    cells = {(each["place"], each["kernel"], each["dtype"]): _cell(each) for each in checks}
    table = light("place", "kernel", *dtypes)
    for place, kernel in dict.fromkeys((each["place"], each["kernel"]) for each in checks):
        table.add_row(place, kernel, *(cells.get((place, kernel, dtype), "") for dtype in dtypes))
    return table


def _text(table: Table) -> Iterator[str]:
    """A table as lines of its full width, whatever that of the terminal is."""
    columns = [[str(cell) for cell in (column.header, *column.cells)] for column in table.columns]
    widths = [max(map(len, column)) for column in columns]
    for row in zip(*columns, strict=True):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(check: dict[str, Any]) -> str:
    error = "broken" if check["error"] is None else f"{check['error']:.1e}"
    return f"{error} / {check['bar']:.0e}{'' if check['passed'] else ' FAIL'}"
