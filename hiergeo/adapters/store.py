"""Embedding a dataset into a file, batch by batch, so that an interrupted run goes on where it stopped."""

import json
import shutil
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo import _limits
from hiergeo._progress import track
from hiergeo.adapters._base import Model
from hiergeo.datasets._base import Hierarchy
from hiergeo.errors import InputError, check_whole
from hiergeo.storage import archives
from hiergeo.storage.files import atomic_write, atomic_write_text

Item = TypeVar("Item")

MANIFEST = "manifest.json"


def embed(model: Model, hierarchy: Hierarchy, out: Path | str, *, batch_size: int = 64, progress: bool = False) -> Path:
    """Embed the distinct texts of a dataset, and its images if the model sees, into an ``.npz`` that ``npz:`` loads.

    Finished batches wait in the folder ``OUT.partial``; after an interruption the same call computes only the others.
    The file appears when complete, with model name, fingerprint, normalisation, dataset and a hash of its content.

    Returns:
        The path of the file.

    Raises:
        InputError: ``OUT.partial`` belongs to another model, dataset or batch size, or an embedding is unusable.
        UnavailableError: the disk is full or not writable; finished batches are kept.
    """
    out = Path(out)
    if out.suffix != ".npz":
        raise InputError(f"embeddings are written as .npz, so name the file {out.with_suffix('.npz')}, not {out}.")
    if out.is_dir():
        raise InputError(f"{out} is a folder: name a file to write the embeddings to.")
    check_whole("the batch size", batch_size, 1, _limits.BATCH)
    if not model.normalised:
        raise InputError(
            f"{model.name} gives embeddings of free norms, and embedding files hold unit ones: use it as it is."
        )
    texts, images = hierarchy.texts, hierarchy.images if model.has_images else ()
    origin = _origin(model, hierarchy)
    asked = {
        **origin,
        "batch_size": str(batch_size),
        "inputs": sha256(json.dumps([texts, [image.image_id for image in images]]).encode()).hexdigest(),
    }
    partial = out.with_name(f"{out.name}.partial")
    _claim(partial, asked)

    arrays: dict[str, NDArray[np.generic]] = {name: np.array(value) for name, value in origin.items()}
    arrays["root"] = model.root().numpy()
    arrays["caption"] = np.array(texts)
    arrays["text"] = _batches(partial, "text", texts, model.encode_text, batch_size, model.dim, progress)
    if images:
        arrays["image_id"] = np.array([image.image_id for image in images], dtype=np.int64)
        arrays["image"] = _batches(partial, "image", images, model.encode_image, batch_size, model.dim, progress)
    archives.write(out, arrays)
    shutil.rmtree(partial)
    return out


def _origin(model: Model, hierarchy: Hierarchy) -> dict[str, str]:
    return {
        "model": model.name,
        "fingerprint": model.fingerprint(),
        "preprocessing": model.preprocessing,
        "normalisation": "l2",
        "dataset": hierarchy.name,
        "split": hierarchy.split,
    }


def _claim(partial: Path, asked: dict[str, str]) -> None:
    """Start the folder of finished batches, or make sure that the one there is of the very same run."""
    manifest = partial / MANIFEST
    if not manifest.exists():
        atomic_write_text(manifest, json.dumps(asked, indent=1))
        return
    try:
        begun = json.loads(manifest.read_text(encoding="utf-8"))
        differing = [key for key, value in asked.items() if begun.get(key) != value]
    except (ValueError, AttributeError):
        differing = [MANIFEST]
    if differing:
        raise InputError(
            f"{partial} holds batches of another run (it differs in {', '.join(differing)}): "
            "delete that folder to start afresh, or choose another output file."
        )


def _batches(
    partial: Path,
    kind: str,
    items: Sequence[Item],
    encode: Callable[..., Tensor],
    batch_size: int,
    dim: int,
    progress: bool,
) -> NDArray[np.generic]:
    """The embeddings (N, dim) of all items: read from the folder where they are there, else computed and put there."""
    rows = []
    for start in track(range(0, len(items), batch_size), f"embedding {kind}s", enabled=progress):
        batch = items[start : start + batch_size]
        path = partial / f"{kind}-{start:09d}.npy"
        done = _finished(path, (len(batch), dim))
        if done is None:
            done = _computed(encode, batch, f"{kind}s {start} to {start + len(batch) - 1}", batch_size)
            with atomic_write(path) as handle:
                np.save(handle, done)
        rows.append(done)
    return np.concatenate(rows)


def _finished(path: Path, shape: tuple[int, int]) -> NDArray[np.generic] | None:
    try:
        rows: NDArray[np.generic] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return rows if rows.shape == shape and rows.dtype == np.float32 else None


def _computed(encode: Callable[..., Tensor], batch: Sequence[Item], which: str, batch_size: int) -> NDArray[np.generic]:
    try:
        return encode(batch, batch_size=batch_size).to(torch.float32).numpy()
    except InputError as error:
        raise InputError(f"embedding failed in {which} (rows count from there): {error}") from error
