"""Two built libraries of kernels side by side: ``python -m benchmarks.builds BEFORE AFTER``.

Each library is loaded by a process of its own, which makes the same points and times one call whenever it is asked to.
The processes take turns, and the one that waits computes nothing, so that other work on the machine meets both alike.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch
from torch import Tensor

from benchmarks import machine
from benchmarks._points import clustered, narrow, points
from benchmarks.problem import thresholds
from hiergeo import Polar, pairwise

Run = Callable[[], object]

FLOAT32 = torch.float32


@dataclass(frozen=True)
class Case:
    """What both libraries are timed with.

    Attributes:
        name: what it is called.
        prepare: makes the points and gives back what is timed.
        flops: operations of the product, 0 where they say nothing.
        bytes: what has to be read at least, 0 where it says nothing.
    """

    name: str
    prepare: Callable[[], Run]
    flops: float = 0.0
    bytes: float = 0.0


def product(n: int, m: int, dim: int) -> Run:
    x, y = points(n, dim, 0), points(m, dim, 1)
    return lambda: x.direction @ y.direction.mT


def every_pair(
    call: Callable[..., object],
    n: int,
    m: int,
    dim: int,
    make: Callable[[int, int, int], Polar] = points,
    dtype: torch.dtype = FLOAT32,
) -> Run:
    x, y = (Polar(p.direction.to(dtype), p.radius) for p in (make(n, dim, 0), make(m, dim, 1)))
    return partial(call, x, y, -1.0)


def ladder(n: int, m: int, dim: int, dtype: torch.dtype = FLOAT32, prepared: bool = False) -> Run:
    x, y = clustered(n, dim, 0, 1.0), clustered(m, dim, 1, 1.0)
    queries, candidates, steps = x.direction.to(dtype), y.direction.to(dtype), thresholds(y.radius)
    order, norms = torch.argsort(y.radius), torch.linalg.vector_norm(candidates.double(), dim=-1)
    known: dict[str, Tensor] = {"order": order, "norms": norms} if prepared else {}
    return partial(pairwise.ladder, queries, candidates, y.radius, steps, **known)


def cases() -> Iterator[Case]:
    """Every case; sizes as in `python -m benchmarks`."""
    yield from _of_shape("", 4096, 4096, 512)
    yield from _of_shape("few rows, ", 256, 4096, 512)
    yield from _of_shape("few columns, ", 4096, 256, 512)
    square = (4096, 4096, 512)
    stored: dict[str, Callable[..., object]] = {
        "margin": pairwise.cone_margin,
        "energy": pairwise.energy,
        "distance": pairwise.distance,
    }
    for name, store in stored.items():
        into = partial(store, out=torch.empty(square[:2]))
        yield Case(f"{name}, stored", partial(every_pair, store, *square), _flops(*square))
        yield Case(f"{name}, into out=", partial(every_pair, into, *square), _flops(*square))
    for name, call in (("count", pairwise.cone_count), ("stored", pairwise.exterior_angle)):
        yield Case(f"narrow cone, {name}", partial(every_pair, call, *square, make=narrow), _flops(*square))
        for dtype in (torch.bfloat16, torch.float16):
            yield Case(f"{_named(dtype)}, {name}", partial(every_pair, call, *square, dtype=dtype), _flops(*square))
    many, make = (1000, 52_401, 512), partial(clustered, spread=1.0)
    top = partial(pairwise.cone_topk, k=10)
    yield Case("search, product", partial(product, *many), _flops(*many))
    yield Case("search, top-10", partial(every_pair, top, *many, make=make), _flops(*many))
    yield Case("search, nearest", partial(every_pair, partial(pairwise.topk, k=10), *many, make=make), _flops(*many))
    yield Case("search, narrow cone", partial(every_pair, top, *many, make=narrow), _flops(*many))
    yield Case("search, ladder", partial(ladder, *many), _flops(*many))
    for rows in (1, 8):
        base = (rows, 200_000, 512)
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            size = 1.0 * base[1] * base[2] * dtype.itemsize
            name = f"{rows} x 200,000, {_named(dtype)}, "
            yield Case(name + "product", partial(matrix_vector, *base, dtype), bytes=size)
            yield Case(name + "top-10", partial(every_pair, top, *base, make=make, dtype=dtype), bytes=size)
            yield Case(name + "stored", partial(every_pair, pairwise.exterior_angle, *base, dtype=dtype), bytes=size)
            yield Case(name + "ladder", partial(ladder, *base, dtype), bytes=size)
            yield Case(name + "prepared ladder", partial(ladder, *base, dtype, prepared=True), bytes=size)


def matrix_vector(n: int, m: int, dim: int, dtype: torch.dtype) -> Run:
    x, y = (clustered(count, dim, seed, 1.0).direction.to(dtype) for seed, count in enumerate((n, m)))
    return lambda: torch.nn.functional.linear(x, y)


def _of_shape(prefix: str, n: int, m: int, dim: int) -> Iterator[Case]:
    out = torch.empty(0)
    flops = _flops(n, m, dim)
    yield Case(prefix + "product", partial(product, n, m, dim), flops)
    yield Case(prefix + "stored", partial(every_pair, pairwise.exterior_angle, n, m, dim), flops)
    into = partial(pairwise.exterior_angle, out=out.new_empty(n, m))
    yield Case(prefix + "into out=", partial(every_pair, into, n, m, dim), flops)
    yield Case(prefix + "count", partial(every_pair, pairwise.cone_count, n, m, dim), flops)
    yield Case(prefix + "row mean", partial(every_pair, pairwise.energy_mean, n, m, dim), flops)


def _flops(n: int, m: int, dim: int) -> float:
    return 2.0 * n * m * dim


def _named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


class Served:
    """A process that has loaded one library and times what it is asked for."""

    def __init__(self, library: str, threads: int, processor: bool) -> None:
        command = [sys.executable, "-m", "benchmarks.builds", "--serve", "--threads", str(threads)]
        command += ["--processor"] if processor else []
        environment = {**os.environ, "HIERGEO_KERNELS": os.path.abspath(library), "HIERGEO_NATIVE": "1"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def time(self, name: str) -> float:
        """Seconds of one call; the first of a case is a warm-up."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(name, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"the process that timed '{name}' died.")
        return float(answer)

    def close(self) -> None:
        self._process.communicate()


def serve(clock: Callable[[], float]) -> None:
    """The child: reads names of cases and answers with seconds."""
    known = {case.name: case for case in cases()}
    name, run = "", None
    for line in sys.stdin:
        if line.strip() != name or run is None:
            name, run = line.strip(), None
            run = known[name].prepare()
            run()
        start = clock()
        run()
        print(clock() - start, flush=True)


@dataclass(frozen=True)
class Found:
    """The best times in seconds, and the median of the ratios of one round."""

    case: Case
    before: float
    after: float
    ratio: float


def compare(chosen: Sequence[Case], served: Sequence[Callable[[], Served]], rounds: int) -> Iterator[Found]:
    """Time every case by both libraries in turns."""
    with contextlib.ExitStack() as stack:
        pair = [start() for start in served]
        for library in pair:
            stack.callback(library.close)
        for case in chosen:
            for library in pair:
                library.time(case.name)
            turns = [[library.time(case.name) for library in pair] for _ in range(rounds)]
            before, after = zip(*turns, strict=True)
            yield Found(case, min(before), min(after), median(a / b for b, a in turns))


def row(found: Found, peak: float) -> str:
    """A row of the table: times, their ratio, and what share of the peak or what bandwidth that is."""
    rates = []
    for took in (found.before, found.after):
        if found.case.flops:
            rates.append(f"{found.case.flops / took / peak:.0%} of the peak")
        else:
            rates.append(f"{found.case.bytes / took / 1e9:.1f} GB/s" if found.case.bytes else "")
    times = f"{1e3 * found.before:,.1f} | {1e3 * found.after:,.1f} | {found.ratio:.2f}"
    return f"| {found.case.name} | {times} | {rates[0]} | {rates[1]} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.builds", description=__doc__)
    parser.add_argument("libraries", nargs="*", metavar="LIBRARY", help="before and after")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="cases whose names contain NAME")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--processor", action="store_true", help="processor time of all threads, where others work too")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.serve:
        serve(time.process_time if args.processor else time.perf_counter)
    elif len(args.libraries) == 2:
        report(args)
    else:
        parser.error("name two libraries, before and after")


def report(args: argparse.Namespace) -> None:
    """Print the table."""
    peak = machine.fma_peak(1, time.process_time) if args.processor else machine.fma_peak(args.threads)
    chosen = [case for case in cases() if not args.only or any(name in case.name for name in args.only)]
    clock = "processor time" if args.processor else "time"
    print(f"{args.threads} threads, FMA peak {peak / 1e9:.0f} GFLOP/s, {clock}, best of {args.rounds} rounds.\n")
    print("| case | ms before | ms after | after / before | before | after |")
    print("|---|---|---|---|---|---|")
    served = [partial(Served, library, args.threads, args.processor) for library in args.libraries]
    for found in compare(chosen, served, args.rounds):
        print(row(found, peak), flush=True)


if __name__ == "__main__":
    main()
