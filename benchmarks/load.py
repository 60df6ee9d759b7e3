"""Load on servers of this machine: threads that ask in a closed or an open loop, and what they met."""

import base64
import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple, final

import numpy as np

from hiergeo._core.errors import HiergeoError

TURN = 5.0
"""Seconds after which arms take turns, so that what else the machine does meets them alike."""

HEAD = (
    "| arm | requests | errors | requests/s | p50 ms | p95 ms | p99 ms | processor ms a request |",
    "|---|---|---|---|---|---|---|---|",
)


@dataclass
class Load:
    """What one arm met.

    Attributes:
        latency: seconds of each request; in an open loop from the moment at which it was due.
        errors: sentences, and how often.
        seconds: of all turns.
        processor: seconds of processor time that the server used meanwhile.
    """

    latency: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    processor: float = 0.0

    def percentiles(self) -> tuple[float, float, float]:
        """p50, p95 and p99 of the latency, in milliseconds."""
        p50, p95, p99 = (1000 * np.percentile(self.latency, [50, 95, 99])).round(1).tolist()
        return p50, p95, p99

    def row(self, arm: str) -> str:
        """A row of the table with the columns of `HEAD`."""
        p50, p95, p99 = self.percentiles()
        asked = len(self.latency)
        shown = f"{asked:,} | {self.errors.total()} | {asked / self.seconds:.0f} | {p50} | {p95} | {p99}"
        return f"| {arm} | {shown} | {1000 * self.processor / asked:.1f} |"


class Server(NamedTuple):
    """A server in a process of its own."""

    url: str
    process: int

    def processor(self) -> float:
        """Seconds of processor time that it has used."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> float:
        """MiB of memory that it holds."""
        pages = int(Path(f"/proc/{self.process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / (1 << 20)


@contextmanager
def server(verb: str, *options: str) -> Iterator[Server]:
    """A server that a verb of the command line starts, ended after the block."""
    with started("-m", "hiergeo", verb, *options, "--port", "0") as running:
        yield running


@contextmanager
def started(*words: str) -> Iterator[Server]:
    """A server that Python starts with these words, ended after the block; its first lines name its address."""
    line = [sys.executable, *words]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as child:
        try:
            assert child.stdout is not None
            printed = (re.findall(r"http://[\w.\[\]:]+", said) for said in child.stdout)
            yield Server(next(found[0] for found in printed if found), child.pid)
        finally:
            child.terminate()


Asker = Callable[[int], AbstractContextManager[Callable[[], object]]]
"""Gives each client, by its number, what asks its next question and returns when the answer is there."""


def closed(asked: Server, clients: int, seconds: float, asker: Asker, load: Load) -> None:
    """A closed loop: each client asks its next question when it has the answer to its last."""
    stop = time.perf_counter() + seconds

    def client(number: int) -> None:
        with asker(number) as ask:
            while (start := time.perf_counter()) < stop:
                _timed(ask, start, load)

    _together(asked, clients, client, load)


def paced(asked: Server, clients: int, seconds: float, rate: float, asker: Asker, load: Load) -> None:
    """An open loop: questions are due at a fixed rate, whether or not the answers to those before are there.

    Clients ask what is due next; where all wait for answers, questions wait for a client, which counts as latency.

    Args:
        asked: the server.
        clients: questions that are under way at a time, at most.
        seconds: during which questions are due.
        rate: questions a second.
        asker: of each client.
        load: what is met.
    """
    numbers, begin = count(), time.perf_counter() + 0.1

    def client(number: int) -> None:
        with asker(number) as ask:
            while (due := begin + next(numbers) / rate) < begin + seconds:
                time.sleep(max(0.0, due - time.perf_counter()))
                _timed(ask, due, load)

    _together(asked, clients, client, load)


def endured(asked: Server, clients: int, requests: int, asker: Asker, load: Load, every: int) -> list[float]:
    """A closed loop of so many requests; returns the memory that the server held after every so many of them, MiB."""
    numbers, held = count(), [asked.resident()]

    def client(number: int) -> None:
        with asker(number) as ask:
            while (place := next(numbers)) < requests:
                _timed(ask, time.perf_counter(), load)
                if (place + 1) % every == 0:
                    held.append(asked.resident())

    _together(asked, clients, client, load)
    return held


def _timed(ask: Callable[[], object], start: float, load: Load) -> None:
    try:
        ask()
    except HiergeoError as error:
        load.errors[str(error)] += 1
    load.latency.append(time.perf_counter() - start)


def _together(asked: Server, clients: int, client: Callable[[int], None], load: Load) -> None:
    start, before = time.perf_counter(), asked.processor()
    threads = [Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.seconds += time.perf_counter() - start
    load.processor += asked.processor() - before


def compared(arms: Mapping[str, Callable[[float, int, Load], None]], seconds: float) -> list[str]:
    """The table of arms that take turns until each has had its seconds.

    Args:
        arms: by name, what makes one turn: called with its seconds, its number and the load.
        seconds: of each arm.
    """
    loads = {arm: Load() for arm in arms}
    turns = max(1, round(seconds / TURN))
    for number in range(turns):
        for arm in random.Random(number).sample(list(arms), len(arms)):
            arms[arm](seconds / turns, number, loads[arm])
    for load in loads.values():
        for sentence, times in load.errors.most_common(3):
            print(f"{times} times: {sentence}", file=sys.stderr)
    return [*HEAD, *(load.row(arm) for arm, load in loads.items())]


@final
class Requester:
    """A connection to a server that is kept; anything but an answer of status 200 is a HiergeoError.

    Args:
        url: of the server.
        timeout: seconds for one answer.
    """

    def __init__(self, url: str, timeout: float = 60.0) -> None:
        self._connection = HTTPConnection(url.removeprefix("http://"), timeout=timeout)

    def get(self, path: str) -> bytes:
        """The answer to a GET."""
        return self._exchange("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any] | Sequence[Any]) -> bytes:
        """The answer to a POST of JSON."""
        return self._exchange("POST", path, json.dumps(body).encode())

    def send(self, path: str, image: bytes) -> bytes:
        """The answer to a POST of an image."""
        return self.post(path, {"queries": [{"image": base64.b64encode(image).decode()}]})

    def _exchange(self, method: str, path: str, content: bytes | None) -> bytes:
        headers = {} if content is None else {"Content-Type": "application/json"}
        try:
            self._connection.request(method, path, content, headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise HiergeoError(f"no answer ({type(error).__name__})") from error
        if response.status != 200:
            raise HiergeoError(f"status {response.status}: {body[:200].decode(errors='replace')}")
        return body

    def __enter__(self) -> "Requester":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def shuffled(items: Sequence[object]) -> Iterator[object]:
    """The items in a random order, each once; threads may share the iterator."""
    return iter(random.Random(0).sample(list(items), len(items)))
