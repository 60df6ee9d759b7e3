"""Trained heads on disk: the folder, its configuration, the space of the training, and trainings that are done once."""

import copy
import json
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hiergeo._core.errors import InputError
from hiergeo._core.jobs import intact, under_locks
from hiergeo._core.version import __version__
from hiergeo.adapters.head import Head, HeadShape, read_head_config, write_head
from hiergeo.geometry import Geometry, Space
from hiergeo.geometry.spec import recorded
from hiergeo.training.chains import Chains
from hiergeo.training.checkpoints import Checkpoint, load, save
from hiergeo.training.trainer import Recipe, Trained, at_step, train_head


def save_head(trained: Trained, chains: Chains, folder: Path | str, *, overwrite: bool = False) -> Path:
    """Write a trained head; ``hiergeo.adapters.load("head:FOLDER")`` reads it again.

    The folder gets ``config.json`` (`describe`), and the weights in safetensors and the history that it names.

    Args:
        trained: the head.
        chains: those of its training.
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
        "law": trained.geometry.learnt,
        "curvature": list(at_step(trained.history, trained.best).curvature),
        "root": "the head's embedding of the empty caption",
        "losses": dict(recipe.losses),
        "data": {"origin": chains.origin, "rows": len(chains), "sha256": chains.sha256},
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
    return Space(recorded(config["geometry"], config.get("law")))


def trained_once(folder: Path, chains: Chains, geometry: Geometry, recipe: Recipe) -> Trained:
    """A head as `train_head` trains it on the device of the chains; read from a folder where the same training is done.

    Raises:
        InputError: as `train_head`.
        UnavailableError: the folder cannot be written.
    """
    digest = sha256(json.dumps([chains.sha256, chains.group.tolist()]).encode()).hexdigest()
    training = {"geometry": geometry.spec, "recipe": asdict(recipe), "data": digest, "hiergeo": __version__}
    run: dict[str, Any] = json.loads(json.dumps(training | {"device": chains.text.device.type}))
    name = f"{sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()[:16]}.safetensors"

    def train(path: Path) -> Trained:
        done = intact(path, partial(_read, chains=chains, geometry=geometry, recipe=recipe))
        if done is not None:
            return done
        trained = train_head(chains, geometry, recipe, device=None)
        weights = nn.ModuleList([trained.head, trained.geometry]).state_dict()
        looks, last = trained.history, trained.history[-1].step
        save(path, Checkpoint(last, trained.best, run, looks, diverged=trained.diverged, tensors=weights))
        return trained

    return next(under_locks([folder / name], Path, train))


def _read(path: Path, chains: Chains, geometry: Geometry, recipe: Recipe) -> Trained:
    done, inputs, trained_in = load(path), chains.text.shape[1], copy.deepcopy(geometry)
    head = Head(HeadShape(inputs, recipe.outputs or inputs, recipe.hidden, recipe.unit), recipe.seed)
    module = nn.ModuleList([head, trained_in])
    module.load_state_dict(done.tensors)
    module.to(chains.text.device)
    return Trained(head.eval(), trained_in, recipe, done.looks, done.best, done.diverged)
