"""The folder of a head: ``config.json``, and the weights and the history that it names by their hashes.

The configuration is written last, so a folder holds one whole head at any moment: the one before until the new one is
there with all its files.
"""

import hashlib
import json
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, InputError
from hiergeo._core.storage import documents, tensors
from hiergeo._core.storage.documents import Document, Json, Open, Sha256
from hiergeo._core.storage.files import atomic_write, path_of, refuse_existing, remove_leftovers, sha256
from hiergeo._core.storage.locks import locked
from hiergeo.adapters.head import Head, HeadModel, HeadShape
from hiergeo.adapters.hub import snapshot

NUMBER_BYTES = 8
"""Bytes of a number among the weights, at most."""

CONFIG, WEIGHTS, HISTORY = "config.json", "head-{}.safetensors", "history-{}.json"
"""The files of a head; the last two are named by the first digits of their hashes."""

HUB = "hf-hub:"
"""Beginning of the name of a repository of the Hugging Face hub."""

Width = Annotated[int, Field(ge=0, le=limits.WIDTH)]


class _Shape(Document):
    inputs: Width
    outputs: Width
    hidden: Width
    unit: bool


class _HeadConfig(Open):
    """What the configuration must be before anything in it is used."""

    shape: _Shape
    weights: Annotated[str, Field(pattern=r"^head-[0-9a-f]{12}\.safetensors$")]
    weights_sha256: Sha256
    base: str | None = None
    base_fingerprint: str | None = None
    leakage: str | None = None
    geometry: str = ""
    history: Annotated[str, Field(pattern=r"^history-[0-9a-f]{12}\.json$")] = ""
    history_sha256: Sha256 = ""


_depth: ContextVar[int] = ContextVar("depth", default=0)
"""How many heads are being loaded, the model of each above the next."""


def write_head(
    folder: Path | str,
    head: Head,
    config: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]] = (),
    *,
    overwrite: bool = False,
) -> Path:
    """Store a head and its description, whole or not at all; returns the folder.

    Args:
        folder: where.
        head: the network.
        config: JSON values by name. `load_head` reads ``base`` (the spec of the frozen model, or None),
            ``base_fingerprint`` and ``leakage``; ``shape``, ``weights``, ``history`` and the hashes are added here.
        history: JSON values by name for each look at the validation rows.
        overwrite: replace a head that is there.

    Raises:
        InputError: there is a head and it is not to be replaced, or the folder is of something else.
        UnavailableError: the folder cannot be written, or another process is writing it; what was there is kept.
    """
    folder = Path(folder)
    check_free(folder, overwrite)
    with locked(folder / CONFIG), _removed_if_it_fails(folder):
        remove_leftovers(folder)
        weights, digest = _published(folder, WEIGHTS, tensors.packed(head.state_dict()))
        looks, looks_digest = _published(folder, HISTORY, (json.dumps(list(history), indent=1) + "\n").encode())
        whole = {
            **config,
            "shape": head.shape._asdict(),
            "weights": weights.name,
            "weights_sha256": digest,
            "history": looks.name,
            "history_sha256": looks_digest,
        }
        documents.write(folder / CONFIG, whole)
        for old in _parts(folder) - {weights, looks}:
            old.unlink(missing_ok=True)
    return folder


def _parts(folder: Path) -> set[Path]:
    return {*folder.glob(WEIGHTS.format("*")), *folder.glob(HISTORY.format("*"))}


@contextmanager
def _removed_if_it_fails(folder: Path) -> Iterator[None]:
    """Remove the weights and the history that the block has added where it ends by an error."""
    before = _parts(folder)
    try:
        yield
    except HiergeoError:
        for new in _parts(folder) - before:
            new.unlink(missing_ok=True)
        raise


def _published(folder: Path, name: str, content: bytes) -> tuple[Path, str]:
    """Write a file named by its hash; returns its path and the hash."""
    digest = hashlib.sha256(content).hexdigest()
    path = folder / name.format(digest[:12])
    with atomic_write(path) as handle:
        handle.write(content)
    return path, digest


def check_free(folder: Path | str, overwrite: bool) -> None:
    """Raise InputError if the folder holds a head that must not be replaced, or something other than a head."""
    config = Path(folder) / CONFIG
    refuse_existing(config, overwrite)
    if config.exists():
        try:
            values = documents.read(config, dict[str, Json])
        except InputError:
            return
        if "weights" not in values:
            raise InputError(f"{folder} holds something else than a head: choose another folder.")


def read_head_config(folder: Path | str) -> dict[str, Any]:
    """The configuration of a stored head; its files are verified.

    Raises:
        InputError: there is no such folder, or its files are damaged, missing or do not fit each other.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise InputError(f"{folder} holds no head: there is no {CONFIG} to read.")
    config = documents.read(path, _HeadConfig, hashed=True).as_dict()
    numbers = sum(map(math.prod, HeadShape(**config["shape"]).weights().values()))
    most = {"weights": limits.TENSOR_HEADER_BYTES + NUMBER_BYTES * numbers, "history": limits.JSON_BYTES}
    for name in most.keys() & config.keys():
        file = path.parent / config[name]
        if not file.is_file() or file.stat().st_size > most[name] or sha256(file) != config.get(f"{name}_sha256"):
            raise InputError(f"{file} is missing or damaged: train the head again or restore the file.")
    return config


def load_head(rest: str, *, device: torch.device) -> HeadModel:
    """The head of ``FOLDER`` on the model its configuration names, or of ``FOLDER@SPEC`` on the model named there.

    In place of the folder ``hf-hub:ORG/NAME`` or ``hf-hub:ORG/NAME:REVISION`` is a repository of the Hugging Face hub.

    Raises:
        UnavailableError: a repository that cannot be had.
        InputError: no head there, damaged files, no model named anywhere, one of another dimension, or a model whose
            weights or stored embeddings are not the ones that the head was trained on (name it by ``@SPEC`` to use it).
    """
    from hiergeo.adapters.loading import load as load_model

    ends = [end for end in range(len(rest), 0, -1) if rest[end : end + 1] in ("", "@")]
    end = next((end for end in ends if os.path.isdir(os.path.expanduser(rest[:end]))), ends[-1])
    name, spec = rest[:end], rest[end + 1 :]
    folder = path_of(name)
    if name.startswith(HUB):
        repository, _, revision = name.removeprefix(HUB).partition(":")
        folder = snapshot(repository, f"the head {repository}", "head:FOLDER", revision or None)
    config = read_head_config(folder)
    if not (spec or config.get("base")):
        raise InputError(f"the head in {name} names no model to stand on: write head:{name}@SPEC.")
    token = _depth.set(_depth.get() + 1)
    try:
        if _depth.get() > limits.HEADS_STACKED:
            raise InputError(
                f"{name} is the {_depth.get()}th head on top of another, or names itself as the model to stand on: at "
                f"most {limits.HEADS_STACKED} can be stacked; write head:{name}@SPEC."
            )
        base = load_model(spec or config["base"], device=device)
    finally:
        _depth.reset(token)
    weights, head = folder / config["weights"], Head(HeadShape(**config["shape"]))
    tensors.check_fit(weights, head.shape.weights(), tensors.shapes(weights))
    head.load_state_dict(tensors.read(weights))
    trained_on = None if spec else config.get("base_fingerprint")
    if trained_on and trained_on != base.fingerprint():
        raise InputError(
            f"{base.name} is not what the head in {name} was trained on (fingerprint {base.fingerprint()} instead of "
            f"{trained_on}): name the model to use, head:{name}@SPEC."
        )
    if config.get("leakage"):
        warnings.warn(f"the head in {name} was trained on test data: {config['leakage']}", stacklevel=2)
    return HeadModel(base, head.to(device), f"head:{rest}", config.get("geometry"))
