"""Evaluations through the engine: ``python -m benchmarks.road``.

Three parts, each reported as ratios within the run:

- protocols: ``re`` and ``traversal`` with embeddings in hand, beside the same protocols over stored distances, as
  version 0.1 computed them (by today's kernels). On the HierarCaps test split where HIERGEO_DATA_HOME has it, else on
  random embeddings of the same shape.
- pool: ladders of 50 thresholds and nearest captions among 52,401 candidates, in every geometry, beside `torch.mm`.
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
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import machine
from hiergeo import Space, adapters, datasets
from hiergeo.datasets import Hierarchy, ImageRef, Row
from hiergeo.evaluation import Embedded, View, embed
from hiergeo.evaluation.metrics import any_hit, ladder, ladder_scores
from hiergeo.evaluation.protocols import protocol_named, walk
from hiergeo.geometry import Located
from hiergeo.pairwise.reference import best_within, shells

GEOMETRIES = ("euclidean", "lorentz:-1", "poincare:-0.5", "sphere:0.25", "product:lorentz:-1x{0},euclidean:x{0}")
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
    refs = tuple(ImageRef(i, lambda: None) for i in range(min(images, chains)))  # type: ignore[arg-type, return-value]
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
                lambda protocol=protocol, space=space: protocol.run(View(embedded, space), STEPS, False),
                lambda before=before, space=space: before(embedded, space),
            )
            print(f"  {space.geometry.spec:44} {name:10} {1e3 * new:8.1f} ms, {old / new:5.1f} times faster")


def pool(rounds: int, shape: Sequence[int]) -> None:
    queries, candidates, dim = shape
    print(f"pool: {queries} x {candidates} x {dim}")
    root, x, y = unit(1, dim, 0)[0], unit(queries, dim, 1), unit(candidates, dim, 2)
    for spec in GEOMETRIES:
        space = Space(spec.format(dim // 2), root)
        product, ladders, nearest = fastest(
            rounds,
            lambda: torch.mm(x, y.T),
            lambda space=space: space.ladder(x, y, STEPS),
            lambda space=space: space.nearest(x, y),
        )
        print(
            f"  {space.geometry.spec:44} ladder {ladders / product:5.2f}, nearest {nearest / product:5.2f} of torch.mm"
        )


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
    size = sum(each.numel() * each.element_size() for each in (embedded.text, embedded.image)) >> 20  # type: ignore[union-attr]
    print(f"memory: {shape[0]} x {shape[1]} x {shape[2]}: {grown:.0f} MiB beyond {size} MiB of embeddings,", end=" ")
    print(f"{time.perf_counter() - start:.1f} s")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.road", description=__doc__)
    parser.add_argument("parts", nargs="*", default=[], choices=[[], "protocols", "pool", "memory", "memory-child"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    args = parser.parse_args(words)
    parts = args.parts or ["protocols", "pool", "memory"]
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
    if "memory" in parts:
        sys.stdout.flush()
        quick = ["--quick"] if args.quick else []
        subprocess.run([sys.executable, "-m", "benchmarks.road", "memory-child", *quick], check=True)


if __name__ == "__main__":
    main()
