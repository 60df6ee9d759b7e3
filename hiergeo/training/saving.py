"""Trained heads on disk: the folder, its configuration, and the space of the training."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from hiergeo._core.errors import InputError
from hiergeo._core.version import __version__
from hiergeo.adapters.head_files import read_head_config, write_head
from hiergeo.geometry import Space, parse
from hiergeo.training.chains import Chains
from hiergeo.training.trainer import Trained, at_step


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
