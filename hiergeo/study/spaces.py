"""Which specs name one space, and what no curvature can change."""

from collections.abc import Sequence

from hiergeo.evaluation import RADIAL
from hiergeo.geometry import parse
from hiergeo.training import chain_loss

SAME = RADIAL | {"tau_d_unseen"}
"""Metrics of radii alone: equal in all geometries where the heads are equal."""


def charts(specs: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The specs among these that name one space in several charts, space by space."""
    spaces: dict[object, list[str]] = {}
    for spec in specs:
        spaces.setdefault(parse(spec).isometry_class, []).append(spec)
    return tuple(tuple(same) for same in spaces.values() if len(same) > 1)


def same_by_construction(specs: Sequence[str], losses: Sequence[str]) -> frozenset[str]:
    """Metrics that cannot differ between these geometries.

    Losses that see no curvature train one and the same head in every geometry, and its radii are |f(e) - f(root)| in
    all of them but products that add lengths up (l1).
    """
    added_up = any(parse(spec).norm == "l1" for spec in specs)
    bent = any(chain_loss(name).sees_curvature for name in losses)
    return frozenset() if bent or added_up else SAME
