"""``hiergeo info``: what is installed, what runs, and why something does not."""

import json as jsonlib

from rich.console import Console
from rich.table import Table

from hiergeo.cli import options
from hiergeo.cli._io import check_writable, write_json
from hiergeo.info import collect


def info(json: options.Json = None, seed: options.Seed = 0, device: options.Device = "cpu") -> None:
    """Print versions, kernels, devices, data and third-party plug-ins, for a bug report or a paper's appendix."""
    check_writable(json)
    facts = collect(device)
    write_json(json, jsonlib.dumps({"metrics": {"torch_threads": facts["torch threads"]}, "info": facts}, indent=2))
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, str(value))
    Console().print(table)
