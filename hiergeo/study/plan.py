"""What a study compares: geometries, dimensions and seeds, and the budget that every one of them gets."""

from dataclasses import dataclass, field

from hiergeo.training import Recipe


@dataclass(frozen=True)
class Plan:
    """A study, before anything is trained.

    Attributes:
        geometries: specs, different from each other.
        dims: dimensions of the heads' embeddings.
        seeds: one head each.
        learning_rates: the tuning budget, tried alike for every geometry and dimension.
        recipe: everything else of a head: losses, width, steps, batch.
    """

    geometries: tuple[str, ...]
    dims: tuple[int, ...]
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    learning_rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    recipe: Recipe = field(default_factory=Recipe)
