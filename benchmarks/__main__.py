"""Time and memory of every pair operation beside other ways to do the same: ``python -m benchmarks``."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import machine, memory, report, timing
from benchmarks.cases import SCALES, Case, main_cases
from benchmarks.competitors import competitors

MEMORY = "memory"


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="full", help="how large the problems are")
    parser.add_argument("--quick", action="store_const", const="quick", dest="scale", help="short for --scale quick")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="cases whose names contain NAME; may be repeated"
    )
    parser.add_argument("--curvature", type=float, default=-1.0, help="signed K (default: -1)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, help="how often everything is timed (default: by scale)")
    parser.add_argument("--simd", action="store_true", help="time hiergeo at every SIMD level of the machine as well")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write benchmarks.json and .md there")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    args = arguments(words)
    cases, with_memory = chosen(args.scale, args.only)
    torch.set_num_threads(args.threads)
    os.environ["OMP_NUM_THREADS"] = str(args.threads)  # for KeOps, which has a pool of its own, and for children

    with contextlib.redirect_stdout(sys.stderr):
        results = run(cases, with_memory, args)
    print(report.to_markdown(results), end="")
    if args.out:
        write(results, args.out)


def chosen(scale: str, only: Sequence[str]) -> tuple[list[Case], bool]:
    """The cases whose names contain any of `only`, and whether memory is asked for; everything by default."""
    everything = main_cases(SCALES[scale])
    names = [*dict.fromkeys(case.name for case in everything), MEMORY]
    for name in only:
        if not any(name in known for known in names):
            raise SystemExit(f"no case is called '{name}'; there are: {'; '.join(names)}.")
    wanted = [case for case in everything if not only or any(name in case.name for name in only)]
    return wanted, not only or any(name in MEMORY for name in only)


def run(cases: Sequence[Case], with_memory: bool, args: argparse.Namespace) -> report.Results:
    """Measure one case after the other, and what the machine can do before and after them."""
    rounds = args.rounds or SCALES[args.scale].rounds
    settings = {"scale": args.scale, "curvature": args.curvature, "rounds": rounds, "simd": args.simd}
    results = report.Results(machine.describe(), settings)
    for case in cases:
        results.rows += timing.measure(case, competitors(case, args.simd), args.curvature, rounds)
    if with_memory:
        results.memory += memory.uses(args.scale, args.curvature)
    results.machine = results.machine.at_best(machine.describe())
    return results


def write(results: report.Results, folder: Path) -> None:
    """The results as JSON and Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmarks.json").write_text(report.to_json(results), encoding="utf-8")
    (folder / "benchmarks.md").write_text(report.to_markdown(results), encoding="utf-8")


if __name__ == "__main__":
    main()
