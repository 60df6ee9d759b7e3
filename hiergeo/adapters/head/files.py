"""The folder of a head: ``config.json``, and the weights in safetensors that it names.

The configuration is written last and names its weights by their hash, so a folder holds one whole head at any moment:
the one before until the new one is there.
"""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hiergeo.adapters._base import Model
from hiergeo.adapters.head.model import HeadModel
from hiergeo.adapters.head.network import Head, HeadShape
from hiergeo.errors import InputError
from hiergeo.storage.files import atomic_write, atomic_write_text, sha256
from hiergeo.storage.paths import path_of

CONFIG = "config.json"


def write(folder: Path | str, head: Head, config: Mapping[str, Any]) -> Path:
    """Store a head with whatever describes it, JSON values by name; returns the folder.

    `load` heeds ``base`` (the spec of the frozen model, or None), ``base_fingerprint`` and ``leakage``; ``shape``,
    ``weights`` and ``weights_sha256`` are added here.

    Raises:
        UnavailableError: the folder cannot be written; what was there is kept.
    """
    from safetensors.torch import save

    folder = Path(folder)
    blob = save({name: weight.detach().cpu().contiguous() for name, weight in head.state_dict().items()})
    with atomic_write(folder / "head.safetensors.new") as handle:
        handle.write(blob)
    digest = sha256(folder / "head.safetensors.new")
    weights = folder / f"head-{digest[:12]}.safetensors"
    (folder / "head.safetensors.new").replace(weights)
    whole = {**config, "shape": head.shape._asdict(), "weights": weights.name, "weights_sha256": digest}
    atomic_write_text(folder / CONFIG, json.dumps(whole, indent=2) + "\n")
    for old in set(folder.glob("head-*.safetensors")) - {weights}:
        old.unlink()
    return folder


def read_config(folder: Path | str) -> dict[str, Any]:
    """What `write` was given, and the shape and the weights of the head.

    Raises:
        InputError: there is no such folder, or its configuration is damaged.
    """
    path = Path(folder) / CONFIG
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        HeadShape(**config["shape"])
        weights = path.parent / config["weights"], config["weights_sha256"]
    except OSError:
        raise InputError(f"{folder} holds no head: there is no {CONFIG} to read.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}): train the head again or restore the file.") from error
    if not weights[0].is_file() or sha256(weights[0]) != weights[1]:
        raise InputError(f"{weights[0]} is missing or damaged: train the head again or restore the file.")
    return config


def read_head(folder: Path | str) -> Head:
    """The network of a stored head, on the CPU. Raises InputError as `read_config` does."""
    from safetensors.torch import load_file

    config = read_config(folder)
    head = Head(HeadShape(**config["shape"]))
    try:
        head.load_state_dict(load_file(Path(folder) / config["weights"]))
    except RuntimeError as error:
        raise InputError(f"the weights in {folder} do not fit its {CONFIG}: {error}.") from error
    return head


def load(rest: str, *, device: torch.device) -> HeadModel:
    """The head of ``FOLDER`` on the model its configuration names, or of ``FOLDER@SPEC`` on the model named there.

    Raises:
        InputError: no head there, damaged files, no model named anywhere, one of another dimension, or a model whose
            weights or stored embeddings are not the ones that the head was trained on (name it by ``@SPEC`` to use it).
    """
    from hiergeo.adapters._registry import load as load_model

    folder, _, spec = rest.partition("@")
    config = read_config(path_of(folder))
    head = read_head(path_of(folder)).to(device)
    if not (spec or config.get("base")):
        raise InputError(f"the head in {folder} names no model to stand on: write head:{folder}@SPEC.")
    base = load_model(spec or config["base"], device=device)
    if not spec:
        _check_same(base, config, folder)
    if config.get("leakage"):
        warnings.warn(f"the head in {folder} was trained on test data: {config['leakage']}", stacklevel=2)
    return HeadModel(base, head, f"head:{rest}")


def _check_same(base: Model, config: dict[str, Any], folder: str) -> None:
    trained_on = config.get("base_fingerprint")
    if trained_on and base.fingerprint() != trained_on:
        raise InputError(
            f"{base.name} is not what the head in {folder} was trained on (fingerprint {base.fingerprint()} instead of "
            f"{trained_on}): name the model to use, head:{folder}@SPEC."
        )
