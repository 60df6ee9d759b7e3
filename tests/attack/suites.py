"""A suite that is killed at random moments, resumed after each, and has to give the table of an undisturbed run.

    python -m tests.attack.suites [PLAN] [--kills 20] [--seed 0] [--folder DIR]

Prints the moments of the deaths and whether the tables are equal to the last digit; exit code 1 where they are not.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from hiergeo.training import suite


def main() -> int:
    """Run the plan undisturbed, then with deaths, and compare."""
    asked = _arguments()
    random, folder = Random(asked.seed), Path(asked.folder or tempfile.mkdtemp(prefix="suite-deaths"))
    whole, out = folder / "whole", folder / "killed"
    start = time.monotonic()
    _run(asked.plan, whole)
    cells = suite.read(whole).cells
    seconds = max(time.monotonic() - start, sum(cell.seconds for cell in cells.values()))
    print(f"undisturbed: {seconds:.0f} s, {len(cells)} cells", flush=True)
    deaths, rounds, wrong = 0, 0, 0
    while deaths < asked.kills:
        patience = random.uniform(0, seconds / 2)
        if _run(asked.plan, out, patience):
            rounds, wrong = rounds + 1, wrong + _differs(whole, out)
            shutil.rmtree(out)
            continue
        deaths += 1
        print(f"death {deaths} after {patience:.1f} s: {_finished(out)} cells are there", flush=True)
    _run(asked.plan, out)
    rounds, wrong = rounds + 1, wrong + _differs(whole, out)
    print(f"{deaths} deaths in {rounds} suites: {'all the same table' if not wrong else f'{wrong} OTHER TABLES'}")
    return int(wrong > 0)


def _differs(whole: Path, out: Path) -> bool:
    """Whether a suite has another table than the undisturbed one, or left helper files behind."""
    left = [path.name for path in out.rglob(".*") if path.suffix in (".part", ".lock")]
    same = suite.read(out).to_csv() == suite.read(whole).to_csv()
    print(f"{'the same table' if same else 'ANOTHER TABLE'}, {len(left)} leftovers", flush=True)
    return not same or bool(left)


def _run(plan: str, out: Path, patience: float | None = None) -> bool:
    """Run a suite, killed after some seconds; whether it ended by itself."""
    words = [sys.executable, "-m", "hiergeo", "suite", plan, "--out", str(out)]
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _, said = running.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()
        return False
    if running.returncode:
        raise RuntimeError(f"the suite ends with {running.returncode}: {said[-800:]}")
    return True


def _finished(out: Path) -> int:
    return len(list((out / "cells").glob("*.json")))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.attack.suites", description=__doc__)
    parser.add_argument("plan", nargs="?", default="demo")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="where both suites go")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
