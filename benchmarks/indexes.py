"""An index built, opened, appended to, read by id, deleted from, compacted and checked: time and memory.

    python -m benchmarks.indexes OUT --rows 1000000 [--embeddings FILE.npz]

Rows are those of the file again and again, each time with noise of norm 0.05, normalised; without a file they are
random directions. Every step runs in a process of its own, whose memory is what the kernel says (anonymous pages, so
without the maps of files), less that of a process that has imported hiergeo and opened nothing.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hiergeo import Space, search
from hiergeo.search.layout import SHARDS

BLOCK = 1 << 14
DIM = 384
NOISE = 0.05


def blocks(rows: int, source: Path | None) -> Iterator[Tensor]:
    """Embeddings (n, D) of norm 1, `rows` in all, the same at every call."""
    generator = torch.Generator().manual_seed(0)
    known = None if source is None else torch.from_numpy(np.load(source)["text"]).float()
    for start in range(0, rows, BLOCK):
        size = min(BLOCK, rows - start)
        drawn = torch.randn(size, DIM, generator=generator)
        if known is not None:
            drawn = known[torch.arange(start, start + size) % len(known)] + NOISE * drawn / DIM**0.5
        yield torch.nn.functional.normalize(drawn, dim=1)


def captions(rows: int) -> Iterator[str]:
    return (f"caption number {row} of {rows}" for row in range(rows))


def build(out: Path, rows: int, source: Path | None) -> dict[str, float]:
    root = torch.nn.functional.normalize(torch.ones(DIM), dim=0)
    if source is not None:
        root = torch.from_numpy(np.load(source)["root"])
    index = search.build(out, None, captions(rows), space=Space("euclidean", root), embeddings=blocks(rows, source))
    size = sum(path.stat().st_size for path in (out / SHARDS).rglob("*"))
    return {"rows": len(index), "bytes": size, "shards": len(index.manifest.shards)}


def opened(out: Path, rows: int, source: Path | None) -> dict[str, float]:
    start = time.perf_counter()
    index = search.open(out)
    first = time.perf_counter()
    index.store.describe()
    return {"open": first - start, "describe": time.perf_counter() - first}


def fetched(out: Path, rows: int, source: Path | None) -> dict[str, float]:
    index = search.open(out)
    ids = torch.randperm(rows, generator=torch.Generator().manual_seed(1))[:1000]
    start = time.perf_counter()
    index.store.fetch(ids)
    middle = time.perf_counter()
    index.store.labels(ids)
    return {"fetch_1000": middle - start, "labels_1000": time.perf_counter() - middle}


def added(out: Path, rows: int, source: Path | None) -> dict[str, float]:
    index = search.open(out)
    start = time.perf_counter()
    for block in blocks(20, source):
        for row in block:
            index.add(["one more"], embeddings=row[None])
    return {"seconds_each": (time.perf_counter() - start) / 20}


def deleted(out: Path, rows: int, source: Path | None) -> dict[str, float]:
    return {"deleted": search.open(out).delete(range(0, rows, 100))}


def compacted(out: Path, rows: int, source: Path | None) -> dict[str, float]:
    done = search.open(out).compact()
    return {"dropped": done.dropped, "written": done.written, "after": done.after}


def checked(out: Path, rows: int, source: Path | None) -> dict[str, float]:
    done = search.open(out).check()
    return {"bytes": done.bytes, "defects": len(done.defects)}


STEPS: dict[str, Callable[[Path, int, Path | None], dict[str, float]]] = {
    "nothing": lambda *_: {},
    "build": build,
    "open": opened,
    "fetch": fetched,
    "add 20 items": added,
    "delete 1 %": deleted,
    "compact": compacted,
    "check": checked,
}


class Peak:
    """The most anonymous memory that this process had, sampled by a thread, bytes."""

    def __init__(self) -> None:
        import threading

        self.bytes, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        while not self._over.wait(0.01):
            resident, shared = map(int, Path("/proc/self/statm").read_text().split()[1:3])
            self.bytes = max(self.bytes, (resident - shared) * page)

    def stop(self) -> int:
        self._over.set()
        self._thread.join()
        return self.bytes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.indexes", description=__doc__)
    parser.add_argument("out", type=Path, help="a folder for the index, which is removed at the end")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--embeddings", type=Path)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        peak, start = Peak(), time.perf_counter()
        told = STEPS[asked.step](asked.out, asked.rows, asked.embeddings)
        seconds, cpu = time.perf_counter() - start, time.process_time()
        time.sleep(0.05)
        print(json.dumps({"seconds": seconds, "memory": peak.stop(), "cpu": cpu, **told}))
        return
    least = 0.0
    for step in STEPS:
        words = [sys.executable, "-m", "benchmarks.indexes", *sys.argv[1:], "--step", step]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        least = told["memory"] if step == "nothing" else least
        more = ", ".join(f"{name} {value:,.6g}" for name, value in told.items() if name not in ("seconds", "memory"))
        print(f"{step:<14} {told['seconds']:8.2f} s  {(told['memory'] - least) / 2**20:6.0f} MiB  {more}", flush=True)
    shutil.rmtree(asked.out)


if __name__ == "__main__":
    main()
