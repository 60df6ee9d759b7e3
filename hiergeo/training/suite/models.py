"""The models of a suite: loaded once, trained first where the plan says so, with their embeddings cached."""

import importlib.util
import json
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from hiergeo import adapters, datasets
from hiergeo._core.devices import resolve_device
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage.locks import FOREVER, locked
from hiergeo._core.version import __version__
from hiergeo.adapters import Model
from hiergeo.adapters.store import cached
from hiergeo.geometry import Space, parse
from hiergeo.training import HeadModel, TowerRecipe, fine_tune, from_hierarchy
from hiergeo.training.saving import trained_once
from hiergeo.training.suite.plan import NATIVE, ModelEntry, Training

CACHE, TRAINED = "cache", "models"
"""Folders of embeddings and of trained models in that of a suite."""


class Loaded(NamedTuple):
    """A model of a suite, and the space that it was trained in, if any.

    Attributes:
        model: with cached embeddings.
        fingerprint: of it.
        geometry: spec of the geometry that its training ended in; None where nothing is known.
    """

    model: Model
    fingerprint: str
    geometry: str | None

    def space(self, spec: str) -> Space:
        """The space of a spec; of ``native`` the model's own, the one that it was trained in, or Euclidean space."""
        if spec != NATIVE:
            return Space(spec)
        return self.model.native_space() or Space(self.geometry or "euclidean")


def load_model(entry: ModelEntry, out: Path, device: str) -> Loaded:
    """Load a model of a plan, after its training where that has not been done.

    Args:
        entry: the model.
        out: the folder of the suite.
        device: where networks run.

    Raises:
        UnavailableError: a package, weights or training data are not there.
        InputError: files that cannot be used, or a training that diverged.
    """
    spec = entry.spec.replace("{package}", _package(entry.package) if entry.package else "")
    model = adapters.load(spec, device=device)
    geometry = getattr(model, "trained_in", None)
    if entry.train is not None:
        model, geometry = _trained(model, entry.train, out, device)
    return Loaded(cached(model, out / CACHE), model.fingerprint(), geometry)


def _package(name: str) -> str:
    """The folder of an installed package, which is not imported."""
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None or not found.submodule_search_locations:
        raise UnavailableError(f"the package {name} is not installed, which holds the model.")
    return str(next(iter(found.submodule_search_locations)))


def _trained(base: Model, train: Training, out: Path, device: str) -> tuple[Model, str]:
    """A model as its training left it, which is done once, and the spec of the geometry that it ended in."""
    geometry = parse(train.geometry)
    geometry = geometry.learnable() if train.learn_curvature else geometry
    hierarchy = datasets.load(train.data, train.split, rows=train.rows)
    if isinstance(recipe := train.recipe, TowerRecipe):
        settings = json.dumps([base.fingerprint(), train.model_dump(), __version__], sort_keys=True, default=str)
        folder = out / TRAINED / f"{train.kind}-{sha256(settings.encode()).hexdigest()[:16]}"
        with locked(folder.with_suffix(".training"), FOREVER):
            tuned = fine_tune(base, hierarchy, folder, geometry, recipe)
            model, learnt, diverged = adapters.load(tuned.spec, device=device), tuned.geometry, tuned.diverged
    else:
        chains = from_hierarchy(hierarchy, cached(base, out / CACHE)).to(resolve_device(device))
        trained = trained_once(out / TRAINED, chains, geometry, recipe)
        learnt, diverged = trained.geometry, trained.diverged
        model = HeadModel(base, trained.head, trained_in=learnt.fixed().spec)
    if diverged:
        raise InputError(f"its training diverged: {diverged}.")
    return model, learnt.fixed().spec
