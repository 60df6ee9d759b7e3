"""Model x dataset x space -> one result."""

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hiergeo import adapters, datasets
from hiergeo._core import limits
from hiergeo._core.devices import AUTO, resolve_device
from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.version import __version__
from hiergeo.adapters import Model
from hiergeo.adapters.model import with_stored_images
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.answers import CONCLUDED, Answer
from hiergeo.evaluation.embedded import ON_THE_CPU, Compute, Embedded, embed
from hiergeo.evaluation.length import order_and_length
from hiergeo.evaluation.metrics import Interval
from hiergeo.evaluation.metrics.order import is_of_all_tiers
from hiergeo.evaluation.protocols import PROTOCOLS, View, located_rows, pair_scores, protocol_named
from hiergeo.evaluation.result import Result
from hiergeo.evaluation.twins import TWINS, Twins, twins_of
from hiergeo.geometry import Geometry, PairLaw, Space
from hiergeo.geometry.base import bend
from hiergeo.geometry.points import row_by_row


@dataclass(frozen=True)
class ProtocolSettings:
    """How to measure: see `evaluate`. Raises InputError for an unknown protocol or a number out of range."""

    protocol: str
    steps: int = 50
    seed: int = 0
    samples: int = 1000

    def __post_init__(self) -> None:
        PROTOCOLS.check(self.protocol)
        check_whole("steps", self.steps, 1, limits.PROTOCOL_STEPS)
        check_whole("samples", self.samples, 1, limits.COUNT)
        check_whole("seed", self.seed, 0, limits.SEED)


@torch_defaults()
def evaluate(
    model: Model | str,
    dataset: Hierarchy | str,
    space: Space | Geometry | str | None = None,
    protocol: str = "re",
    steps: int = 50,
    seed: int = 0,
    *,
    samples: int = 1000,
    device: str | torch.device = AUTO,
    dtype: str | torch.dtype = "float32",
    batch_size: int | None = None,
    twins: int = TWINS,
    progress: bool = False,
) -> Result:
    """Measure the hierarchy of a model on a dataset in a space.

    Args:
        model: an adapter, or the spec that loads one.
        dataset: a hierarchy, or the name of one (its test split).
        space: a space, a geometry, or its spec; None is the model's own space (`Model.native_space`), and Euclidean
            space for a model that has none. A space without a root of its own gets the model's.
        protocol: ``re`` (the paper's), ``traversal`` (ProLIP's), ``pairs``, or one that another package registers
            (entry-point group ``hiergeo.protocols``).
        steps: thresholds of ``re``, points of ``traversal``; at least 1.
        seed: of the bootstrap and of the random pairs of the diagnostics.
        samples: bootstrap resamples.
        device: where embeddings are kept and measured, and where a model that is given by its spec runs: ``auto`` (the
            accelerator where torch has one), a name such as ``cuda:1``, or a device of torch.
        dtype: of the embeddings: ``float32``, or ``bfloat16`` or ``float16``, to which they are rounded.
        batch_size: texts or images that are embedded at a time; None is what the model prefers.
        twins: untrained copies that the model is compared with; 0 leaves out whether training adds to the order.
        progress: show bars for work that outlasts a second.

    Raises:
        InputError: unknown names, a protocol that the data cannot serve, dimensions that do not fit.
        UnavailableError: data or weights that are not there.
    """
    settings = ProtocolSettings(protocol, steps, seed, samples)
    compute = Compute(resolve_device(device), dtype, batch_size)
    hierarchy = measured(model, dataset)
    model, space = ready(model, space, compute.device)
    check_fit(model, hierarchy, space, protocol)
    copies = twins_of(model, twins, progress=progress)
    embedded = embed_for(protocol, model, hierarchy, compute, progress=progress)
    return answered(embedded, space, settings, copies, progress=progress)


def answered(
    embedded: Embedded,
    space: Space,
    settings: ProtocolSettings,
    twins: Twins | None,
    *,
    progress: bool,
    first: Result | None = None,
) -> Result:
    """What `measure` gives, with answers about the order of the tiers, their length, what is learnt, and curvature.

    The first three are those of radii alone: of `first`, a result in another space, where its radii are the same.
    """
    from hiergeo.evaluation.auditing.questions import answers_of

    result = measure(embedded, space, settings, progress=progress)
    answers: dict[str, Answer] = {}
    if first is not None and np.array_equal(first.radii, result.radii):
        answers = {name: answer for name, answer in first.answers.items() if name != "curvature"}
    asked = [name for name in CONCLUDED if name not in answers]
    answers |= answers_of(embedded, space, asked, twins=twins, seed=settings.seed)
    order = answers["order"]
    whole = is_of_all_tiers(order.value, result.metrics.get("tau_d", math.nan))
    bounds = {"tau_d": Interval(order.low, order.high)} if whole else {}
    return replace(result, answers=answers, bounds=result.bounds | bounds)


@torch.no_grad()
def measure(embedded: Embedded, space: Space, settings: ProtocolSettings, *, progress: bool) -> Result:
    """Measure embeddings on the device where they are; arguments as for `evaluate`."""
    view = View(embedded, space.rooted(embedded.root))
    protocol = protocol_named(settings.protocol)
    with PROTOCOLS.running(settings.protocol, "could not measure"):
        outcome = protocol.run(view, settings.steps, progress)
    whole = order_and_length(view.radii, embedded) | outcome
    about = described(embedded, view.space) | {"protocol": settings.protocol, "steps": settings.steps}
    diagnostics = diagnose(view, settings.seed)
    return whole.result(
        about, settings.seed, settings.samples, diagnostics=diagnostics, radii=view.radii, progress=progress
    )


def described(embedded: Embedded, space: Space) -> dict[str, str | int | float]:
    """Model, data, space, counts, device and versions of a measurement of chains, as results store them."""
    hierarchy = embedded.hierarchy
    return {
        "model": embedded.model,
        "dataset": hierarchy.name,
        "split": hierarchy.split,
        **described_space(space, embedded.root),
        "rows": len(hierarchy.rows),
        "images": 0 if embedded.image is None else len(embedded.image),
        "texts": len(embedded.texts),
        **described_compute(embedded.captions),
    }


def described_space(space: Space, model_root: Tensor) -> dict[str, str | int | float]:
    """The geometry, root and cone scale of a measurement, as results store them."""
    root = space.root
    if root is None:
        centre = "none"
    elif torch.equal(root, model_root):
        centre = "model"
    else:
        centre = "given" if bool(root.any()) else "origin"
    return {"geometry": space.geometry.fixed().spec, "root": centre, "min_radius": space.min_radius}


def described_compute(embeddings: Tensor) -> dict[str, str | int | float]:
    """Dimension, device and dtype of the embeddings of a measurement, and the versions that made it."""
    return {
        "dim": embeddings.shape[-1],
        "device": str(embeddings.device),
        "dtype": str(embeddings.dtype).removeprefix("torch."),
        "hiergeo": __version__,
        "torch": torch.__version__,
    }


def check_fit(model: Model, hierarchy: Hierarchy, space: Space, protocol: str) -> None:
    """Raise InputError if model, data, space and protocol do not fit each other, before anything is embedded."""
    geometry, chosen = space.geometry, protocol_named(protocol)
    check_readable(model, geometry)
    if chosen.asks is not None and chosen.asks not in geometry.measures:
        raise InputError(f"the protocol {protocol} asks for a {chosen.asks}, which {geometry.spec} does not define.")
    chosen.check(model, with_stored_images(model, hierarchy), space)


def check_readable(model: Model, geometry: Geometry) -> None:
    """Raise InputError for embeddings of another dimension, a law that fails, or one whose rows a head has to make."""
    geometry.parts(model.dim)
    if isinstance(geometry, PairLaw):
        geometry.try_out(model.dim)
    if not (isinstance(geometry, PairLaw) and geometry.made_by_heads):
        return
    own = model.native_space()
    if own is None or type(own.geometry) is not type(geometry):
        spec = geometry.spec
        raise InputError(
            f"rows of {spec} hold more than {model.name} gives: train a head that makes them, with 'hiergeo train head "
            f"-g {spec}', and measure that."
        )


def embed_for(
    protocol: str, model: Model, hierarchy: Hierarchy, compute: Compute = ON_THE_CPU, *, progress: bool = False
) -> Embedded:
    """Embed what a protocol measures of a hierarchy."""
    chosen = protocol_named(protocol)
    return embed(model, hierarchy, images=chosen.images, negatives=chosen.negatives, compute=compute, progress=progress)


def as_space(space: Space | Geometry | str) -> Space:
    """The space itself, or the one around the model's root in the geometry given or named."""
    return space if isinstance(space, Space) else Space(space)


def measured(model: Model | str, dataset: Hierarchy | str) -> Hierarchy:
    """The data to measure a model on; InputError unless both are of their kinds."""
    if isinstance(model, Hierarchy) or not isinstance(model, str | Path | Model):
        raise InputError(f"the first argument is a model or its spec, not {type(model).__name__}: data come after it.")
    if not isinstance(dataset, str | Path | Hierarchy):
        raise InputError(f"the data are a hierarchy or its name, not {type(dataset).__name__}: see hiergeo.datasets.")
    return dataset if isinstance(dataset, Hierarchy) else datasets.load(str(dataset))


def ready(model: Model | str, space: Space | Geometry | str | None, device: str | torch.device) -> tuple[Model, Space]:
    """A model and the space to measure it in, `native_space` for None; the space is read before a model is loaded."""
    given = None if space is None else as_space(space)
    loaded = adapters.load(model, device=str(device))
    if given is None:
        return loaded, native_space(loaded)
    return loaded, learnt_space(loaded, given) if isinstance(space, str) else given


def learnt_space(model: Model, space: Space) -> Space:
    """A space made of a spec, or the one that the model brings where that is the same law, with what it learnt."""
    with suppress(InputError):
        if space.geometry.learnt and (own := model.native_space()) and own.geometry.spec == space.geometry.spec:
            return own
    return space


def native_space(model: Model) -> Space:
    """The space that a model brings, or Euclidean space around its root."""
    return model.native_space() or Space("euclidean")


def diagnose(view: View, seed: int) -> dict[str, float]:
    """Numbers about a space at the captions of a view.

    `radius_mean_tierI`, `radius_std_tierI` per tier; `radius_spread`, the largest over the smallest tier mean;
    `in_cone` and `in_cone_random`, the shares of (parent, child) pairs and of random pairs in which the first entails
    the second, in a geometry with an entailment; where it has curvatures, `bend`, how much sn(r) exceeds or falls short
    of r at the largest radius, in a product that of the factor that bends most; where there is a single one,
    `curvature`, and `aperture_root`, the share of captions so close to the root that their cone is a half-space.
    """
    space, chains, radii = view.space, view.embedded.chains, view.radii
    tiers = radii.mean(0)
    numbers = {f"radius_mean_tier{i}": float(mean) for i, mean in enumerate(tiers)}
    numbers |= {f"radius_std_tier{i}": float(std) for i, std in enumerate(radii.std(0))}
    numbers["radius_spread"] = float(tiers.max() / max(tiers.min(), np.finfo(np.float64).tiny))

    def in_cone(parent: Tensor, child: Tensor) -> float:
        return float(pair_scores(space.entails, view.captions, parent, child).cpu().double().mean())

    if "margin" in space.geometry.measures:
        parent, child = chains[:, :-1].flatten(), chains[:, 1:].flatten()
        numbers["in_cone"] = in_cone(parent, child)
        shuffled = child[torch.randperm(len(child), generator=torch.Generator().manual_seed(seed)).to(child.device)]
        numbers["in_cone_random"] = in_cone(parent, shuffled)

    curvatures = space.geometry.curvature_values(view.embedded.captions.shape[-1])
    if curvatures:
        reaches = view.factor_radii.amax(0).tolist()
        numbers["bend"] = max(map(bend, curvatures, reaches), key=abs)
    if "single" in space.geometry.measures:
        places = torch.arange(len(view.embedded.texts), device=chains.device)
        wide = row_by_row(lambda which: space.half_aperture(located_rows(view.text, which)) >= math.pi / 2, places)
        numbers["aperture_root"] = float(wide.cpu().double().mean())
        numbers["curvature"] = curvatures[0]
    return numbers
