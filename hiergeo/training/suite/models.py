"""The models of a suite: loaded once, trained first where the plan says so, with their embeddings cached."""

import importlib.util
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

from hiergeo import adapters, datasets
from hiergeo._core.errors import InputError, UnavailableError, warn
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Document, Sha256
from hiergeo._core.storage.files import retire
from hiergeo._core.storage.locks import HeldError, locked
from hiergeo._core.version import __version__
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy, scenes
from hiergeo.geometry import Geometry, Space, parse
from hiergeo.training import TowerRecipe, fine_tune, from_hierarchy, save_head, train_head
from hiergeo.training.suite.embedding_cache import cached
from hiergeo.training.suite.plan import NATIVE, ModelEntry, Training

CACHE, TRAINED = "cache", "models"
"""Folders of embeddings and of trained models in that of a suite."""

HERE = "{folder}"
"""What stands for the folder of a trained model in the spec that loads it, so that a suite can be moved."""


class _Marker(Document):
    """The record of a training that is done."""

    work: Sha256
    spec: str
    geometry: str


PATIENCE = 0.5
"""Seconds between two attempts at a lock that another shard holds."""


class Loaded:
    """A model of a suite, and the space that it was trained in, if any.

    Attributes:
        model: with cached embeddings.
        geometry: spec of the geometry that its training ended in; None where nothing is known.
    """

    def __init__(self, model: Model, geometry: str | None) -> None:
        self.model, self.geometry = model, geometry

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
    if entry.train is None:
        model = adapters.load(spec, device=device)
        return Loaded(cached(model, out / CACHE), getattr(model, "trained_in", None))
    folder = out / TRAINED / f"{entry.train.kind}-{_work(spec, entry.train)[:16]}"
    with _awaited(folder.with_suffix(".training")):
        held = _finished(folder, _work(spec, entry.train))
        if held is None:
            held = _train(spec, entry.train, folder, out, device)
    model = adapters.load(held.spec.replace(HERE, str(folder.resolve())), device=device)
    return Loaded(cached(model, out / CACHE), held.geometry)


def _package(name: str) -> str:
    """The folder of an installed package, which is not imported."""
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None or not found.submodule_search_locations:
        raise UnavailableError(f"the package {name} is not installed, which holds the model.")
    return str(next(iter(found.submodule_search_locations)))


def _work(spec: str, train: Training) -> str:
    told = [spec, train.kind, train.data, train.split, train.rows, train.geometry, train.learn_curvature]
    settings = json.dumps([told, dict(train.settings), __version__], sort_keys=True, default=str)
    return sha256(settings.encode()).hexdigest()


@contextmanager
def _awaited(path: Path) -> Iterator[None]:
    """Hold a lock, waiting for another shard that trains the same model."""
    with ExitStack() as held:
        told = False
        while True:
            try:
                held.enter_context(locked(path))
                break
            except HeldError as error:
                if not told:
                    warn(f"waiting for a model that is being trained: {error}")
                told = True
                time.sleep(PATIENCE)
        yield


def _finished(folder: Path, work: str) -> _Marker | None:
    """What is known of a training that is done; None where it is not, or its record is damaged."""
    marker = folder.with_suffix(".json")
    if not marker.exists():
        return None
    try:
        held = documents.read(marker, _Marker, hashed=True)
    except InputError as error:
        warn(f"the record of a training is damaged, and it is done again: {error}")
        retire(folder)
        return None
    return held if held.work == work and folder.is_dir() else None


def _train(spec: str, train: Training, folder: Path, out: Path, device: str) -> _Marker:
    base = adapters.load(spec, device=device)
    geometry: Geometry = parse(train.geometry)
    geometry = geometry.learnable() if train.learn_curvature else geometry
    hierarchy = _rows(train)
    recipe = train.recipe
    if isinstance(recipe, TowerRecipe):
        tuned = fine_tune(base, hierarchy, folder, geometry, recipe)
        found, learnt, diverged = tuned.spec, tuned.geometry.spec, tuned.diverged
    else:
        chains = from_hierarchy(hierarchy, cached(base, out / CACHE))
        trained = train_head(chains, geometry, recipe, device=device)
        save_head(trained, chains, folder, overwrite=True)
        found, learnt, diverged = f"head:{folder.resolve()}", trained.geometry.spec, trained.diverged
    if diverged:
        raise InputError(f"its training diverged: {diverged}.")
    held = _Marker(work=_work(spec, train), spec=found.replace(str(folder.resolve()), HERE), geometry=learnt)
    documents.write(folder.with_suffix(".json"), held.model_dump())
    return held


def _rows(train: Training) -> Hierarchy:
    if train.rows is not None and train.data == "scenes":
        return datasets.load(train.data, train.split, count=min(train.rows, scenes.COUNTS.get(train.split, train.rows)))
    hierarchy = datasets.load(train.data, train.split)
    return hierarchy if train.rows is None else hierarchy.take(train.rows)
