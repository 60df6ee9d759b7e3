"""Many candidates searched a part at a time, so that only a part of them is lifted at once, and merged exactly."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from hiergeo._core.progress import track
from hiergeo.geometry.points import Points

PART = 1 << 16
"""Candidates that are lifted and searched at once."""

Found = tuple[Tensor, Tensor]
"""Values (..., N, k) and indices (..., N, k) int64 of the best candidates."""


def is_whole(candidates: Tensor | Points) -> bool:
    """Whether candidates are searched all at once: points, which are lifted already, and up to `PART` embeddings."""
    return not isinstance(candidates, Tensor) or candidates.ndim != 2 or len(candidates) <= PART


def parts(
    candidates: Tensor | Points, points: Callable[[Tensor | Points], Points], label: str = "", progress: bool = False
) -> Iterator[tuple[int, Points]]:
    """The points of the candidates, a part at a time, each with the place of its first."""
    if not isinstance(candidates, Tensor) or is_whole(candidates):
        yield 0, points(candidates)
        return
    for start in track(range(0, len(candidates), PART), label, enabled=progress):
        yield start, points(candidates[start : start + PART])


def total(counts: Iterable[Tensor]) -> Tensor:
    """The sum of the counts of all parts."""
    whole, *more = counts
    for part in more:
        whole = whole + part
    return whole


def best(parts: Iterable[tuple[int, Found]], k: int, largest: bool) -> Found:
    """The k best of all parts, each given by the place of its first candidate and its own k best.

    Ties go to the lower index; values that are NaN, with index -1, come last.
    """
    whole: Found | None = None
    for start, (values, indices) in parts:
        part = values, torch.where(indices < 0, indices, indices + start) if start else indices
        whole = part if whole is None else _better(whole, part, k, largest)
    assert whole is not None
    return whole


def closest(parts: Iterable[tuple[int, Found]]) -> Found:
    """The smallest values of all parts and their indices, NaN and -1 where all are NaN; ties go to the lower index."""
    whole: Found | None = None
    for start, (values, indices) in parts:
        index = torch.where(indices < 0, indices, indices + start) if start else indices
        if whole is None:
            whole = values, index
            continue
        closer = (values < whole[0]) | (whole[0].isnan() & ~values.isnan())
        whole = torch.where(closer, values, whole[0]), torch.where(closer, index, whole[1])
    assert whole is not None
    return whole


def _better(a: Found, b: Found, k: int, largest: bool) -> Found:
    values, indices = (torch.cat(pair, dim=-1) for pair in zip(a, b, strict=True))
    ranked = torch.where(values.isnan(), -torch.inf if largest else torch.inf, values)
    first = ranked.argsort(dim=-1, stable=True, descending=largest)[..., :k]
    return values.gather(-1, first), indices.gather(-1, first)
