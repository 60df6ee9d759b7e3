"""The explorer under load: ``python -m benchmarks.explorer [--seconds N] [--clients N] [--rate N] [--out FILE]``.

A server of `hiergeo explore` over 52,401 MiniLM captions of HierarCaps is asked for ladders of 50 steps on loopback, by
threads of this process, which so shares the processor with it. In the open loop questions are due at a fixed rate, by
default as if each of 50 people at the page asked one a second, and one that has to wait counts from the moment at which
it was due: this is the loop that the bar, p95 below 100 ms, is meant for. In the closed loop every client asks again as
soon as it has its answer: latency is then the number of clients over what the server answers at its limit.

Queries are items and embeddings, which no model has to embed, and texts, which the MiniLM model does.

``--requests N`` asks the explorer of the demo instead, which has pictures: N requests of everything that the page asks
for, photos of three million pixels among them, and the memory that the server holds meanwhile.
"""

import argparse
import io
import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from PIL import Image
from torch import Tensor

from benchmarks.load import HEAD, Load, Requester, Server, closed, compared, endured, paced, server
from benchmarks.serving import LADDER_ROWS, STEPS, indexed

Question = Callable[[Requester, object], object]
"""Asks a server for the ladder of one thing."""

Turn = Callable[[float, int, Load], None]


def item(server: Requester, number: object) -> bytes:
    """The ladder of an item."""
    return server.get(f"/api/ladder?lens=0&item={number}&steps={STEPS}")


def text(server: Requester, caption: object) -> bytes:
    """The ladder of a text."""
    return server.get(f"/api/ladder?{urlencode({'lens': 0, 'q': caption, 'steps': STEPS})}")


def embedding(embeddings: Tensor) -> Question:
    """The ladder of one of the embeddings (N, D), by its number."""

    def ask(server: Requester, number: Any) -> bytes:
        queries = [{"embedding": embeddings[number].tolist()}]
        return server.post("/api/ladder", {"lens": "0", "queries": queries, "steps": STEPS})

    return ask


def arm(asked: Server, clients: int, rate: float | None, question: Question, queries: Iterator[object]) -> Turn:
    """Turns of one loop, open at a rate, or closed without one."""

    @contextmanager
    def asker(_: int) -> Iterator[Callable[[], object]]:
        with Requester(asked.url) as requester:
            yield lambda: question(requester, next(queries))

    def turn(seconds: float, _: int, load: Load) -> None:
        if rate is None:
            closed(asked, clients, seconds, asker, load)
        else:
            paced(asked, clients, seconds, rate, asker, load)

    return turn


def mixed(items: Sequence[Any]) -> Iterator[Any]:
    """The items in a random order again and again; threads may share the iterator."""
    return cycle(random.Random(0).sample(items, len(items)))


def photo(seed: int) -> bytes:
    """A JPEG file of 2,000 x 1,500 pixels."""
    coarse = np.random.default_rng(seed).integers(0, 256, (15, 20, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((2000, 1500)).save(file, "JPEG")
    return file.getvalue()


def endurance(clients: int, requests: int) -> list[str]:
    """What so many requests of every kind met at the demo, and the memory that its server held."""
    words = ("circle", "square", "star", "triangle", "red", "blue", "small", "large", "left", "above")
    photos = [photo(seed) for seed in range(8)]

    @contextmanager
    def asker(number: int) -> Iterator[Callable[[], object]]:
        chance = random.Random(number)

        def ask() -> bytes:
            seen, words_of_it = str(chance.choice(ids)), " ".join(chance.choices(words, k=4))
            kind = chance.choices(range(7), (4, 4, 6, 3, 1, 1, 1))[0]
            match kind:
                case 0:
                    return item(requester, seen)
                case 1:
                    return text(requester, words_of_it)
                case 2:
                    return requester.get(f"/api/thumbnail/{chance.choice(pictured)}?side={chance.choice((64, 192))}")
                case 3:
                    return requester.get("/api/tile?level=0&x=0&y=0")
                case 4:
                    return requester.post("/api/pairs", {"pairs": [[{"item": seen}, words_of_it]] * 20})
                case 5:
                    return requester.get(f"/api/find?{urlencode({'text': chance.choice(words)})}")
                case _:
                    return requester.send("/api/children", chance.choice(photos))

        with Requester(running.url) as requester:
            yield ask

    with server("explore", "--demo", "--no-open") as running:
        with Requester(running.url) as first:
            roots = json.loads(first.get("/api/roots?k=1024"))["items"]
            ids = [each["id"] for each in roots]
            pictured = [each["id"] for each in roots if each["image"]]
            first.get("/api/map?lens=0")
        load = Load()
        held = endured(running, clients, requests, asker, load, max(1, requests // 20))
    for sentence, times in load.errors.most_common(3):
        print(f"{times} times: {sentence}")
    shown = ", ".join(f"{each:.0f}" for each in held)
    return [*HEAD, load.row(f"{clients} clients, everything"), "", f"Memory after each twentieth, MiB: {shown}"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explorer", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each arm")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--rate", type=float, default=50.0, help="ladders a second of the open loop")
    parser.add_argument("--queries", nargs="+", choices=("items", "embeddings", "texts"), help="default: all three")
    parser.add_argument("--requests", type=int, help="of every kind, to the demo, instead of all that")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table there as well")
    asked = parser.parse_args()
    if asked.requests:
        print("\n".join(endurance(asked.clients, asked.requests)))
        return
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "captions"
        texts, embeddings = indexed({index: LADDER_ROWS})
        numbers = range(LADDER_ROWS)
        with server("explore", str(index), "--no-open") as running:
            with Requester(running.url) as first:
                item(first, 0), text(first, "a dog")  # the model is loaded and the index read once
            kinds: dict[str, tuple[Question, Iterator[object]]] = {
                "items": (item, mixed(numbers)),
                "embeddings": (embedding(embeddings), mixed(numbers)),
                "texts": (text, mixed([each for each in texts[LADDER_ROWS:] if each])),
            }
            arms = {
                f"{kind}, {'closed loop' if rate is None else f'open loop, {rate:g} a second'}": arm(
                    running, asked.clients, rate, question, queries
                )
                for kind, (question, queries) in kinds.items()
                if asked.queries is None or kind in asked.queries
                for rate in (asked.rate, None)
            }
            lines = [f"{asked.clients} clients, {LADDER_ROWS:,} captions, ladders of {STEPS} steps:", ""]
            lines += compared(arms, asked.seconds)
    print("\n".join(lines))
    if asked.out:
        asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
