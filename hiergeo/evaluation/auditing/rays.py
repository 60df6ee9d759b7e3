"""Ranks among the points of one ray: binary searches in the sorted radii instead of all pairs."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def ray_ranks(radius: Tensor, points: Tensor, target: Tensor, dtype: torch.dtype) -> Tensor:
    """How many points precede the target of each by distance, (n,) int64, as `Space.rank` counts them.

    Args:
        radius: (U,) of all points, float64.
        points: (n,) positions of those from which distances |r_x - r_y| are taken.
        target: (n,) positions.
        dtype: what distances are rounded to; equal ones go to the lower position.
    """
    ascending, order = radius.sort()
    own = radius[points]

    def apart(place: Tensor) -> Tensor:
        return (ascending[place.clamp(max=len(order) - 1)] - own).abs().to(dtype)

    reach = (radius[target] - own).abs().to(dtype)
    middle = torch.searchsorted(ascending, own)
    least, most = torch.zeros_like(middle), torch.full_like(middle, len(order))
    first_equal = _first(least, middle, lambda place: apart(place) <= reach)
    first_nearer = _first(least, middle, lambda place: apart(place) < reach)
    after_nearer = _first(middle, most, lambda place: apart(place) >= reach)
    after_equal = _first(middle, most, lambda place: apart(place) > reach)
    position, ranks = order.cpu().numpy(), after_nearer - first_nearer
    for start, stop in ((first_equal, first_nearer), (after_nearer, after_equal)):
        ties = zip(start.tolist(), stop.tolist(), target.tolist(), strict=True)
        ranks += torch.tensor([np.count_nonzero(position[i:j] < own) for i, j, own in ties]).to(ranks)
    return ranks


def _first(low: Tensor, high: Tensor, holds: Callable[[Tensor], Tensor]) -> Tensor:
    """The first places in [low, high) from which on a condition holds; `high` where there is none."""
    while bool((low < high).any()):
        middle = (low + high) // 2
        here = holds(middle) | (low == high)
        low, high = torch.where(here, low, middle + 1), torch.where(here, middle, high)
    return low
