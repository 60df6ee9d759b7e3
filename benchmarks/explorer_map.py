"""The map of a large collection: ``python -m benchmarks.explorer_map``.

Builds an index of embeddings of real captions and noisy copies of them (see `benchmarks.search_data`), places all its
items, and prints what that took, what the tiles amount to, and how fast they are served and points are selected; then
how long a survey of the space takes and a comparison with another geometry. Memory is that beyond mapped files.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
import torch

from benchmarks.search import sampled_memory, timed
from benchmarks.search_data import Captions
from hiergeo import Space, search
from hiergeo.report.explorer.collection import collect
from hiergeo.report.explorer.mapping import Map, build_map
from hiergeo.report.explorer.moved import compare
from hiergeo.report.explorer.survey import survey_of

SPECS = ("lorentz:-1", "euclidean")
CORNERS = 64
"""Corners of the polygons that points are selected in."""

T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explorer_map", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="npz with text (n, D) of norm one and root (D,)")
    parser.add_argument("--folder", type=Path, required=True, help="of the index, built if it is not there")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--map-only", action="store_true", help="no survey and no comparison")
    asked = parser.parse_args()
    captions = Captions(asked.data)
    print(
        f"{captions.said(asked.rows)}; {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}.\n", flush=True
    )
    if not (asked.folder / "index.json").exists():
        named = (f"caption {i} of a photo" for i in range(asked.rows))
        blocks, space = captions.rows(asked.rows), Space(SPECS[0], captions.root)
        search.build(asked.folder, None, named, embeddings=blocks, space=space)
    one, other = collect([("items", search.open(asked.folder))], SPECS).lenses
    made = None
    for _ in range(asked.rounds):
        made = measured("map", lambda: build_map(one))
    assert made is not None
    tiles(made)
    selections(made)
    if not asked.map_only:
        measured("survey", lambda: survey_of(one))
        moved = measured("comparison", lambda: compare(one, other))
        print(f"Compared: neighbours of {moved.neighbours.items:,} items.", flush=True)


def measured(name: str, work: Callable[[], T]) -> T:
    """Do some work and print its time and memory."""
    made: list[T] = []
    with sampled_memory() as held:
        spent = timed(lambda: made.append(work()))
    peak = f"at most {held[0] / 1e6:.0f} MB of memory"
    print(f"{name.capitalize()}: {spent.wall:.1f} s, {spent.cpu:.1f} s of processors, {peak}.", flush=True)
    return made[0]


def tiles(made: Map) -> None:
    """What the tiles amount to and how fast they are made."""
    listed = made.pyramid.counts
    sizes: list[int] = []
    spent = timed(lambda: sizes.extend(len(made.tile(*tile)) for *tile, _ in listed))
    counts, levels = [count for *_, count in listed], max(level for level, *_ in listed) + 1
    print(
        f"{len(listed):,} tiles on {levels} levels hold {sum(counts):,} items, median {median(counts):,.0f}; "
        f"{sum(sizes) / 1e6:.1f} MB in all, {max(sizes) / 1e3:.0f} kB at most; "
        f"{len(listed) / spent.cpu:,.0f} tiles a second of processors. The plane shows {100 * made.plane.share:.1f} % "
        f"of the variance of directions.",
        flush=True,
    )


def selections(made: Map) -> None:
    """How long points in polygons take to find: circles around an item of the median radius."""
    turn = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    middle = made.radius.argsort()[len(made) // 2]
    centre = np.array([made.x[middle], made.y[middle]], np.float64)
    for share in (0.02, 0.2, 2.0):
        circle = centre + made.extent * share * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        found: list[int] = []
        spent = timed(lambda circle=circle, found=found: found.append(len(made.select(circle))))  # type: ignore[misc]  # defaults of a lambda
        print(
            f"Polygon of {CORNERS} corners: {found[0]:,} items in {1e3 * spent.wall:.0f} ms, "
            f"{1e3 * spent.cpu:.0f} ms of processors.",
            flush=True,
        )


if __name__ == "__main__":
    main()
