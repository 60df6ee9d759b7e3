"""What a study compares: geometries, dimensions and seeds, and the budget that every one of them gets."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hiergeo import _limits
from hiergeo.errors import InputError, check_whole
from hiergeo.geometry import Geometry, parse
from hiergeo.training import Recipe

FEWEST_SEEDS = 2
"""Seeds without which there is no spread between seeds to put into an interval."""


@dataclass(frozen=True)
class Plan:
    """A study, before anything is trained.

    Attributes:
        geometries: specs of different geometries. A product takes part at the one dimension that its factors sum to.
        dims: dimensions of the heads' embeddings.
        seeds: one head each, at least two; five are the default.
        learning_rates: the tuning budget, tried alike for every geometry and dimension.
        recipe: everything else of a head: losses, width, steps, batch. Its `outputs`, `seed`, `learning_rate` and
            `patience` are set by the study: every head takes all its steps.
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
        if len(self.seeds) < FEWEST_SEEDS:
            raise InputError("intervals over seeds need at least 2 seeds (5 are recommended), not 1.")
        for dim in self.dims:
            check_whole("every dimension", dim, 1, _limits.WIDTH)
        check_whole("the number of seeds", len(self.seeds), FEWEST_SEEDS, _limits.SEEDS)
        if not 0 < self.set_aside < 1:
            raise InputError(f"the share that is set aside must be between 0 and 1, not {self.set_aside:g}.")
        for rate in self.learning_rates:
            self.head(self.dims[0], min(self.seeds), rate)
            self.head(self.dims[0], self.tuning_seed, rate)
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
        return replace(self.recipe, outputs=dim, seed=seed, learning_rate=learning_rate, patience=None)


def _check_distinct(name: str, values: Sequence[object]) -> None:
    if name != "seeds" and len(values) > _limits.GEOMETRIES:
        raise InputError(f"a study takes at most {_limits.GEOMETRIES} {name}, not {len(values)}.")
    if not values or len(set(values)) < len(values):
        raise InputError(f"a study needs different {name}, not {', '.join(map(str, values)) or 'none'}.")
