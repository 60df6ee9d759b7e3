"""Is there still a hierarchy behind the heads of a cell, and any curvature: counted over seeds, in plain words."""

import math
from collections.abc import Iterator, Sequence

from hiergeo.evaluation.diagnosis import FLAT_BEND, FLAT_SPREAD, HUGE, room
from hiergeo.geometry import parse
from hiergeo.study.result import Cell, Run
from hiergeo.training import Look

CROWDED = 0.9
"""Share of random captions in each other's cones beyond which membership says nothing."""

SUNK = 0.5
"""Share of captions whose cone is a half-space, so near are they to the root, beyond which cones say nothing."""


def verdict(cell: Cell) -> str:
    """Collapse, flatness and curvature of the heads of one geometry and dimension, and what went wrong."""
    return " ".join((*_collapse(cell.runs), *_curvature(cell), *_tuning(cell), *_problems(cell.runs)))


def collapsed(cell: Cell) -> bool:
    """Whether any head of the cell lost its hierarchy."""
    return any(any(signs(run).values()) for run in cell.runs)


def flat(cell: Cell) -> bool:
    """Whether every head of a curved geometry measures like one in flat space, at its learnt curvature and radius."""
    return is_curved(cell) and all(abs(run.summary.after.diagnostics["bend"]) < FLAT_BEND for run in cell.runs)


def is_curved(cell: Cell) -> bool:
    """Whether some factor of the geometry has a curvature."""
    return any(float(factor.curvature) != 0 for factor, _ in parse(cell.geometry).parts(cell.dim))


def signs(run: Run) -> dict[str, bool]:
    """The signs of collapse in one head, by what they say."""
    numbers = run.summary.after.diagnostics
    return {
        f"over {CROWDED:.0%} of random captions lie in each other's cones": numbers["in_cone_random"] > CROWDED,
        f"over {SUNK:.0%} of captions are so near to the root that their cone is a half-space": (
            numbers.get("aperture_root", 0.0) > SUNK
        ),
        f"radii hardly differ between tiers (largest over smallest mean below {FLAT_SPREAD:g})": (
            numbers["radius_spread"] < FLAT_SPREAD
        ),
    }


def kept(run: Run) -> Look:
    """The look at the state that was kept."""
    return next(look for look in run.trained.history if look.step == run.trained.best)


def _collapse(runs: Sequence[Run]) -> Iterator[str]:
    found = [signs(run) for run in runs]
    counted = {words: sum(each[words] for each in found) for words in found[0]}
    if not any(counted.values()):
        yield "No collapse."
    for words, count in counted.items():
        if count:
            yield f"Collapse in {count} of {len(runs)} heads: {words}."


def _curvature(cell: Cell) -> Iterator[str]:
    if not is_curved(cell):
        return
    factors = list(zip(*(kept(run).curvature for run in cell.runs), strict=True))
    learnt = " and ".join(_span(values) for values in factors)
    bends = [run.summary.after.diagnostics["bend"] for run in cell.runs]
    strongest = max(bends, key=abs)
    change = f"{abs(strongest):.2%}" if abs(strongest) < HUGE else "over a thousand times"
    yield f"With K = {learnt} {room(f'up to {change}', strongest)}."
    if len(factors) == 1 and any(_reach(run) > math.pi / 2 for run in cell.runs):
        yield "Points lie beyond the equator of the sphere, where cones widen again."


def _reach(run: Run) -> float:
    """sqrt(K) r of the caption that is furthest from the root, 0 unless K > 0."""
    return math.sqrt(max(kept(run).curvature[0], 0)) * float(run.summary.after.radii.max())


def _tuning(cell: Cell) -> Iterator[str]:
    for end, word in ((min, "smallest"), (max, "largest")):
        if cell.tuning and cell.learning_rate == end(cell.tuning):
            yield f"Its learning rate, {cell.learning_rate:g}, is the {word} of those that were tried."


def _problems(runs: Sequence[Run]) -> Iterator[str]:
    for run in runs:
        if run.problem:
            yield f"Seed {run.seed}: {run.problem}; it counts with the state of step {run.trained.best}."


def _span(values: Sequence[float]) -> str:
    """One number where all agree to three digits, else the ends."""
    ends = [f"{value:.3g}" for value in (min(values), max(values))]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
