"""``hiergeo info``: what is installed, what runs, and why something does not; ``--check`` tests the kernels."""

from dataclasses import asdict
from typing import Annotated, Any

from hiergeo._core.records import Record, Records, drawn, plain
from hiergeo.cli import options
from hiergeo.cli._guard import WrongResults
from hiergeo.cli._io import check_writable, publish
from hiergeo.cli.options import flag


def info_command(
    check: Annotated[
        bool, flag("--check", "Compare every native kernel with the reference; exits with 1 where one is wrong.")
    ] = False,
    format: options.Format = "table",
    json: options.Json = None,
    device: options.Device = options.AUTO,
) -> None:
    """Print versions, kernels, devices, data and plug-ins, for a bug report or a paper's appendix."""
    from hiergeo import pairwise
    from hiergeo.cli.installation import collect

    check_writable(json)
    facts = collect(device)
    document: dict[str, Any] = {"metrics": {"torch_threads": facts["torch threads"]}, "info": facts}
    rows: list[Record] = [{"fact": name, "value": value} for name, value in facts.items()]
    screen, lines = [drawn(Records(rows).grid)], list[str]()
    if check:
        outcomes = [(on, outcome) for on, several in pairwise.check_kernels().items() for outcome in several]
        checks = [plain({"place": on, **asdict(outcome), "passed": outcome.passed}) for on, outcome in outcomes]
        lines = [f"{on}: {outcome}" for on, outcome in outcomes if not outcome.passed]
        document["metrics"] |= {"kernels_checked": len(checks), "kernels_wrong": len(lines)}
        document["checks"] = checks
        rows += [{"fact": "kernel", **of} for of in checks]
        verdict = f"{len(checks) - len(lines)} of {len(checks)} within their bars."
        lines.append(verdict if checks else "There are no native kernels to check.")
    publish(document, json, format, Records(rows), screen=screen, lines=lines)
    if document["metrics"].get("kernels_wrong"):
        raise WrongResults
