"""Trained heads on disk: the folder, its configuration, the space of the training, and trainings that are done once."""

import copy
import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hiergeo._core.errors import InputError, warn
from hiergeo._core.storage import documents, tensors
from hiergeo._core.storage.documents import Count, Document
from hiergeo._core.storage.files import atomic_write
from hiergeo._core.storage.locks import FOREVER, locked
from hiergeo._core.version import __version__
from hiergeo.adapters.head import Head, HeadShape, read_head_config, write_head
from hiergeo.geometry import Geometry, Space, parse
from hiergeo.training.chains import Chains
from hiergeo.training.trainer import EvalRecord, Recipe, Trained, at_step, train_head


def save_head(trained: Trained, chains: Chains, folder: Path | str, *, overwrite: bool = False) -> Path:
    """Write a trained head; ``hiergeo.adapters.load("head:FOLDER")`` reads it again.

    The folder gets ``config.json`` (`describe`), and the weights in safetensors and the history that it names.

    Args:
        trained: the head.
        chains: what it learnt from.
        folder: where.
        overwrite: replace a head that is there.

    Raises:
        InputError: there is a head and it is not to be replaced, or the folder is of something else.
        UnavailableError: the folder cannot be written; a head that was there is kept.
    """
    looks = [look.as_dict() for look in trained.history]
    return write_head(folder, trained.head, describe(trained, chains), looks, overwrite=overwrite)


def describe(trained: Trained, chains: Chains) -> dict[str, Any]:
    """The configuration of a head: model, geometry, data, recipe and versions."""
    recipe = trained.recipe
    base, fingerprint = chains.base or (None, None)
    return {
        "base": base,
        "base_fingerprint": fingerprint,
        "geometry": trained.geometry.fixed().spec,
        "curvature": list(at_step(trained.history, trained.best).curvature),
        "root": "the head's embedding of the empty caption",
        "losses": dict(recipe.losses),
        "data": {"origin": chains.origin, "rows": len(chains), "sha256": chains.sha256},
        "leakage": chains.leakage,
        **{name: getattr(recipe, name) for name in ("seed", "steps", "batch", "learning_rate", "validation")},
        "recipe": asdict(recipe),
        "best_step": trained.best,
        "diverged": trained.diverged,
        "hiergeo": __version__,
        "torch": torch.__version__,
    }


def load_space(folder: Path | str) -> Space:
    """The space that a stored head was trained in, around the root of the model behind it.

    Raises:
        InputError: there is no head, or its configuration is damaged.
    """
    config = read_head_config(folder)
    if "geometry" not in config:
        raise InputError(f"the configuration of the head in {folder} names no geometry: give one yourself.")
    return Space(parse(config["geometry"]))


class _Finished(Document):
    """What a training left beside its weights."""

    history: tuple[EvalRecord, ...]
    best: Count
    diverged: str | None


def trained_once(folder: Path, chains: Chains, geometry: Geometry, recipe: Recipe) -> Trained:
    """A head as `train_head` trains it on the device of the chains; read where the same training is done.

    Args:
        folder: of finished trainings, which other processes may share; each has a file of weights and one of history.
        chains: what it learns from.
        geometry: where losses are taken.
        recipe: how.

    Raises:
        InputError: as `train_head`.
        UnavailableError: the folder cannot be written.
    """
    groups = chains.group.tolist()
    settings = [geometry.spec, asdict(recipe), chains.sha256, groups, str(chains.text.device.type), __version__]
    work = sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
    path = folder / f"{work[:16]}.json"
    with locked(path, FOREVER):
        if path.exists():
            try:
                return _read(path, chains, geometry, recipe)
            except InputError as error:
                warn(f"a finished training is damaged, and it is done again: {error}")
        trained = train_head(chains, geometry, recipe, device=None)
        weights = nn.ModuleList([trained.head, trained.geometry]).state_dict()
        with atomic_write(path.with_suffix(".safetensors")) as handle:
            handle.write(tensors.packed(weights))
        looks = [look.as_dict() for look in trained.history]
        documents.write(path, {"history": looks, "best": trained.best, "diverged": trained.diverged})
    return trained


def _read(path: Path, chains: Chains, geometry: Geometry, recipe: Recipe) -> Trained:
    done, weights = documents.read(path, _Finished, hashed=True), path.with_suffix(".safetensors")
    inputs = chains.text.shape[1]
    head = Head(HeadShape(inputs, recipe.outputs or inputs, recipe.hidden, recipe.unit), recipe.seed)
    trained_in = copy.deepcopy(geometry)
    module = nn.ModuleList([head, trained_in])
    shapes = {name: tuple(weight.shape) for name, weight in module.state_dict().items()}
    tensors.check_fit(weights, shapes, tensors.shapes(weights))
    module.load_state_dict(tensors.read(weights))
    module.to(chains.text.device)
    return Trained(head.eval(), trained_in, recipe, done.history, done.best, done.diverged)
