"""Search at speed: scans of an index against the engine in memory: ``python -m benchmarks.search``.

Builds an index of any number of rows from embeddings of real captions (see `benchmarks.search_exact`), and prints
Markdown tables. Times are ratios within one round; those of processor time suffer less from other work on the machine.
"""

import argparse
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import torch

from benchmarks.search_exact import Captions
from benchmarks.search_exact import report as exactness
from hiergeo import Space, search
from hiergeo.geometry import Points
from hiergeo.geometry.space import Side
from hiergeo.search import Index
from hiergeo.search.rows import Rows
from hiergeo.search.stores.exact import ExactStore
from hiergeo.search.sweep import Best, Count, Steps, SweepTask, run

SPEC = "lorentz:-1"
KINDS = ("children", "parents", "neighbours", "ladder", "count")
BATCHES = (1, 8, 32, 256)
K, STEPS = 10, 50
PARTS = ("warm", "exact")


@dataclass(frozen=True)
class Time:
    """Seconds on the clock and of the processors."""

    wall: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="npz with text (n, D) of norm one and root (D,)")
    parser.add_argument("--folder", type=Path, required=True, help="of the index, built if it is not there")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000, help="of the comparison with brute force; 0 for none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--part", choices=("build", *PARTS), action="append")
    asked = parser.parse_args()
    parts = asked.part or PARTS
    captions = Captions(asked.data)
    print(
        f"{captions.said(asked.rows)}; {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}.\n", flush=True
    )
    space = Space(SPEC, captions.root)
    if not (asked.folder / "index.json").exists():
        with sampled_memory() as held:
            spent = timed(lambda: search.build(asked.folder, None, embeddings=captions.rows(asked.rows), space=space))
        size = sum(file.stat().st_size for file in asked.folder.rglob("*") if file.is_file())
        print(f"Built in {spent.wall:.0f} s, {size / 1e9:.2f} GB, {held[0] / 2**20:.0f} MiB of memory.\n", flush=True)
    queries = captions.block(1 << 40, max(BATCHES))
    if "warm" in parts:
        warm(asked.folder, space, queries, asked.rounds)
    if "exact" in parts and asked.queries:
        exactness(asked.folder, captions, asked.queries)


def warm(folder: Path, space: Space, queries: torch.Tensor, rounds: int) -> None:
    """Scans from the page cache as a share of the engine's throughput on the same rows as one tensor."""
    index = search.open(folder)
    whole = in_memory(index.store, space)
    for _ in index.store.stream():
        pass
    print("| kind | queries | engine in memory, M rows/s | scan / memory | by processor time | memory, MiB |")
    print("|---|---|---|---|---|---|")
    for count in BATCHES:
        for kind in KINDS:
            x = points(space, queries[:count])
            pairs, peak = [], 0
            for _ in range(rounds):
                memory = timed(partial(asked(kind, space, x, index).take, *whole))
                with sampled_memory() as held:
                    scan = timed(partial(run, index.store.stream(), [asked(kind, space, x, index)]))
                pairs.append((memory, scan))
                peak = max(peak, held[0])
            rate = len(index) / min(memory.wall for memory, _ in pairs) / 1e6
            shares = [median(getattr(m, of) / getattr(s, of) for m, s in pairs) for of in ("wall", "cpu")]
            print(
                f"| {kind} | {count} | {rate:.1f} | {shares[0]:.2f} | {shares[1]:.2f} | {peak / 2**20:.0f} |",
                flush=True,
            )
    print()


def asked(kind: str, space: Space, x: Points, index: Index) -> SweepTask:
    """A task of one kind."""
    if kind == "ladder":
        shells = index.store.describe().shells
        ends = min(s.low for s in shells if s.count), max(s.high for s in shells if s.count)
        return Steps(space, x, torch.linspace(*ends, STEPS, dtype=torch.float64))
    if kind == "count":
        return Count(space, x)
    side: Side = "parents" if kind == "parents" else "children"
    return Best(space, x, K, "distance" if kind == "neighbours" else "margin", side)


def points(space: Space, queries: torch.Tensor) -> Points:
    """Queries as an index compares them."""
    return Rows.of(torch.arange(len(queries)), queries, space).points(space.geometry)


def in_memory(store: ExactStore, space: Space) -> tuple[Rows, Points]:
    """All rows as one tensor, by radius and id."""
    rows = Rows.cat([rows.take(slice(None)) for rows in store.stream()])
    rows = rows.take(rows.radii[:, 0].argsort(stable=True))
    return rows, rows.points(space.geometry)


def timed(work: Callable[[], object]) -> Time:
    """How long something takes."""
    start = Time(time.perf_counter(), time.process_time())
    work()
    return Time(time.perf_counter() - start.wall, time.process_time() - start.cpu)


@contextmanager
def sampled_memory() -> Iterator[list[int]]:
    """Bytes of memory, beyond files that are mapped, that are held at most while something runs, above the start."""
    held, done = [0], threading.Event()
    first = anonymous()

    def sample() -> None:
        while not done.wait(0.005):
            held[0] = max(held[0], anonymous() - first)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield held
    finally:
        done.set()
        thread.join()


def anonymous() -> int:
    """Bytes of memory of this process that no file backs."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


if __name__ == "__main__":
    main()
