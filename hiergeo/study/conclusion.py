"""What a study comes to, in plain words: who is better at what once all differences are looked at together, or nobody."""

from collections.abc import Iterator, Sequence

from hiergeo.study.result import Cell, Contrast
from hiergeo.study.verdicts import collapsed, flat

FLAT = "euclidean"
"""The geometry that the others are held against."""

Lead = tuple[int, str, str]
"""A dimension, the better geometry and the other one."""


def conclude(
    cells: Sequence[Cell],
    contrasts: Sequence[Contrast],
    twins: Sequence[Sequence[str]],
    same: frozenset[str],
    leakage: str | None,
) -> str:
    """One paragraph. A difference counts when the interval that holds together with all others excludes 0."""
    sentences = (
        *_differences(contrasts),
        *_against_flat(cells, contrasts),
        *_caveats(cells, contrasts),
        *_by_construction(twins, same),
        *([f"Trained on test data: {leakage.rstrip('.')}."] if leakage else []),
    )
    return " ".join(sentences)


def leads(contrasts: Sequence[Contrast]) -> dict[Lead, list[Contrast]]:
    """The contrasts that have a winner, by dimension, winner and loser."""
    found: dict[Lead, list[Contrast]] = {}
    for each in contrasts:
        if each.winner is not None:
            found.setdefault((each.dim, each.winner, each.b if each.winner == each.a else each.a), []).append(each)
    return found


def _differences(contrasts: Sequence[Contrast]) -> Iterator[str]:
    if not contrasts:
        yield "Nothing was compared: there are no two different spaces at one dimension."
        return
    found = leads(contrasts)
    count = sum(map(len, found.values()))
    if not count:
        surest = max(contrasts, key=_sureness)
        low, high = surest.interval
        yield (
            f"No difference: none of the {len(contrasts)} differences between geometries stands once all are looked at "
            f"together. The surest, {surest.a} less {surest.b} in {surest.metric} at dimension {surest.dim}, is "
            f"{surest.difference:+.4f} (95 % interval {low:+.4f} to {high:+.4f}, taken alone)."
        )
        return
    yield f"{count} of {len(contrasts)} differences between geometries stand once all are looked at together."
    for (dim, winner, loser), won in found.items():
        measured = sum(each.dim == dim and {each.a, each.b} == {winner, loser} for each in contrasts)
        named = ", ".join(f"{each.metric} ({abs(each.difference):+.4f})" for each in won)
        yield f"At dimension {dim}, {winner} is better than {loser} in {len(won)} of {measured} metrics: {named}."


def _against_flat(cells: Sequence[Cell], contrasts: Sequence[Contrast]) -> Iterator[str]:
    """Whether curvature helps, dimension by dimension."""
    found = leads(contrasts)
    for dim in dict.fromkeys(cell.dim for cell in cells):
        rivals = [cell.geometry for cell in cells if cell.dim == dim and cell.geometry != FLAT]
        if not found or len(rivals) == sum(cell.dim == dim for cell in cells) or not rivals:
            continue
        better = [rival for rival in rivals if (dim, rival, FLAT) in found]
        worse = [rival for rival in rivals if (dim, FLAT, rival) in found]
        yield f"At dimension {dim}, against Euclidean space: {_sides(better, worse)}."


def _sides(better: Sequence[str], worse: Sequence[str]) -> str:
    parts = []
    for names, words in (
        ([name for name in better if name not in worse], "better in something and worse in nothing"),
        ([name for name in better if name in worse], "better in something and worse in something else"),
        ([name for name in worse if name not in better], "worse in something and better in nothing"),
    ):
        if names:
            parts.append(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} {words}")
    return "; ".join(parts) or "no geometry differs"


def _caveats(cells: Sequence[Cell], contrasts: Sequence[Contrast]) -> Iterator[str]:
    winners = {(dim, winner) for dim, winner, _ in leads(contrasts)}
    for cell in cells:
        if (cell.geometry, cell.dim) in {(winner, dim) for dim, winner in winners} and flat(cell):
            yield f"{cell.geometry} is effectively flat at dimension {cell.dim}: its lead there is not one of curvature."
    lost = [f"{cell.geometry} at dimension {cell.dim}" for cell in cells if collapsed(cell)]
    if lost:
        yield f"Heads show signs of collapse in {', '.join(lost)}."
    broken = [
        f"{cell.geometry} at dimension {cell.dim} (seed {run.seed})" for cell in cells for run in cell.runs if run.problem
    ]
    if broken:
        yield f"Training broke off in {', '.join(broken)}."


def _by_construction(twins: Sequence[Sequence[str]], same: frozenset[str]) -> Iterator[str]:
    for charts in twins:
        yield f"{' and '.join(charts)} are one space in {len(charts)} charts and are not set against each other."
    if same:
        yield f"{', '.join(sorted(same))} cannot differ under these losses, which see no curvature."


def _sureness(contrast: Contrast) -> float:
    """The difference in half widths of its interval."""
    width = contrast.interval.high - contrast.interval.low
    return abs(contrast.difference) / width if width else 0.0
