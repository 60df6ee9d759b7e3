"""Attacks in processes of their own: one that dies or hangs costs one attack, and is counted."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from tests.attack.trial import BAD, VERDICTS, Family, Tally, judge
from tests.tools import warm

SHARE = 400
"""Attacks that one process makes at most before another takes over."""


def families(kind: str) -> list[str]:
    """The names of the attacks of one kind."""
    return [family.name for family in _kinds()[kind]]


def _kinds() -> dict[str, tuple[Family, ...]]:
    from tests.attack import indexes, inputs, kills, mishaps, stored, words

    mutants = (*stored.FAMILIES, *inputs.FAMILIES, *words.FAMILIES)
    deaths, mishaps_met = (*kills.FAMILIES, *indexes.DEATHS), (*mishaps.FAMILIES, *indexes.MISHAPS)
    return {"mutants of": mutants, "deaths": deaths, "mishaps": mishaps_met}


def _family(name: str) -> Family:
    return next(family for kind in _kinds().values() for family in kind if family.name == name)


def work(name: str, first: int, last: int, seed: int) -> None:
    """Make the attacks first..last-1 of a family; prints a line of JSON for each, before it and after it."""
    import torch

    torch.set_num_threads(1)
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with tempfile.TemporaryDirectory() as folder:
        family = _family(name)
        attack = family.prepare(Path(folder))
        if family.room is not None:
            judge(attack, "first")
            cap(family.room)
        for number in range(first, last):
            print(json.dumps({"begins": number}), file=out)
            verdict, story = judge(attack, f"{name}/{seed}/{number}", family.patience)
            print(json.dumps({"verdict": verdict, "story": story[-1500:] if verdict in BAD else ""}), file=out)


def cap(room: int) -> None:
    """Allow this process `room` bytes of address space more than it has, or what a limit from outside leaves of them.

    Arrow's own allocator reserves a gibibyte of it at once, so that memory comes from the system.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + room
    _, outside = resource.getrlimit(resource.RLIMIT_AS)
    most = most if outside == resource.RLIM_INFINITY else min(most, outside)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def campaign(counts: Mapping[str, int], seed: int, workers: int) -> dict[str, Tally]:
    """Make so many attacks of each family; gives how they ended, after Ctrl-C those that were made.

    Args:
        counts: attacks by family.
        seed: which attacks.
        workers: processes at a time.
    """
    tallies = {name: Tally() for name in counts}
    shares = [
        (name, first, min(first + SHARE, count)) for name, count in counts.items() for first in range(0, count, SHARE)
    ]
    Random(seed).shuffle(shares)

    over = threading.Event()

    def share(task: tuple[str, int, int]) -> None:
        name, first, last = task
        for verdict, story in _watched(name, first, last, seed, over):
            tallies[name].add(verdict, story)

    with ThreadPoolExecutor(workers) as pool:
        try:
            list(pool.map(share, shares))
        except KeyboardInterrupt:
            over.set()
    return tallies


def _watched(name: str, first: int, last: int, seed: int, over: threading.Event) -> Iterator[tuple[str, str]]:
    """The verdicts on a share of attacks, whatever becomes of the processes that make them."""
    while first < last and not over.is_set():
        begun = None
        program = [sys.executable, "-m", "tests.attack", "--worker", name, str(first), str(last), str(seed)]
        env = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"}
        with warm.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env) as process:
            watch = _Watch(process, 60 + 2 * _family(name).patience)
            for line in process.stdout or ():
                watch.seen()
                if over.is_set():
                    process.kill()
                    return
                told = json.loads(line)
                if "begins" in told:
                    begun = int(told["begins"])
                else:
                    yield told["verdict"], told["story"]
                    begun, first = None, first + 1
            watch.stop()
            code = process.wait()
        if begun is None and first < last:
            yield "crashed", f"{name}/{seed}/{first}: the process ended before any attack, with {code}"
            return
        if begun is not None:
            yield ("hung" if watch.rang else "crashed"), f"{name}/{seed}/{begun}: the process ended with {code}"
            first = begun + 1


class _Watch:
    """Kills a process that has been silent for longer than an attack may take."""

    def __init__(self, process: "subprocess.Popen[str]", patience: float) -> None:
        self.rang = False
        self._process, self._patience = process, patience
        self._last, self._over = time.monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def seen(self) -> None:
        self._last = time.monotonic()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(1.0):
            if time.monotonic() - self._last > self._patience:
                self.rang = True
                self._process.kill()
                return


def table(tallies: Mapping[str, Tally], first: str) -> str:
    """What came of the attacks, one line a kind, and the sum."""
    whole = Tally()
    for tally in tallies.values():
        whole.counts.update(tally.counts)
    lines = [f"{first:<34}" + "".join(f"{name:>10}" for name in ("tried", *VERDICTS))]
    for name, tally in {**tallies, "all": whole}.items():
        numbers = [sum(tally.counts.values()), *(tally.counts[verdict] for verdict in VERDICTS)]
        lines.append(f"{name:<34}" + "".join(f"{number:>10,}" for number in numbers))
    return "\n".join(lines)
