"""What a study comes to, in plain words: who is better at what, all differences looked at together, or nobody."""

from collections.abc import Iterator, Sequence

from hiergeo.study.result import Cell, Contrast
from hiergeo.study.verdicts import collapsed, flat

FLAT = "euclidean"
"""The geometry that the others are held against, where it takes part; otherwise the first one."""


ENOUGH = 5
"""Seeds from which on a study that finds nothing may say that there is no difference."""


def conclude(
    cells: Sequence[Cell],
    contrasts: Sequence[Contrast],
    twins: Sequence[Sequence[str]],
    same: frozenset[str],
    leakage: str | None,
) -> str:
    """One paragraph. A difference counts when the interval that holds together with all others excludes 0."""
    sentences = (
        *_overall(cells, contrasts),
        *_against_reference(cells, contrasts),
        *_caveats(cells, contrasts),
        *_by_construction(twins, same),
        *([f"Trained on test data: {leakage.rstrip('.')}."] if leakage else []),
    )
    return " ".join(sentences)


def _overall(cells: Sequence[Cell], contrasts: Sequence[Contrast]) -> Iterator[str]:
    if not contrasts:
        yield "Nothing was compared: there are no two different spaces at one dimension."
        return
    standing = [each for each in contrasts if each.winner is not None]
    if standing:
        count = f"{len(standing)} of {len(contrasts)} differences"
        yield f"{count} between geometries stand once all are looked at together."
        return
    surest = max(contrasts, key=_sureness)
    low, high = surest.interval
    few = len(cells[0].runs) < ENOUGH
    finding = f"Inconclusive, {len(cells[0].runs)} seeds cannot tell" if few else "No difference"
    yield (
        f"{finding}: none of the {len(contrasts)} differences between geometries stands once all are looked at "
        f"together. The surest, {surest.a} less {surest.b} in {surest.metric} at dimension {surest.dim}, is "
        f"{surest.difference:+.4f} (95 % interval {low:+.4f} to {high:+.4f}, taken alone)."
    )
    if few:
        yield f"Intervals over so few seeds are wide: repeat the study with {ENOUGH} seeds or more."


def _against_reference(cells: Sequence[Cell], contrasts: Sequence[Contrast]) -> Iterator[str]:
    """How every geometry stands against one of them, dimension by dimension, where anything stands at all."""
    if all(each.winner is None for each in contrasts):
        return
    reference = FLAT if any(cell.geometry == FLAT for cell in cells) else cells[0].geometry
    for dim in dict.fromkeys(cell.dim for cell in cells):
        held: dict[str, list[Contrast]] = {}
        for each in contrasts:
            if each.dim == dim and reference in (each.a, each.b):
                held.setdefault(each.b if each.a == reference else each.a, []).append(each)
        if held:
            standings = "; ".join(f"{rival} is {_standing(rival, against)}" for rival, against in held.items())
            yield f"Against {reference} at dimension {dim}: {standings}."


def _standing(rival: str, contrasts: Sequence[Contrast]) -> str:
    better = [each for each in contrasts if each.winner == rival]
    worse = [each for each in contrasts if each.winner not in (rival, None)]
    if not better and not worse:
        return f"no different in any of {len(contrasts)} metrics"
    parts = [
        f"{word} in {len(won)} (most in {most.metric}, by {abs(most.difference):.4f})"
        for word, won in (("better", better), ("worse", worse))
        if won and (most := max(won, key=lambda each: abs(each.difference)))
    ]
    return f"{' and '.join(parts)} of {len(contrasts)} metrics"


def _caveats(cells: Sequence[Cell], contrasts: Sequence[Contrast]) -> Iterator[str]:
    winners = {(each.winner, each.dim) for each in contrasts if each.winner is not None}
    for cell in cells:
        if (cell.geometry, cell.dim) in winners and flat(cell):
            yield f"{cell.geometry} is effectively flat at dimension {cell.dim}, so its lead is not one of curvature."
    yield from _rates(cells, contrasts)
    lost = [f"{cell.geometry} at dimension {cell.dim}" for cell in cells if collapsed(cell)]
    if lost:
        yield f"Heads show signs of collapse in {', '.join(lost)}."
    broken = [f"{cell.geometry} at dimension {cell.dim}" for cell in cells if any(run.problem for run in cell.runs)]
    if broken:
        yield f"Training did not end well for every seed of {', '.join(broken)}: see the verdicts."


def _rates(cells: Sequence[Cell], contrasts: Sequence[Contrast]) -> Iterator[str]:
    """Leads that the tuning may have made: it chose different learning rates for the two."""
    for dim in dict.fromkeys(cell.dim for cell in cells):
        rates = {cell.geometry: cell.learning_rate for cell in cells if cell.dim == dim}
        apart = {
            name
            for each in contrasts
            if each.dim == dim and each.winner is not None and rates[each.a] != rates[each.b]
            for name in (each.a, each.b)
        }
        if apart:
            named = ", ".join(f"{name} ({rate:g})" for name, rate in rates.items() if name in apart)
            yield (
                f"At dimension {dim} the tuning chose different learning rates, {named}: what stands between these may "
                "be the rate and not the geometry; repeat the study with a single rate to tell."
            )


def _by_construction(twins: Sequence[Sequence[str]], same: frozenset[str]) -> Iterator[str]:
    for charts in twins:
        yield f"{' and '.join(charts)} are one space in {len(charts)} charts and are not set against each other."
    if same:
        yield f"{', '.join(sorted(same))} cannot differ under these losses, which see no curvature."


def _sureness(contrast: Contrast) -> float:
    """The difference in widths of its interval."""
    width = contrast.interval.high - contrast.interval.low
    return abs(contrast.difference) / width if width else 0.0
