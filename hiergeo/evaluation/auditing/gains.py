"""What radii and curvature add when a child looks for its parent: differences in the mean reciprocal rank of parents.

Hyperbolic distances differ from flat ones in two ways: they bend, and they rescale radii. Whoever reads flat data in
flat space can rescale radii too. So curvature is compared with flat space at its best monotone rescaling of the radii,
which is chosen on the pairs of one half of the parents and judged on the other half, both ways.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.numerics import wide
from hiergeo._core.polar import Polar
from hiergeo.evaluation.auditing.attribution import ranks_of_parents
from hiergeo.evaluation.auditing.subject import Alter, Subject, angles_alone, array, flattened
from hiergeo.evaluation.metrics.sharing import Sharing, Tested, mean_test, pairs_in_families
from hiergeo.evaluation.result import Statistic, mean_of

PAIRS = "parent_mrr_pairs"
"""The mean reciprocal rank of parents over distinct pairs."""

MOST_PAIRS = 4096
"""Pairs at most; more are sampled."""

POWERS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Exponents of the radii of flat space among which the best is chosen; sinh and tanh of sqrt(|K|) r take part too."""

LARGEST = 1e6
"""Rescaled radii lie within this factor of their median."""


@final
@dataclass(frozen=True, eq=False)
class Gains:
    """Reciprocal ranks of parents, (P,) each, an item a distinct pair of a child and its parent.

    `flat_best` is at K = 0 with the best monotone radii; None for a space without curvature. `angle_only` is None where
    radii are no lengths of embeddings.
    """

    sharing: Sharing
    native: np.ndarray
    angle_only: np.ndarray | None
    flat_best: np.ndarray | None

    @property
    def of_radii(self) -> Tested | None:
        """What radii add to angles alone; None where they cannot be held fixed."""
        return None if self.angle_only is None else mean_test(self.sharing, self.native - self.angle_only)

    @property
    def of_curvature(self) -> Tested | None:
        """What curvature adds to flat space with its best radii; None for a flat space."""
        return None if self.flat_best is None else mean_test(self.sharing, self.native - self.flat_best)

    @property
    def statistics(self) -> dict[str, dict[str, Statistic]]:
        """The mean of the points as they are, ``native``, and under each control."""
        ranks = {"native": self.native, "angle_only": self.angle_only, "flat_best": self.flat_best}
        return {name: {PAIRS: mean_of(values, self.sharing)} for name, values in ranks.items() if values is not None}


def gains(subject: Subject, *, seed: int = 0) -> Gains:
    """How points, and controls of them, rank the parents of children; `seed` is of the sample and the halves."""
    subject = replace(subject, captions=subject.space.points(subject.embedded.captions))
    child, parent = _pairs(subject, seed)
    pairs = torch.stack((parent, child), dim=1).cpu().numpy()
    sharing = pairs_in_families(pairs, subject.embedded.chains.cpu().numpy())

    def reciprocal(seen: Subject) -> np.ndarray:
        return 1 / (1 + ranks_of_parents(seen, child, parent))

    native = reciprocal(subject)
    angles = reciprocal(angles_alone(subject)) if subject.radial else None
    if not any(subject.curvatures):
        return Gains(sharing, native, angles, None)
    flat = flattened(subject)
    tried = np.stack([reciprocal(flat.altered(changes)) for changes in rescalings(subject)])
    best = np.empty_like(native)
    first = _half_of(array(parent).astype(np.int64), seed)
    for chosen, judged in ((first, ~first), (~first, first)):
        best[judged] = tried[tried[:, chosen].mean(axis=1).argmax() if chosen.any() else POWERS.index(1.0), judged]
    return Gains(sharing, native, angles, best)


def _pairs(subject: Subject, seed: int) -> tuple[Tensor, Tensor]:
    """Positions of children and of their parents, (P,) each, of distinct pairs of different captions."""
    size = len(subject.embedded.texts)
    pairs = torch.unique(subject.children * size + subject.parents)
    pairs = pairs[pairs // size != pairs % size]
    if len(pairs) > MOST_PAIRS:
        drawn = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))[:MOST_PAIRS]
        pairs = pairs[drawn.sort().values.to(pairs.device)]
    return pairs // size, pairs % size


def _half_of(parent: np.ndarray, seed: int) -> np.ndarray:
    """Which pairs have a parent of the first half of all parents, (P,), drawn at random."""
    parents = np.unique(parent)
    return np.isin(parent, np.random.default_rng(seed).permutation(parents)[: len(parents) // 2])


def rescalings(subject: Subject) -> list[list[Alter]]:
    """Monotone changes of the radii, factor by factor, that keep their medians: factors stay in proportion."""
    powers: list[Callable[[Tensor], Tensor]] = [partial(torch.pow, exponent=power) for power in POWERS]
    scales = [math.sqrt(abs(k)) or 1.0 for k in subject.curvatures]
    factors = list(zip(subject.text.factors, scales, strict=True))
    return [[_rescaling(point, law, scale) for point, scale in factors] for law in (*powers, torch.sinh, torch.tanh)]


def _rescaling(points: Polar, law: Callable[[Tensor], Tensor], scale: float) -> Alter:
    def raw(point: Polar) -> Tensor:
        radius = wide(point.radius)
        return law((scale * radius).clamp(max=0.42 * math.log(torch.finfo(radius.dtype).max)))

    median, middle = (float(lengths.median()) or 1.0 for lengths in (wide(points.radius), raw(points)))

    def change(point: Polar) -> Polar:
        rescaled = median * (raw(point) / middle).clamp(1 / LARGEST, LARGEST)
        return Polar(point.direction, torch.where(point.radius > 0, rescaled, 0.0).to(point.radius.dtype))

    return change
