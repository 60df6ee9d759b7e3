"""Checks of the arguments of searches: orders, numbers of neighbours, targets, radii and thresholds of ladders."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import widest
from hiergeo.pairwise.checks import REALS, check_dtype, check_float, check_operand

MOST_NEIGHBOURS = 1024
"""The largest k of a top-k search."""

ANGULAR = ("margin", "angle")
ORDERS = ("distance", *ANGULAR)
"""The orders of candidates: those of cones, and all."""

SIDES = ("children", "parents")


def check_neighbours(k: int) -> None:
    """Raise InputError unless 1 <= k <= MOST_NEIGHBOURS."""
    if k < 1:
        raise InputError(f"k must be at least 1, not {k}.")
    if k > MOST_NEIGHBOURS:
        raise InputError(f"k must be at most {MOST_NEIGHBOURS}, not {k}: sort a stored row for more.")


def check_enough(k: int, candidates: int) -> None:
    """Raise InputError unless there are k candidates."""
    if not 1 <= k <= candidates:
        raise InputError(f"k must be between 1 and the {candidates} candidates, not {k}.")


def check_order_of(by: str, side: str, orders: Sequence[str] = ORDERS) -> None:
    """Raise InputError unless `by` is one of `orders` and `side` names an apex."""
    if by not in orders:
        raise InputError(f"by must be {' or '.join(map(repr, orders))}, not '{by}'.")
    if side not in SIDES:
        raise InputError(f"side must be 'children' or 'parents', not '{side}'.")


def check_counted(quantity: str, reach: Tensor | None) -> None:
    """Raise InputError unless distances are counted within a reach, or margins without one."""
    if reach is None and quantity != "cone_margin":
        raise InputError(f"quantity must be 'cone_margin' where there is no reach, not '{quantity}'.")
    if reach is not None and not is_distance(quantity):
        raise InputError(f"quantity must be a distance where there is a reach, not '{quantity}'.")


def check_ordered(quantity: str) -> None:
    """Raise InputError for the energy, which does not order candidates since many tie at 0."""
    if quantity == "energy":
        raise InputError("quantity 'energy' is 0 within a cone and cannot order candidates: use 'cone_margin'.")


def check_distance(quantity: str) -> None:
    """Raise InputError unless `quantity` is a distance."""
    if not is_distance(quantity):
        raise InputError(f"quantity must be a distance for a ladder, not '{quantity}'.")


def is_distance(quantity: str) -> bool:
    """Whether the quantity of that name is a geodesic distance."""
    return quantity.startswith("distance")


def check_targets(target: Tensor, shape: torch.Size, device: torch.device) -> None:
    """Raise InputError unless `target` holds an int64 number for each x, of `shape`."""
    check_dtype("target", target, (torch.int64,), "an int64 tensor, one index for each x")
    check_operand("target", target, shape, device)


def check_indices(name: str, indices: Tensor, count: int) -> None:
    """Raise InputError unless all `indices` are in [0, count)."""
    if indices.numel():
        low, high = (int(end) for end in torch.aminmax(indices))
        if low < 0 or high >= count:
            raise InputError(f"{name} must be in [0, {count}), not {low if low < 0 else high}.")


def check_ladder(
    queries: Tensor, candidates: Tensor, radius: Tensor, order: Tensor | None, norms: Tensor | None
) -> None:
    """Raise InputError unless embeddings, radii and what was prepared of a ladder search fit each other."""
    if queries.ndim != 2 or candidates.ndim != 2 or queries.shape[1] != candidates.shape[1]:
        shapes = f"{tuple(queries.shape)} and {tuple(candidates.shape)}"
        raise InputError(f"queries (Q, D) and candidates (M, D) must share D, not {shapes}.")
    for name, embeddings in (("queries", queries), ("candidates", candidates)):
        check_float(name, embeddings)
    check_steps(radius, len(candidates), queries.device)
    if candidates.device != queries.device:
        names = f"{queries.device} and {candidates.device}"
        raise InputError(f"queries, candidates and radius are on {names}: move them to one device.")
    check_prepared(order, norms, len(candidates), queries.device)


def check_steps(radius: Tensor, candidates: int, device: torch.device) -> None:
    """Raise InputError unless `radius` holds a number for each candidate, on their device."""
    check_dtype("radius", radius, REALS, "real numbers")
    if radius.shape != (candidates,):
        raise InputError(f"radius must hold one number per candidate ({candidates}), not {tuple(radius.shape)}.")
    if radius.device != device:
        raise InputError(f"radius is on {radius.device} and x is on {device}: move them to one device.")


def check_prepared(order: Tensor | None, norms: Tensor | None, candidates: int, device: torch.device) -> None:
    """Raise InputError unless a prepared order and prepared norms fit the candidates of a ladder search."""
    for name, given, dtype in (("order", order, torch.int64), ("norms", norms, widest(device))):
        if given is None:
            continue
        check_dtype(name, given, (dtype,), f"a tensor of {dtype}")
        if given.shape != (candidates,) or given.device != device:
            wanted = f"{dtype} of shape ({candidates},) on {device}"
            raise InputError(f"{name} must be {wanted}, not {given.dtype} {tuple(given.shape)} on {given.device}.")


def check_thresholds(thresholds: Tensor) -> None:
    """Raise InputError unless `thresholds` is one ascending list without NaN."""
    check_dtype("thresholds", thresholds, REALS, "real numbers")
    if thresholds.ndim != 1 or not bool((thresholds[1:] >= thresholds[:-1]).all()) or bool(thresholds.isnan().any()):
        raise InputError("thresholds must be one ascending list without NaN: sort them first.")
