"""Fine-tuning: takes a model and chains, writes a folder with the trained model."""

import copy
import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.storage import documents
from hiergeo._core.storage.files import atomic_folder, retire
from hiergeo._core.version import __version__
from hiergeo.adapters import Model
from hiergeo.adapters.towers import tower_of
from hiergeo.datasets import Hierarchy
from hiergeo.geometry import Geometry, parse
from hiergeo.losses import check_curvature
from hiergeo.training.chains import Chains, from_hierarchy
from hiergeo.training.objective import check_objective
from hiergeo.training.processes import accelerated, is_writer, sole_writer
from hiergeo.training.re.recipe import TowerRecipe
from hiergeo.training.re.run import TowerRun
from hiergeo.training.resuming import CHECKPOINTS, TrainedFolder
from hiergeo.training.trainer import at_step

CONFIG, MODEL = "config.json", "model"
"""Names of the parts of a training's folder."""

ORIGIN = "hiergeo.json"
"""Copy of the configuration inside the exported model."""


@torch_defaults()
def fine_tune(
    model: Model,
    hierarchy: Hierarchy,
    out: Path | str,
    geometry: Geometry | str = "euclidean",
    recipe: TowerRecipe | None = None,
    *,
    overwrite: bool = False,
    log: str | None = None,
    cache: Path | None = None,
    progress: bool = False,
) -> TrainedFolder:
    """Train a copy of the text tower of a model on captions alone; the model itself is not changed.

    ``OUT/model`` gets the whole model in the format of its own library, ``OUT/config.json`` what was done,
    ``OUT/log.jsonl`` the losses of every step and what every look saw, ``OUT/checkpoints`` what a training needs to go
    on: the same training goes on from its newest intact checkpoint. Of several processes only the first writes. The
    best state by validation loss is exported.

    Args:
        model: of open_clip, transformers or sentence-transformers.
        hierarchy: chains with negatives; a share of its images is held out for validation.
        out: the folder.
        geometry: where losses are taken, around the tower's embedding of the empty caption; a learnable curvature is
            learnt along.
        recipe: how; the paper's when None.
        overwrite: begin anew whatever training the folder holds.
        log: ``tensorboard`` or ``wandb``, where losses go besides.
        cache: of the frozen embeddings, as for `hiergeo.training.from_hierarchy`.
        progress: draw a bar for work that outlasts a second.

    Raises:
        InputError: no text tower to train, chains that teach nothing, test images among them, a folder that is taken, a
            checkpoint of another training.
        UnavailableError: a package is not installed, the folder cannot be written or another training is writing it, or
            one of several processes is gone.
    """
    recipe, out = recipe or TowerRecipe(), Path(out)
    geometry = parse(geometry) if isinstance(geometry, str) else copy.deepcopy(geometry)
    if (out / MODEL).exists() and not (out / MODEL / ORIGIN).exists():
        raise InputError(f"{out / MODEL} exists but was not created by hiergeo: choose another folder.")
    settings, visible = asdict(recipe), progress and is_writer()
    with sole_writer(recipe.seed, out, out / CHECKPOINTS):
        tower = tower_of(model, recipe.lora)
        geometry.parts(model.dim)
        check_objective(recipe.losses, [geometry], model.dim, [model.dim])
        check_curvature(geometry)
        with accelerated(tower.device, recipe.amp, recipe.batch, log, out, settings) as accelerator:
            chains = from_hierarchy(hierarchy, model, cache=cache, progress=visible)
            identity = _identity(model, chains, geometry, settings)
            run = TowerRun(tower, chains, geometry, recipe, accelerator)
            diverged = run.complete(out, identity, CONFIG, overwrite=overwrite, progress=visible)
            config = identity | {
                "architecture": type(tower.network).__name__,
                "activations": tower.activations,
                "geometry": geometry.fixed().spec,
                "curvature": list(at_step(run.looks, run.best).curvature),
                "best_step": run.best,
                "last_step": run.looks[-1].step,
                "diverged": diverged,
                "hiergeo": __version__,
                "torch": torch.__version__,
            }
            if accelerator.is_main_process:
                tower.merge()
                with atomic_folder(out / MODEL) as scratch:
                    config |= {"spec": tower.export(scratch, out / MODEL)}
                    documents.write(scratch / ORIGIN, config)  # by which a training that dies here goes on
                    retire(out / CONFIG)
                documents.write(out / CONFIG, config)
            accelerator.wait_for_everyone()
    return TrainedFolder(config.get("spec", ""), geometry, tuple(run.looks), run.best, diverged, config)


def _identity(model: Model, chains: Chains, geometry: Geometry, settings: dict[str, Any]) -> dict[str, Any]:
    """What a training is: only one that agrees in all of this goes on from its checkpoints."""
    positions = [part.tolist() for part in (chains.positive, chains.negative, chains.group)]
    digest = sha256(json.dumps([chains.texts, *positions]).encode()).hexdigest()
    return {
        "base": model.name,
        "base_fingerprint": model.fingerprint(),
        "root": "",
        "geometry": geometry.fixed().spec,
        "data": {"origin": chains.origin, "rows": len(chains), "sha256": digest},
        **settings,
    }
