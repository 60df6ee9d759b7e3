"""Controls of the geometries: ``python -m benchmarks.controls mammals|hyperlex|lvis|pictures|errors``."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.peers import Missing
from hiergeo._core.errors import HiergeoError

CONTROLS = ("mammals", "hyperlex", "lvis", "pictures", "errors")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.controls", description=__doc__)
    parser.add_argument("control", choices=CONTROLS)
    parser.add_argument("--scale", choices=("quick", "full", "long"), default="full", help="how much of it is run")
    parser.add_argument("--quick", action="store_const", const="quick", dest="scale", help="short for --scale quick")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write NAME.json and NAME.md there")
    args = parser.parse_args(words)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            findings = import_module(f"benchmarks.controls.{args.control}").run(args.out, args.scale)
    except (HiergeoError, Missing) as reason:
        raise SystemExit(f"Error: {reason}") from None
    findings.write(args.out)
    print(findings.to_markdown(), end="")


if __name__ == "__main__":
    main()
