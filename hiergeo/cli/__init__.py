"""The command line: one file a verb, errors of one sentence, and exit codes that `hiergeo.cli._guard` lists."""

import gc
import sys

COLLECTED_AFTER = (50_000, 10, 10)
"""Thresholds of the collection of garbage: imports make many objects, of which none is garbage."""


def main() -> None:
    """Run the ``hiergeo`` command and exit."""
    gc.set_threshold(*COLLECTED_AFTER)
    from hiergeo.cli import _terminal
    from hiergeo.cli._guard import guarded

    with _terminal.prepared():
        code = guarded(_run, sys.argv[1:])
    sys.exit(code)


def _run() -> int | None:
    from hiergeo.cli.app import app

    return app(prog_name="hiergeo", standalone_mode=False)
