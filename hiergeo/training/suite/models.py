"""The models of a suite: loaded once, trained first where the plan says so, with their embeddings cached."""

import json
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from hiergeo import adapters, datasets
from hiergeo._core.devices import resolve_device
from hiergeo._core.errors import InputError
from hiergeo._core.storage.locks import FOREVER, locked
from hiergeo._core.version import __version__
from hiergeo.adapters import Model
from hiergeo.adapters.cache import cached
from hiergeo.geometry import Space, parse
from hiergeo.training import HeadModel, TowerRecipe, fine_tune, from_hierarchy
from hiergeo.training.saving import trained_once
from hiergeo.training.suite.plan import NATIVE, ModelEntry, Training

CACHE, TRAINED = "cache", "models"
"""Folders of embeddings and of trained models in that of a suite."""


class Loaded(NamedTuple):
    """A model of a suite with cached embeddings, its fingerprint and its native space."""

    model: Model
    fingerprint: str
    native: Space

    def space(self, spec: str) -> Space:
        """The space of a spec, or of ``native``."""
        return self.native if spec == NATIVE else Space(spec)


def load_model(entry: ModelEntry, out: Path, device: str) -> Loaded:
    """Load a model of a plan into the folder of a suite, after its training where that has not been done.

    Raises:
        UnavailableError: a package, weights or training data are not there.
        InputError: files that cannot be used, or a training that diverged.
    """
    model = adapters.load(entry.spec, device=device)
    geometry = getattr(model, "trained_in", None)
    if entry.train is not None:
        model, geometry = _trained(model, entry.train, out, device)
    native = model.native_space() or Space(geometry or "euclidean")
    return Loaded(cached(model, out / CACHE), model.fingerprint(), native)


def _trained(base: Model, train: Training, out: Path, device: str) -> tuple[Model, str]:
    """A model as its training left it, which is done once, and the spec of the geometry that it ended in."""
    geometry = parse(train.geometry)
    hierarchy = datasets.load(train.data, train.split, rows=train.rows)
    if isinstance(recipe := train.recipe, TowerRecipe):
        settings = json.dumps([base.fingerprint(), train.model_dump(), __version__], sort_keys=True, default=str)
        folder = out / TRAINED / f"{train.kind}-{sha256(settings.encode()).hexdigest()[:16]}"
        with locked(folder.with_suffix(".training"), FOREVER):
            tuned = fine_tune(base, hierarchy, folder, geometry, recipe)
            model, diverged = adapters.load(tuned.spec, device=device), tuned.diverged
            learnt = tuned.geometry or geometry
    else:
        chains = from_hierarchy(hierarchy, cached(base, out / CACHE)).to(resolve_device(device))
        trained = trained_once(out / TRAINED, chains, geometry, recipe)
        learnt, diverged = trained.geometry, trained.diverged
        model = HeadModel(base, trained.head, trained_in=learnt.fixed().spec)
    if diverged:
        raise InputError(f"its training diverged: {diverged}.")
    return model, learnt.fixed().spec
