"""Model x dataset x space -> one result."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from hiergeo import _limits, adapters, datasets
from hiergeo._numerics import torch_defaults
from hiergeo._progress import track
from hiergeo._version import __version__
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.errors import InputError, check_whole, unknown_name
from hiergeo.evaluation import pairs, re, traversal
from hiergeo.evaluation.embedded import Embedded, embed
from hiergeo.evaluation.flatness import diagnose, verdict
from hiergeo.evaluation.outcome import Outcome
from hiergeo.evaluation.radial import order, radii
from hiergeo.evaluation.result import Result
from hiergeo.geometry import Geometry, Product, Space, parse


class Settings(NamedTuple):
    """How to measure: see `evaluate`."""

    protocol: str
    steps: int
    seed: int
    samples: int


PROTOCOLS: dict[str, Callable[[Embedded, Space, int, bool], Outcome]] = {
    "re": re.run,
    "traversal": traversal.run,
    "pairs": pairs.run,
}


@torch_defaults()
def evaluate(
    model: Model | str,
    dataset: Hierarchy | str,
    space: Space | Geometry | Product | str = "euclidean",
    protocol: str = "re",
    steps: int = 50,
    seed: int = 0,
    *,
    samples: int = 1000,
    progress: bool = False,
) -> Result:
    """Measure the hierarchy of a model on a dataset in a space.

    Args:
        model: an adapter, or the spec that loads one.
        dataset: a hierarchy, or the name of one (its test split).
        space: a space, a geometry, or its spec. A space with root None gets the model's root.
        protocol: ``re`` (the paper's), ``traversal`` (ProLIP's) or ``pairs``.
        steps: thresholds of ``re``, points of ``traversal``; at least 1.
        seed: of the bootstrap and of the random pairs of the diagnostics.
        samples: bootstrap resamples.
        progress: show bars for work that outlasts a second.

    Raises:
        InputError: unknown names, a protocol that the data cannot serve, dimensions that do not fit.
        UnavailableError: data or weights that are not there.
    """
    check(protocol, steps, seed, samples)
    space = as_space(space)
    model = adapters.load(model) if isinstance(model, str) else model
    hierarchy = datasets.load(dataset) if isinstance(dataset, str) else dataset
    check_fit(model, hierarchy, space, protocol)
    embedded = embed(model, hierarchy, **wanted(protocol), progress=progress)
    return measure(embedded, space, Settings(protocol, steps, seed, samples), progress=progress)


def measure(embedded: Embedded, space: Space, settings: Settings, *, progress: bool) -> Result:
    """Measure what is already embedded; arguments as for `evaluate`."""
    space = space.rooted(embedded.root)
    with torch.no_grad():
        chain_radii = radii(embedded, space)
        outcome = PROTOCOLS[settings.protocol](embedded, space, settings.steps, progress)
        diagnostics = diagnose(embedded, space, chain_radii, settings.seed)
    of_radii, ties = order(chain_radii)
    statistics = of_radii | outcome.statistics
    named = track(list(statistics.items()), "resampling", enabled=progress)
    return Result(
        metrics={name: statistic.value for name, statistic in statistics.items()} | ties | outcome.numbers,
        settings={
            "model": embedded.model,
            "dataset": embedded.hierarchy.name,
            "split": embedded.hierarchy.split,
            "geometry": space.geometry.spec,
            "root": "none" if space.root is None else "model" if torch.equal(space.root, embedded.root) else "given",
            "min_radius": space.min_radius,
            "protocol": settings.protocol,
            "steps": settings.steps,
            "seed": settings.seed,
            "bootstrap_samples": settings.samples,
            "rows": len(embedded.hierarchy.rows),
            "images": 0 if embedded.image is None else len(embedded.image),
            "texts": len(embedded.texts),
            "hiergeo": __version__,
            "torch": torch.__version__,
        },
        diagnostics=diagnostics,
        verdict=verdict(diagnostics),
        draws={name: statistic.draws(settings.samples, settings.seed) for name, statistic in named},
        ladders=outcome.ladders,
        radii=chain_radii,
        rows={name: each.values for name, each in statistics.items() if each.values is not None},
        rocs=outcome.rocs,
    )


def check(protocol: str, steps: int, seed: int = 0, samples: int = 1) -> None:
    """Raise InputError for settings that mean nothing, before anything is loaded."""
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    check_whole("steps", steps, 1, _limits.PROTOCOL_STEPS)
    check_whole("samples", samples, 1, _limits.RESAMPLES)
    check_whole("seed", seed, 0, _limits.SEED)


def check_fit(model: Model, hierarchy: Hierarchy, space: Space, protocol: str) -> None:
    """Raise InputError where model, data, space and protocol do not go together, before anything is embedded."""
    space.geometry.parts(model.dim)
    if protocol == "traversal" and space.unrooted:
        raise InputError("the traversal protocol walks to the root: give the space one.")
    if protocol == "traversal" and not (model.has_images and hierarchy.images):
        without = hierarchy.name if model.has_images else model.name
        raise InputError(f"the traversal protocol starts from images, and {without} has none: use 're' or 'pairs'.")
    if protocol == "pairs" and not hierarchy.has_negatives:
        raise InputError(
            f"the pairs protocol needs negative chains, and the {hierarchy.split} split of {hierarchy.name} has none: "
            "use a split with negatives, such as expanded-test."
        )


def wanted(protocol: str) -> dict[str, bool]:
    """Which embeddings a protocol needs besides those of the positive chains."""
    return {"images": protocol != "pairs", "negatives": protocol == "pairs"}


def as_space(space: Space | Geometry | Product | str) -> Space:
    """The space itself, or the one around the model's root in the geometry given or named."""
    if isinstance(space, Space):
        return space
    return Space(parse(space) if isinstance(space, str) else space)
