"""The machine that numbers belong to: what it is, and what it can do at most."""

import os
import platform
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Barrier

import torch

from benchmarks.peers import Missing
from hiergeo.pairwise import kernel_info

PACKAGES = ("hiergeo", "torch", "numpy", "pykeops", "faiss-cpu", "matplotlib")

PEAK_SECONDS, PEAK_ROUNDS = 0.2, 5

COPIED = 1 << 25  # numbers of float32 that the memory is timed with: more than any cache holds


@dataclass(frozen=True)
class Machine:
    """Facts of the run.

    Attributes:
        processor: its name.
        threads: how many threads of torch compute.
        versions: by package; "not installed" where it is not.
        kernels: as `hiergeo.pairwise.kernel_info` tells.
        peak_one: multiply-adds of one thread in FLOP/s, None where unknown.
        peak_all: the same of `threads` threads at once.
        no_peak: why a peak is unknown, else empty.
        bandwidth: bytes read and written a second while a large tensor is copied.
    """

    processor: str
    threads: int
    versions: dict[str, str]
    kernels: dict[str, str]
    peak_one: float | None
    peak_all: float | None
    no_peak: str
    bandwidth: float

    def at_best(self, again: "Machine") -> "Machine":
        """The same machine with the larger of the speeds of two measurements."""
        if self.peak_one is None or again.peak_one is None or self.peak_all is None or again.peak_all is None:
            return self
        return replace(
            self,
            peak_one=max(self.peak_one, again.peak_one),
            peak_all=max(self.peak_all, again.peak_all),
            bandwidth=max(self.bandwidth, again.bandwidth),
        )


def describe() -> Machine:
    """This machine, measured now."""
    threads, no_peak = torch.get_num_threads(), ""
    one = everyone = None
    try:
        one, everyone = fma_peak(1), fma_peak(threads)
    except Missing as reason:
        no_peak = str(reason)
    versions = {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}
    return Machine(processor(), threads, versions, kernel_info(), one, everyone, no_peak, bandwidth())


def fma_peak(threads: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """FLOP/s of multiply-adds on registers alone, on `threads` threads at once: the best of some rounds.

    The work of all threads over the time of a clock from the common start to the last end. Raises Missing without the
    operator.
    """
    measure, repeats = _peak_operator(), 1 << 16
    while (took := _seconds(partial(measure, repeats))) < PEAK_SECONDS / 8:
        repeats *= 2
    repeats = int(repeats * PEAK_SECONDS / took)
    return max(_together(measure, repeats, threads, clock) for _ in range(PEAK_ROUNDS))


def _together(measure: Callable[[int], float], repeats: int, threads: int, clock: Callable[[], float]) -> float:
    start = Barrier(threads)

    def work() -> tuple[float, float, float]:
        start.wait()
        begin, called = clock(), time.perf_counter()
        rate = measure(repeats)
        return begin, clock(), rate * (time.perf_counter() - called)

    with ThreadPoolExecutor(threads) as pool:
        runs = [task.result() for task in [pool.submit(work) for _ in range(threads)]]
    begins, ends, operations = zip(*runs, strict=True)
    return sum(operations) / (max(ends) - min(begins))


def _peak_operator() -> Callable[[int], float]:
    kernels = kernel_info()["kernels"]
    if kernels != "native":
        raise Missing(f"no FMA peak: {kernels}")
    try:
        return torch.ops.hiergeo_native.fma_peak.default
    except AttributeError:
        raise Missing("no FMA peak: the library of kernels is older than its measurement") from None


def bandwidth() -> float:
    """Bytes read and written a second by copies of a large tensor: the best of some rounds."""
    source = torch.zeros(COPIED)
    target = torch.zeros_like(source)
    return 2 * source.nbytes / min(_seconds(lambda: target.copy_(source)) for _ in range(PEAK_ROUNDS))


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def processor() -> str:
    """The name of the processor, as well as the system knows it."""
    named = re.search(r"^model name\s*: (.+)$", _facts("cpuinfo"), re.MULTILINE)
    return named[1] if named else platform.processor() or platform.machine()


def has(flag: str) -> bool:
    """Whether the system lists a feature of the processor, such as "avx512_bf16"."""
    return re.search(rf"^flags\s*:.*\b{flag}\b", _facts("cpuinfo"), re.MULTILINE) is not None


def available_memory() -> float:
    """Bytes that programs could still take, infinite where the system does not tell."""
    meminfo = Path("/proc/meminfo").read_text() if _linux() else ""
    found = re.search(r"^MemAvailable:\s*(\d+) kB", meminfo, re.MULTILINE)
    return 1024.0 * int(found[1]) if found else float("inf")


@cache
def _facts(name: str) -> str:
    return Path("/proc", name).read_text() if _linux() else ""


def _linux() -> bool:
    return os.path.exists("/proc/meminfo")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
