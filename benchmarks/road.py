"""Evaluations through the engine: ``python -m benchmarks.road``.

Four parts, each reported as ratios within the run:

- protocols: ``re`` and ``traversal`` with embeddings in hand, beside the same protocols over stored distances, as
  version 0.1 computed them (by today's kernels). On the HierarCaps test split where HIERGEO_DATA_HOME has it, else on
  random embeddings of the same shape.
- pool: ladders of 50 thresholds and nearest captions among 52,401 candidates, in every geometry, beside `torch.mm`.
- door: one query against 500 items, the smallest search that people time: processor time of `Space.topk` of embeddings
  and of points, beside the backend that it calls, its operands in hand, and `torch.cdist` with `topk`.
- memory: what an evaluation of 10,000 images on 100,000 captions takes beyond its start, in a process of its own.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import machine
from hiergeo import Space, adapters, datasets
from hiergeo.datasets import Hierarchy, ImageRef, Row
from hiergeo.evaluation import Embedded, Protocol, View, embed
from hiergeo.evaluation.metrics import any_hit, ladder, ladder_scores
from hiergeo.evaluation.protocols import protocol_named, walk
from hiergeo.geometry import Located
from hiergeo.pairwise.operands import pairs, problem
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.reference import best_within, shells

GEOMETRIES = ("euclidean", "lorentz:-1", "poincare:-0.5", "sphere:0.25", "product:lorentz:-1x{0},euclidean:x{0}")
PARTS = ("protocols", "pool", "door", "memory")
STEPS = 50
STORED = 1 << 22
"""Distances that version 0.1 stored at a time."""

POOL = (1000, 52_401, 512)
CROWD = (10_000, 100_000, 512)


def unit(rows: int, dim: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(rows, dim, generator=generator), dim=1)


def made(images: int, captions: int, dim: int) -> Embedded:
    """Random embeddings of a hierarchy: chains of four captions, one an image in turn."""
    chains = captions // 4
    names = [f"{i}" for i in range(4 * chains)]
    rows = tuple(Row(i, tuple(names[4 * i : 4 * i + 4]), None, i % images) for i in range(chains))
    refs = tuple(ImageRef(i, lambda: None) for i in range(min(images, chains)))  # type: ignore[arg-type, return-value]  # never opened
    root = unit(1, dim, 0)[0]
    text = torch.nn.functional.normalize(unit(len(names), dim, 1) + root, dim=1)
    image = torch.nn.functional.normalize(unit(len(refs), dim, 2) + root, dim=1)
    return Embedded("random", Hierarchy("random", "test", rows, refs), tuple(names), text, None, image, root)


def subject() -> Embedded:
    """The HierarCaps test split where it is, else random embeddings of its shape."""
    home = os.environ.get("HIERGEO_DATA_HOME")
    stored = Path(home or ".") / "embeddings" / "hierarcaps_minilm_lit.npz"
    if home and stored.exists():
        embedded = embed(adapters.load(f"npz:{stored}"), datasets.load("hierarcaps"))
        return replace(embedded, model="minilm")
    return made(1000, 3132, 384)


def nearest_stored(space: Space, queries: Located, candidates: Tensor) -> Tensor:
    points, step = space.points(queries), max(1, STORED // len(candidates))
    blocks = (points.rows(slice(start, start + step)) for start in range(0, len(points), step))
    return torch.cat([space.pairwise_distance(block, candidates).argmin(1) for block in blocks])


def re_stored(embedded: Embedded, space: Space) -> object:
    """The ``re`` protocol of version 0.1: distances stored block by block, and the best of every prefix of them."""
    radius = space.radius(embedded.text).double()
    thresholds = torch.linspace(float(radius.min()), float(radius.max()), STEPS, dtype=torch.float64)
    assert embedded.image is not None

    def climb(block: Tensor) -> Tensor:
        def nearness(rows: slice, index: Tensor) -> Tensor:
            return -space.pairwise_distance(block[rows], embedded.text[index])

        return best_within(nearness, len(block), *shells(radius, thresholds))[0]

    met = [ladder(row, embedded.texts) for block in embedded.image.split(1024) for row in climb(block).numpy()]
    return ladder_scores(met, embedded.truths)


def traversal_stored(embedded: Embedded, space: Space) -> object:
    """The ``traversal`` protocol of version 0.1: distances stored block by block, and the smallest of each row."""
    assert embedded.image is not None
    starts, walk_of = torch.unique(nearest_stored(space, embedded.image, embedded.text), return_inverse=True)
    points = walk(embedded.text[starts], space, STEPS)
    met = nearest_stored(space, points, embedded.text).view(len(starts), STEPS)
    ladders = [ladder(met[i].flip(0).numpy(), embedded.texts) for i in walk_of.tolist()]
    return ladder_scores(ladders, embedded.truths), any_hit(ladders, embedded.truths)


def fastest(rounds: int, *ways: Callable[[], object]) -> list[float]:
    """The shortest time of each way, seconds, all of them timed in every round."""
    best = [float("inf")] * len(ways)
    for _ in range(rounds):
        for place, way in enumerate(ways):
            start = time.perf_counter()
            way()
            best[place] = min(best[place], time.perf_counter() - start)
    return best


def protocols(rounds: int) -> None:
    embedded = subject()
    embedded.truths, embedded.chains  # noqa: B018 - computed once, before anything is timed
    assert embedded.image is not None
    print(f"protocols on {embedded.model}: {len(embedded.image)} images, {len(embedded.texts)} texts")
    dim = embedded.text.shape[1]
    for spec in GEOMETRIES:
        space = Space(spec.format(dim // 2)).rooted(embedded.root)
        for name, before in (("re", re_stored), ("traversal", traversal_stored)):
            protocol = protocol_named(name)
            new, old = fastest(
                rounds,
                partial(_run, protocol, embedded, space),
                partial(before, embedded, space),
            )
            print(f"  {space.geometry.spec:44} {name:10} {1e3 * new:8.1f} ms, {old / new:5.1f} times faster")


def _run(protocol: Protocol, embedded: Embedded, space: Space) -> object:
    return protocol.run(View(embedded, space), STEPS, False)


def pool(rounds: int, shape: Sequence[int]) -> None:
    queries, candidates, dim = shape
    print(f"pool: {queries} x {candidates} x {dim}")
    root, x, y = unit(1, dim, 0)[0], unit(queries, dim, 1), unit(candidates, dim, 2)
    for spec in GEOMETRIES:
        space = Space(spec.format(dim // 2), root)
        product, ladders, nearest = fastest(
            rounds,
            lambda: torch.mm(x, y.T),
            partial(space.ladder, x, y, STEPS),
            partial(space.nearest, x, y),
        )
        print(
            f"  {space.geometry.spec:44} ladder {ladders / product:5.2f}, nearest {nearest / product:5.2f} of torch.mm"
        )


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


def memory(shape: Sequence[int]) -> None:
    """Prints the growth of the high-water mark of this process over what it takes with the embeddings in hand."""
    embedded = made(*shape)
    space = Space("lorentz:-1").rooted(embedded.root)
    small = made(50, 400, shape[2])
    protocol_named("re").run(View(small, space), STEPS, False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    protocol_named("re").run(View(embedded, space), STEPS, False)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    size = sum(each.nbytes for each in (embedded.text, embedded.image) if each is not None) >> 20
    print(f"memory: {shape[0]} x {shape[1]} x {shape[2]}: {grown:.0f} MiB beyond {size} MiB of embeddings,", end=" ")
    print(f"{time.perf_counter() - start:.1f} s")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.road", description=__doc__)
    parser.add_argument("parts", nargs="*", default=[], choices=[[], *PARTS, "memory-child"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    args = parser.parse_args(words)
    parts = args.parts or PARTS
    scale = 20 if args.quick else 1
    with torch.no_grad():
        if "memory-child" in parts:
            memory((CROWD[0] // scale, CROWD[1] // scale, CROWD[2]))
            return
        print(f"{machine.processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
        if "protocols" in parts:
            protocols(args.rounds)
        if "pool" in parts:
            pool(args.rounds, (POOL[0] // scale, POOL[1] // scale, POOL[2]))
        if "door" in parts:
            door(args.rounds)
    if "memory" in parts:
        sys.stdout.flush()
        quick = ["--quick"] if args.quick else []
        subprocess.run([sys.executable, "-m", "benchmarks.road", "memory-child", *quick], check=True)


if __name__ == "__main__":
    main()
