"""What embedding files into an index costs beside embedding a list: ``python -m benchmarks.corpus``.

    python -m benchmarks.corpus --data DIR [--model SPEC] [--rows 4096] [--rounds 3] [--large 1000000]

The captions are those of HierarCaps below DIR, written as Parquet, CSV, JSON Lines and WebDataset. Three measurements:
the real model through the pipeline and by one call of `encode_text`, alternately; a stand-in that embeds at once, which
leaves reading, sorting and writing; and the peak of memory of that at two sizes, each in a process of its own.
"""

import argparse
import csv
import gzip
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from hiergeo import adapters, search
from hiergeo.adapters import Model
from hiergeo.datasets import reading
from hiergeo.datasets.reading import Columns

FORMATS = ("parquet", "csv", "jsonl.gz", "tar")


class StandIn(Model):
    """A model of 384 dimensions that takes no time: each text is a row of a table, chosen by its length and ends."""

    name, has_images, preprocessing = "stand-in", False, "none"
    text_batch = 256

    def __init__(self) -> None:
        self._table = torch.randn(4096, 384, generator=torch.Generator().manual_seed(0))

    def fingerprint(self) -> str:
        return "0" * 16

    def check_texts(self, texts: Sequence[str]) -> None:
        pass

    def check_images(self, images: object) -> None:
        pass

    def text_rows(self, texts: Sequence[str]) -> torch.Tensor:
        places = [(len(text) + 31 * ord(text[:1] or " ") + 7 * ord(text[-1:] or " ")) % 4096 for text in texts]
        return self._table[places]

    def image_rows(self, images: object) -> torch.Tensor:
        raise NotImplementedError


def captions(data: Path, count: int) -> list[str]:
    """So many real captions, distinct while there are enough of them."""
    found: dict[str, None] = {}
    with gzip.open(data / "hierarcaps" / "hierarcaps_test_expanded.csv.gz", "rt", newline="") as handle:
        for row in csv.DictReader(handle):
            for side in ("positive", "negative"):
                found |= {text.strip(): None for text in row[side].split("=>") if text.strip()}
    texts = list(found)
    np.random.default_rng(0).shuffle(texts)
    return (texts * (1 + count // len(texts)))[:count]


def write(path: Path, texts: Sequence[str]) -> None:
    """Captions as a file of the format that its suffix names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix == ".parquet":
        pq.write_table(pa.table({"caption": list(texts)}), path, row_group_size=10_000)
    elif path.suffix == ".csv":
        with path.open("w", newline="") as handle:
            csv.writer(handle).writerows([["caption"], *([text] for text in texts)])
    elif path.suffix == ".gz":
        with gzip.open(path, "wt") as handle:
            handle.writelines(json.dumps({"caption": text}) + "\n" for text in texts)
    else:
        with tarfile.open(path, "w") as archive:
            for number, text in enumerate(texts):
                info = tarfile.TarInfo(f"{number:09d}.txt")
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))


def seconds(what: Callable[[], object]) -> float:
    """Seconds on the processor, of all threads: on a machine with other work to do the clock tells nothing."""
    start = time.process_time()
    what()
    return time.process_time() - start


def beside_a_loop(model: Model, texts: Sequence[str], rounds: int, folder: Path) -> None:
    """The real model: a list in one call, the same sorted by length, and the pipeline from Parquet to an index."""
    write(folder / "in.parquet", texts)
    model.encode_text(texts[:256])
    ordered = sorted(texts, key=len)
    times: dict[str, list[float]] = {"list": [], "list by length": [], "pipeline": []}
    for number in range(rounds):
        times["list"].append(seconds(lambda: model.encode_text(texts)))
        times["list by length"].append(seconds(lambda: model.encode_text(ordered)))
        times["pipeline"].append(seconds(partial(search.build, folder / f"{number}", model, folder / "in.parquet")))
    best = {name: min(held) for name, held in times.items()}
    for name, held in best.items():
        rate, share = len(texts) / held, best["list"] / held
        print(f"{name:<16}{rate:>10,.0f} rows a processor second, {share:.3f} of the list", flush=True)


def ceilings(texts: Sequence[str], folder: Path) -> None:
    """Rows a processor second that each format is read with, and embedded by the stand-in into an index."""
    for form in FORMATS:
        path = folder / f"ceiling.{form}"
        write(path, texts)
        read = seconds(partial(deque, reading.read(path, Columns()), maxlen=0))
        whole = seconds(partial(search.build, folder / f"ix-{form}", StandIn(), path))
        rates = len(texts) / read, len(texts) / whole
        print(f"{form:<10}{rates[0]:>10,.0f} rows a processor second read, {rates[1]:,.0f} into an index", flush=True)


def peak(rows: int, texts: Sequence[str], folder: Path) -> None:
    """Peak of memory above that of a process that has embedded one row, from one input of so many rows."""
    write(folder / "peak.parquet", (list(texts) * (1 + rows // len(texts)))[:rows])
    program = [sys.executable, "-m", "benchmarks.corpus", "--child", str(folder)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split()[-2:])
    shutil.rmtree(folder / "peak-ix")
    print(f"{rows:>10,} rows: {(after - before) / 1024:,.0f} MiB above {before / 1024:,.0f}", flush=True)


def child(folder: Path) -> None:
    (folder / "one.txt").write_text("a dog")
    search.build(folder / "one-ix", StandIn(), folder / "one.txt")
    shutil.rmtree(folder / "one-ix")
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    search.build(folder / "peak-ix", StandIn(), folder / "peak.parquet")
    print(before, _status("VmHWM"))


def _status(name: str) -> int:
    found = re.search(rf"{name}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("."))
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--child", type=Path)
    asked = parser.parse_args()
    if asked.child:
        child(asked.child)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        texts = captions(asked.data, asked.rows)
        beside_a_loop(adapters.load(asked.model), texts, asked.rounds, folder)
        many = captions(asked.data, 100_000)
        ceilings(many, folder)
        for rows in (asked.large // 4, asked.large):
            peak(rows, many, folder)


if __name__ == "__main__":
    main()
