"""Time and memory of checking a table of captions: ``python -m benchmarks.data_check``.

A table in the format of HierarCaps, with made-up captions, is written in pieces, and ``hiergeo data check`` walks
through it in a process of its own, which is timed from its start to its end. Its peak is that of the resident set.
"""

import argparse
import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from benchmarks import machine
from benchmarks.commands import spend

COLUMNS = ("positive", "negative", "image_url")
WORDS_OF_TIER = (1, 2, 4, 9)
VOCABULARY = 20_000

GOAL_SECONDS, GOAL_BYTES = 20.0, 500 * 2**20
"""What a million rows should take at most."""


@dataclass(frozen=True)
class Cost:
    """What a check took: seconds by the clock and of the processor, bytes of the resident set at its peak."""

    rows: int
    file_bytes: int
    seconds: float
    processor_seconds: float
    peak: int


def records(rows: int) -> Iterator[tuple[str, ...]]:
    """The records of a table, each chain of words drawn anew."""
    random = Random(0)
    words = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(3, 9))) for _ in range(VOCABULARY)]

    def chain() -> str:
        return " => ".join(" ".join(random.choices(words, k=count)) for count in WORDS_OF_TIER)

    for row in range(rows):
        yield chain(), chain(), f"http://example.org/{row}.jpg"


def write(path: Path, rows: int) -> None:
    """A table of so many rows, compressed, one record in memory at a time."""
    with gzip.open(path, "wt", compresslevel=1, encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows(records(rows))


def measure(rows: int) -> Cost:
    """Check a table of so many rows once."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "own.csv.gz"
        write(path, rows)
        spent = spend(["data", "check", str(path)])
        if spent.code not in (0, 2):
            raise SystemExit(f"the check ended with code {spent.code}")
        return Cost(rows, path.stat().st_size, spent.seconds, spent.processor_seconds, spent.peak)


def to_markdown(cost: Cost) -> str:
    """A sentence and the goals."""
    return (
        f"Checking {cost.rows:,} rows ({cost.file_bytes / 2**20:.0f} MiB compressed) took {cost.seconds:.1f} s, "
        f"{cost.processor_seconds:.1f} s of them on the processor, and {cost.peak / 2**20:.0f} MiB at the peak; the "
        f"goals for a million rows are {GOAL_SECONDS:.0f} s and {GOAL_BYTES / 2**20:.0f} MiB.\n"
    )


def main(words: Sequence[str] | None = None) -> None:
    """Measure once, print it, and write it where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_check", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table (default: 1,000,000)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write data_check.json and data_check.md there")
    args = parser.parse_args(words)
    cost = measure(args.rows)
    text = to_markdown(cost)
    print(text, end="")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        document = {"metrics": asdict(cost), "machine": asdict(machine.describe())}
        (args.out / "data_check.json").write_text(json.dumps(document, indent=2), encoding="utf-8")
        (args.out / "data_check.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
