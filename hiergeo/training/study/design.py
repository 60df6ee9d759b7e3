"""The design of a study: what is compared, with which budget, how it is measured, and what is refused beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_whole
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.geometry import Geometry, parse
from hiergeo.training import Chains, Recipe, check_objective

AGREEMENT = 1e-2
"""Largest distance between two embeddings of the empty caption by one model; stored ones are rounded."""


@dataclass(frozen=True)
class StudySettings:
    """How a study trains and measures.

    Attributes:
        steps: thresholds of the protocol ``re``.
        samples: bootstrap resamples.
        seed: of the bootstrap.
        device: where embeddings are made, heads trained and spaces measured; ``auto``: the accelerator, if any.
    """

    steps: int = 50
    samples: int = 1000
    seed: int = 0
    device: str = "auto"


@dataclass(frozen=True)
class StudyPlan:
    """A study, before anything is trained.

    Attributes:
        geometries: specs of different geometries. A product takes part at the one dimension that its factors sum to.
        dims: dimensions of the heads' embeddings.
        seeds: one head each, at least two; five are the default.
        learning_rates: the candidates of the tuning, the same for every geometry and dimension.
        recipe: all other settings of a head: losses, width, steps, patience, batch. The study sets its `outputs`,
            `seed` and `learning_rate`.
        learnable: whether every curved geometry learns its curvature, from the one that its spec names.
        set_aside: the share of the training images, or of rows without images, on which pairs are measured and which no
            head trains or validates on.

    Raises:
        InputError: no geometries, dimensions, seeds or learning rates, or repeated ones; fewer than two seeds; a
            product that fits none of the dimensions; a number out of range.
    """

    geometries: tuple[str, ...]
    dims: tuple[int, ...]
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    learning_rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    recipe: Recipe = field(default_factory=Recipe)
    learnable: bool = False
    set_aside: float = 0.1

    def __post_init__(self) -> None:
        _check_distinct("dimensions", self.dims)
        _check_distinct("seeds", self.seeds)
        _check_distinct("learning rates", self.learning_rates)
        _check_distinct("geometries", [parse(spec).spec for spec in self.geometries])
        if len(self.seeds) == 1:
            raise InputError("intervals over seeds need at least 2 seeds (5 are recommended), not 1.")
        for dim in self.dims:
            check_whole("every dimension", dim, 1, limits.WIDTH)
        check_whole("the number of seeds", len(self.seeds), 2, limits.COUNT)
        if not 0 < self.set_aside < 1:
            raise InputError(f"the share that is set aside must be between 0 and 1, not {self.set_aside:g}.")
        for rate in self.learning_rates:
            for seed in (min(self.seeds), self.tuning_seed):
                self.head(self.dims[0], seed, rate)
        for spec in self.geometries:
            if not self.dims_of(spec):
                raise InputError(
                    f"the factors of {spec} have {parse(spec).dim} dimensions, which is none of the study's "
                    f"({', '.join(map(str, self.dims))}): add that one, or leave the product out."
                )

    @property
    def tuning_seed(self) -> int:
        """The seed of the tuning, which is not among the reported ones."""
        return max(self.seeds) + 1

    @property
    def cells(self) -> tuple[tuple[str, int], ...]:
        """Every (geometry, dim) that is trained, dimension by dimension."""
        return tuple((spec, dim) for dim in self.dims for spec in self.geometries if dim in self.dims_of(spec))

    def dims_of(self, spec: str) -> tuple[int, ...]:
        """The dimensions at which a geometry takes part."""
        own = parse(spec).dim
        return self.dims if own is None else tuple(dim for dim in self.dims if dim == own)

    def geometry(self, spec: str) -> Geometry:
        """The geometry of a spec as its heads train in it."""
        geometry = parse(spec)
        return geometry.learnable() if self.learnable else geometry

    def head(self, dim: int, seed: int, learning_rate: float) -> Recipe:
        """The recipe of one head."""
        return replace(self.recipe, outputs=dim, seed=seed, learning_rate=learning_rate)


def _check_distinct(name: str, values: Sequence[object]) -> None:
    if name != "seeds" and len(values) > limits.GEOMETRIES:
        raise InputError(f"a study takes at most {limits.GEOMETRIES} {name}, not {len(values)}.")
    if not values or len(set(values)) < len(values):
        raise InputError(f"a study needs different {name}, not {', '.join(map(str, values)) or 'none'}.")


def check_data(plan: StudyPlan, chains: Chains, model: Model, test: Hierarchy, unseen: np.ndarray | None) -> None:
    """Raise InputError if chains and model do not belong together, or for a prior between different dimensions."""
    inputs = chains.text.shape[1]
    if model.dim != inputs:
        raise InputError(
            f"{model.name} embeds in {model.dim} dimensions and {chains.origin} in {inputs}: use one model."
        )
    if (apart := float((model.root(chains.root.device) - chains.root).norm())) > AGREEMENT:
        raise InputError(
            f"{model.name} and {chains.origin} embed the empty caption {apart:.2g} apart: they are of different models."
        )
    check_objective(plan.recipe.losses, map(parse, plan.geometries), inputs, plan.dims)
    if unseen is not None and (unseen.shape != (len(test.rows),) or not unseen.any()):
        raise InputError(f"unseen must mark at least one of the {len(test.rows)} rows.")
