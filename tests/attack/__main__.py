"""The long attack: ``python -m tests.attack``."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.attack import apart, bombs
from tests.attack.trial import BAD, Tally

SHARES = {
    "command lines": 0.2,
    "operators": 0.5,
    "checkpoints": 0.3,
    "heads": 0.8,
    "batches": 0.3,
    "weights": 0.3,
    "killed: study": 0.2,
    "killed: train re": 0.5,
    "killed: train re, two ranks": 0.2,
    "killed: train clip": 0.3,
    "killed: train clip, two ranks": 0.2,
}
"""How many attacks of a family are made for one of any other: some take long."""


def main() -> int:
    """Attack and print tables; 1 where anything crashed, hung or went wrong in silence."""
    if sys.argv[1:2] == ["--worker"]:
        apart.work(sys.argv[2], *map(int, sys.argv[3:6]))
        return 0
    asked = _arguments()
    start = time.monotonic()
    whole: dict[str, Tally] = {}
    for kind, number in (("mutants of", asked.mutants), ("deaths", asked.kills), ("mishaps", asked.mishaps)):
        counts = _counts(apart.families(kind), number, asked.only)
        tallies = apart.campaign(counts, asked.seed, asked.workers)
        whole |= tallies
        if tallies:
            print(f"\n{apart.table(tallies, kind)}\n{time.monotonic() - start:.0f} s, seed {asked.seed}", flush=True)
    if asked.bombs:
        with tempfile.TemporaryDirectory() as folder:
            met = bombs.explode(Path(folder))
        print(f"\n{bombs.table(met)}")
        whole |= {name: bomb.tally for name, bomb in met.items()}
    bad = [story for tally in whole.values() for story in tally.bad]
    if asked.log:
        Path(asked.log).parent.mkdir(parents=True, exist_ok=True)
        Path(asked.log).write_text("\n\n".join(bad) + "\n")
    else:
        print("\n\n".join(bad[:20]))
    return int(any(tally.counts[verdict] for tally in whole.values() for verdict in BAD))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--mutants", type=int, default=100_000, help="damaged files, words and calls")
    parser.add_argument("--kills", type=int, default=500, help="deaths of commands that write")
    parser.add_argument("--mishaps", type=int, default=200, help="full disks, lost folders and the like")
    parser.add_argument(
        "--bombs", action=argparse.BooleanOptionalAction, default=True, help="small inputs, much memory"
    )
    parser.add_argument("--only", action="append", help="only this kind; may be given several times")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--log", help="file for the stories of what ended badly")
    return parser.parse_args()


def _counts(names: list[str], number: int, only: list[str] | None) -> dict[str, int]:
    """So many attacks, shared among the families that are asked for."""
    weights = {name: SHARES.get(name, 1.0) for name in names if not only or name in only}
    whole = sum(weights.values())
    return {name: round(number * weight / whole) for name, weight in weights.items()} if number else {}


if __name__ == "__main__":
    sys.exit(main())
