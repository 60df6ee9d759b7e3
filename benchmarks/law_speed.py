"""Time of laws of pairs beside their eager formula, and the memory of reductions: ``python -m benchmarks.law_speed``.

The eager formula is that of the law on broadcast rows, float32 as well, with all pairs in memory at a time. Memory is
the high-water mark of the resident set above that before the call, for few and for many pairs.
"""

import argparse
import gc
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import Tensor

from benchmarks.memory import reset_peak, resident
from hiergeo.geometry import PairLaw, Space, parse

SPECS = ("order", "box", "box:0.1", "gaussian", "shadow", "penumbral")
SHAPES = ((512, 512, 64), (512, 512, 384), (1000, 1200, 64))
ROUNDS = 7


def seconds(run: Callable[[], object]) -> float:
    """The median time of a call."""
    run()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return median(times)


def rows(n: int, dim: int, seed: int) -> Tensor:
    """Random embeddings (n, dim)."""
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)) / dim**0.5


def of_formula(law: PairLaw, name: str, x: Tensor, y: Tensor) -> Tensor:
    """The values of all pairs by broadcasting, (n, m)."""
    value: Tensor = getattr(law, name)(law.rows(x)[:, None], law.rows(y))
    return value


def call(measure: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> None:
    """Measure all pairs, and take gradients where x has them."""
    total = measure(x, y).sum()
    if x.requires_grad:
        total.backward()


def timed(spec: str) -> None:
    """Print the time of every shape, forward and with gradients, by its eager formula's."""
    law = parse(spec)
    assert isinstance(law, PairLaw)
    space = Space(law, "none")
    for n, m, dim in SHAPES:
        ratios = []
        for name in ("distance", "margin"):
            for gradient in (False, True):
                x, y = (rows(size, dim, seed).requires_grad_(gradient) for seed, size in enumerate((n, m)))
                own = seconds(partial(call, getattr(space, f"pairwise_{name}"), x, y))
                eager = seconds(partial(call, partial(of_formula, law, name), x, y))
                ratios.append(f"{name}{' and gradient' if gradient else ''} {own / eager:.2f} ({1000 * own:.0f} ms)")
        print(f"{spec} {n} x {m} x {dim}: {', '.join(ratios)}", flush=True)


def remembered(spec: str) -> None:
    """Print the memory of energy sums with gradients, of 1 and of 16 times as many pairs."""
    space, used = Space(spec, "none"), []
    for n in (1000, 4000):
        x, y = (rows(n, 64, seed).requires_grad_() for seed in (0, 1))
        space.energy_sum(x[:8], y[:8]).sum().backward()
        gc.collect()
        reset_peak()
        before = resident("VmRSS")
        space.energy_sum(x, y).sum().backward()
        used.append(f"{n} x {n}: {(resident('VmHWM') - before) / 2**20:.0f} MiB")
    print(f"{spec}: {', '.join(used)}", flush=True)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("specs", nargs="*", default=list(SPECS))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for spec in given.specs:
        remembered(spec)
        timed(spec)


if __name__ == "__main__":
    main()
