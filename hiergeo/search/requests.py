"""Requests: what is asked of an index, so that questions of different kinds share one pass."""

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_positive, check_whole, unknown_name
from hiergeo.geometry import Space
from hiergeo.geometry.space import By
from hiergeo.search.queries import Query, is_dense, tensor_kind
from hiergeo.search.store import Store

Kind = Literal["children", "parents", "neighbours", "ladder", "count"]

MOST_HITS = 1024
"""The largest k of a search."""


@dataclass(frozen=True, eq=False)
class Request:
    """One question to an index; `Index.search` answers a list of them in one pass.

    Attributes:
        kind: "children" and "parents": the k items that the query comes nearest to entailing, and to being entailed by;
            "neighbours": the k nearest; "ladder": the nearest item within each threshold of radius; "count": how many
            items the query entails.
        query: a text, an image (path or picture), or an embedding (D,).
        k: hits of the first three kinds, 1 <= k <= 1024.
        by: order of children and parents: "margin", largest first; "angle" or "distance", smallest first.
        thresholds: of a ladder, as for `Index.ladder`.
        within: of a count: count the items within this geodesic distance instead of those in the cone of the query.
        low: this and the rest as for `Index.children`; counts always scan.
        without: captions whose items are left out; of the first three kinds.
        strict: whether all children have a larger radius than the query, and all parents a smaller one.

    Raises:
        InputError: a kind or an order that is unknown, k or a number of thresholds out of range, a range of radii that
            is empty.
    """

    kind: Kind
    query: Query
    k: int = 10
    by: By = "margin"
    thresholds: int | Tensor = 50
    within: float | None = None
    low: float = 0.0
    high: float = math.inf
    space: Space | str | None = None
    min_radius: float | None = None
    store: Store | str | None = None
    distinct: bool = True
    without: frozenset[str] = frozenset()
    strict: bool = False

    def __post_init__(self) -> None:
        for what, name, known in (("kind of search", self.kind, get_args(Kind)), ("order", self.by, get_args(By))):
            if name not in known:
                raise unknown_name(what, str(name), known)
        check_whole("k", self.k, 1, MOST_HITS)
        if isinstance(self.thresholds, Tensor):
            _check_thresholds(self.thresholds)
        else:
            check_whole("thresholds", self.thresholds, 1, limits.PROTOCOL_STEPS)
        if not self.low <= self.high:
            raise InputError(f"the range of radii from {self.low:g} to {self.high:g} is empty: low must be <= high.")
        if self.within is not None and not self.within >= 0:
            raise InputError(f"within must be a distance >= 0, not {self.within:g}.")
        if self.min_radius is not None:
            check_positive("min_radius", self.min_radius)
        if not isinstance(self.store, Store | str | None):
            raise InputError(f"a store is a Store or the spec of one, not {type(self.store).__name__}.")

    @property
    def group(self) -> Hashable:
        """Requests of one group are answered by one task of a sweep."""
        space = self.space if self.space is None or isinstance(self.space, str) else id(self.space)
        store = self.store if self.store is None or isinstance(self.store, str) else id(self.store)
        shared = self.kind, space, self.min_radius, self.low, self.high, store
        if self.kind == "ladder":
            steps = self.thresholds
            return *shared, tuple(steps.tolist()) if isinstance(steps, Tensor) else steps
        if self.kind == "count":
            return *shared, self.within is None
        return *shared, self.without, None if self.kind == "neighbours" else self.by


def _check_thresholds(thresholds: Tensor) -> None:
    if not is_dense(thresholds) or thresholds.ndim != 1 or not len(thresholds) or thresholds.is_complex():
        raise InputError(f"thresholds must be one row of numbers (T,), not {tensor_kind(thresholds)}.")
    radii = thresholds.double()
    if not bool(torch.isfinite(radii).all()) or bool((radii.diff() < 0).any()):
        raise InputError("thresholds must be finite and ascend.")
