"""The models of a suite: loaded once, trained first where the plan says so, with their embeddings cached."""

import importlib.util
import json
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from hiergeo import adapters, datasets
from hiergeo._core.errors import InputError, UnavailableError, warn
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Document, Sha256
from hiergeo._core.storage.locks import FOREVER, locked
from hiergeo._core.version import __version__
from hiergeo.adapters import Model
from hiergeo.adapters.cache import cached
from hiergeo.geometry import Space, parse
from hiergeo.training import TowerRecipe, fine_tune, from_hierarchy, save_head, train_head
from hiergeo.training.suite.plan import NATIVE, ModelEntry, Training

CACHE, TRAINED = "cache", "models"
"""Folders of embeddings and of trained models in that of a suite."""

HERE = "{folder}"
"""What stands for the folder of a trained model in the spec that loads it, so that a suite can be moved."""


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


class _Record(Document):
    """The record of a training that is done."""

    work: Sha256
    spec: str
    geometry: str


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
    record = None if entry.train is None else _trained(spec, entry.train, out, device)
    model = adapters.load(spec if record is None else record.spec, device=device)
    geometry = getattr(model, "trained_in", None) if record is None else record.geometry
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


def _trained(spec: str, train: Training, out: Path, device: str) -> _Record:
    """The record of a training, which is done first where there is none; its spec loads the trained model."""
    about = [spec, train.kind, train.data, train.split, train.rows, train.geometry, train.learn_curvature]
    settings = json.dumps([about, train.settings, __version__], sort_keys=True, default=str)
    work = sha256(settings.encode()).hexdigest()
    folder = out / TRAINED / f"{train.kind}-{work[:16]}"
    with locked(folder.with_suffix(".training"), FOREVER):
        record = _finished(folder, work)
        if record is None:
            found, geometry = _train(spec, train, folder, out, device)
            record = _Record(work=work, spec=found.replace(str(folder.resolve()), HERE), geometry=geometry)
            documents.write(folder.with_suffix(".json"), record.model_dump())
    return record.model_copy(update={"spec": record.spec.replace(HERE, str(folder.resolve()))})


def _finished(folder: Path, work: str) -> _Record | None:
    """What is known of a training that is done; None where it is not, or its record is damaged."""
    path = folder.with_suffix(".json")
    if not path.exists():
        return None
    try:
        record = documents.read(path, _Record, hashed=True)
    except InputError as error:
        warn(f"the record of a training is damaged, and it is done again: {error}")
        return None
    return record if record.work == work and folder.is_dir() else None


def _train(spec: str, train: Training, folder: Path, out: Path, device: str) -> tuple[str, str]:
    """Train a model into a folder; returns the spec that loads it, and that of its geometry."""
    base = adapters.load(spec, device=device)
    geometry = parse(train.geometry)
    geometry = geometry.learnable() if train.learn_curvature else geometry
    hierarchy = datasets.load(train.data, train.split, rows=train.rows)
    if isinstance(recipe := train.recipe, TowerRecipe):
        tuned = fine_tune(base, hierarchy, folder, geometry, recipe)
        found, learnt, diverged = tuned.spec, tuned.geometry.fixed().spec, tuned.diverged
    else:
        chains = from_hierarchy(hierarchy, cached(base, out / CACHE))
        trained = train_head(chains, geometry, recipe, device=device)
        save_head(trained, chains, folder, overwrite=True)
        found, learnt, diverged = f"head:{folder.resolve()}", trained.geometry.fixed().spec, trained.diverged
    if diverged:
        raise InputError(f"its training diverged: {diverged}.")
    return found, learnt
