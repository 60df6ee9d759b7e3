"""``hiergeo info``: what is installed, what runs, and why something does not; ``--check`` tests the kernels."""

import json as jsonlib
import math
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from hiergeo import pairwise
from hiergeo.cli import options
from hiergeo.cli._guard import WrongResults
from hiergeo.cli._io import check_writable, write_json
from hiergeo.cli._terminal import console
from hiergeo.cli.installation import collect

Check = Annotated[
    bool,
    typer.Option("--check", help="Compare every native kernel with the reference; exits with 1 where one is wrong."),
]


def info_command(
    check: Check = False, json: options.Json = None, seed: options.Seed = 0, device: options.Device = options.AUTO
) -> None:
    """Print versions, kernels, devices, data and third-party plug-ins, for a bug report or a paper's appendix."""
    check_writable(json)
    facts = collect(device)
    found = pairwise.check_kernels(seed=seed) if check else {}
    outcomes = [_plain(place, outcome) for place, of in found.items() for outcome in of]
    wrong = [outcome for outcome in outcomes if not outcome["passed"]]
    result: dict[str, Any] = {"metrics": {"torch_threads": facts["torch threads"]}, "info": facts}
    if check:
        result["metrics"] |= {"kernels_checked": len(outcomes), "kernels_wrong": len(wrong)}
        result["checks"] = outcomes
    write_json(json, jsonlib.dumps(result, indent=2))
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, str(value))
    console().print(table)
    if check:
        console().print(_checks(outcomes), soft_wrap=True)
    if wrong:
        raise WrongResults


def _plain(place: str, outcome: Any) -> dict[str, Any]:
    """An outcome of a check as JSON has it, which knows no infinity."""
    finite = outcome.error if math.isfinite(outcome.error) else None
    return {"place": place, **asdict(outcome), "error": finite, "passed": outcome.passed}


def _checks(outcomes: list[dict[str, Any]]) -> str:
    """A line for every place and kernel: the worst error and the bar in every pair of dtypes."""
    if not outcomes:
        return "\nThere are no native kernels to check."
    dtypes = list(dict.fromkeys(outcome["dtype"] for outcome in outcomes))
    cells = {(of["place"], of["kernel"], of["dtype"]): _cell(of) for of in outcomes}
    lines = ["", f"{'largest error / bar':32}" + "".join(f"{dtype:>20}" for dtype in dtypes)]
    for place, kernel in dict.fromkeys((of["place"], of["kernel"]) for of in outcomes):
        row = (cells.get((place, kernel, dtype), "") for dtype in dtypes)
        lines.append(f"{place:16}{kernel:16}" + "".join(f"{cell:>20}" for cell in row))
    lines += [
        f"{of['kernel']} raised {of['raised']} on {of['place']} in {of['dtype']}" for of in outcomes if of["raised"]
    ]
    passed = sum(of["passed"] for of in outcomes)
    lines.append(f"{passed} of {len(outcomes)} within their bars.")
    return "\n".join(line.rstrip() for line in lines)


def _cell(outcome: dict[str, Any]) -> str:
    error = "broken" if outcome["error"] is None else f"{outcome['error']:.1e}"
    return f"{error} / {outcome['bar']:.0e}{'' if outcome['passed'] else ' FAIL'}"
