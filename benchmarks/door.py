"""What the smallest search that people time costs beside its kernel: ``python -m benchmarks.door``.

One query against 500 items: processor time of `Space.topk` of embeddings and of points, beside the backend that it
calls, its operands in hand, and `torch.cdist` with `topk`.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from benchmarks import machine
from hiergeo import Space
from hiergeo.pairwise.operands import pairs, problem
from hiergeo.pairwise.quantity import QUANTITIES


def unit(rows: int, dim: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(rows, dim, generator=generator), dim=1)


def door(rounds: int) -> None:
    x, y, k = unit(1, 32, 1), unit(500, 32, 2), 10
    print("door: Space.topk of 1 x 500 x 32")
    for spec in ("euclidean", "lorentz:-1"):
        space = Space(spec)
        px, py = space.points(x), space.points(y)
        points = pairs(px.factors, py.factors, [float(spec.partition(":")[2] or 0)])
        task = problem(points.x, points.y, points.curvature, [], points.frame, False)
        kernel, embeddings, lifted, plain = (
            processor_time(rounds, way)
            for way in (
                lambda task=task: task.backend.smallest(task.factors, QUANTITIES["distance"], k, False),
                lambda space=space: space.topk(x, y, k),
                lambda space=space, px=px, py=py: space.topk(px, py, k),
                lambda: torch.cdist(x, y).topk(k, largest=False),
            )
        )
        print(
            f"  {spec:12} backend {1e6 * kernel:4.0f} us, times that of embeddings {embeddings / kernel:4.1f}, "
            f"of points {lifted / kernel:4.1f}, torch.cdist and topk {plain / kernel:4.1f}"
        )


def processor_time(rounds: int, way: Callable[[], object], calls: int = 200) -> float:
    """The least processor time of a call over some rounds of calls, seconds."""
    best = float("inf")
    for _ in range(2 + rounds):
        start = time.process_time()
        for _ in range(calls):
            way()
        best = min(best, (time.process_time() - start) / calls)
    return best


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.door", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args(words)
    print(f"{machine.processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    with torch.no_grad():
        door(args.rounds)


if __name__ == "__main__":
    main()
