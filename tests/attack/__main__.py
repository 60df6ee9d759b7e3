"""The long attack: ``python -m tests.attack``."""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.attack import apart
from tests.attack.trial import BAD, Tally

SHARES = {"command lines": 0.3, "operators": 0.5, "checkpoints": 0.3, "heads": 0.8, "batches": 0.3, "weights": 0.3}
"""How many attacks of a family are made for one of any other: some take long."""


def main() -> int:
    """Attack and print tables; 1 where anything crashed, hung or went wrong in silence."""
    if sys.argv[1:2] == ["--worker"]:
        apart.work(sys.argv[2], *map(int, sys.argv[3:6]))
        return 0
    asked = _arguments()
    counts = _shares(asked.mutants, asked.only)
    start = time.monotonic()
    found = {"mutants of": apart.campaign(counts, asked.seed, asked.workers)} if counts else {}
    bad = [story for tallies in found.values() for tally in tallies.values() for story in tally.bad]
    for title, tallies in found.items():
        print(apart.table(tallies, title), flush=True)
    print(f"{time.monotonic() - start:.0f} s, seed {asked.seed}")
    if asked.log:
        Path(asked.log).write_text("\n\n".join(bad) + "\n")
    else:
        print("\n\n".join(bad[:20]))
    return int(any(tally.counts[verdict] for tallies in found.values() for tally in tallies.values() for verdict in BAD))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--mutants", type=int, default=100_000, help="damaged files, words and calls")
    parser.add_argument("--only", action="append", help="only this kind; may be given several times")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--log", help="file for the stories of what ended badly")
    return parser.parse_args()


def _shares(mutants: int, only: list[str] | None) -> dict[str, int]:
    names = [name for name in apart.families() if not only or name in only]
    weights = {name: SHARES.get(name, 1.0) for name in names}
    whole = sum(weights.values())
    return {name: round(mutants * weight / whole) for name, weight in weights.items()} if mutants else {}


if __name__ == "__main__":
    sys.exit(main())
