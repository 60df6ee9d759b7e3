"""Time of every pair operation as a ratio to a bare ``torch.mm`` of the same shapes, paired within one run."""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks._points import points
from hiergeo import Polar, pairwise

CURVATURE = -1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2048, help="rows")
    parser.add_argument("--m", type=int, default=2048, help="columns")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()

    x, y = points(args.n, args.dim, 0), points(args.m, args.dim, 1)
    rows = {name: ratio(run, x, y, args.repeats) for name, run in operations().items()}
    settings = {
        "n": args.n,
        "m": args.m,
        "dim": args.dim,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    print(f"{settings}\n\n| operation | time / torch.mm |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value:.1f} |")
    if args.json:
        args.json.write_text(json.dumps({"metrics": rows, "settings": settings}, indent=2))


def operations() -> dict[str, Callable[[Polar, Polar], object]]:
    """The operations by name, each a function of two point sets."""
    return {
        "exterior angle": lambda x, y: pairwise.exterior_angle(x, y, CURVATURE),
        "distance": lambda x, y: pairwise.distance(x, y, CURVATURE),
        "cone margin": lambda x, y: pairwise.cone_margin(x, y, CURVATURE),
        "cone count": lambda x, y: pairwise.cone_count(x, y, CURVATURE),
        "cone top-10": lambda x, y: pairwise.cone_topk(x, y, CURVATURE, 10),
        "ladder, 50 thresholds": _ladder,
        "energy mean": lambda x, y: pairwise.energy_mean(x, y, CURVATURE),
        "energy mean, forward and backward": _train_step,
    }


def _ladder(x: Polar, y: Polar) -> object:
    thresholds = torch.linspace(float(y.radius.min()), float(y.radius.max()), 50)
    return pairwise.ladder(x.direction, y.direction, y.radius, thresholds)


def _train_step(x: Polar, y: Polar) -> object:
    leaves = [field.clone().requires_grad_() for field in (*x, *y)]
    loss = pairwise.energy_mean(Polar(*leaves[:2]), Polar(*leaves[2:]), CURVATURE).sum()
    return torch.autograd.grad(loss, leaves)


def ratio(run: Callable[[Polar, Polar], object], x: Polar, y: Polar, repeats: int) -> float:
    """Median over `repeats` of the time of `run` over that of a matrix product measured right before it."""
    run(x, y)
    pairs = [(seconds(lambda: x.direction @ y.direction.mT), seconds(lambda: run(x, y))) for _ in range(repeats)]
    return statistics.median(own / product for product, own in pairs)


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
