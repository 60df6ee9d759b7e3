"""Embedding a dataset into a file, batch by batch, so that an interrupted run goes on where it stopped.

Every batch carries the hash of the work that it is a part of (model, inputs, settings, place), and is taken for that
work alone: whatever folder it lies in, and whatever became of the process that wrote it.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.progress import track
from hiergeo._core.storage import archives, documents
from hiergeo._core.storage.archives import Array
from hiergeo._core.storage.files import refuse_existing, remove_leftovers, retire
from hiergeo._core.storage.locks import locked
from hiergeo.adapters.model import Model
from hiergeo.datasets.hierarchy import Hierarchy

MANIFEST = "manifest.json"
"""File in the folder of finished batches that describes the run."""

OURS = re.compile(r"(text|image)-\d{9}\.np[yz]|manifest\.json|\..+\.part")
"""Names of files that hiergeo writes to that folder."""

BATCH = {"rows": Array("f", (2,)), "work": Array("U", (0,))}
WORK = {"work": Array("U", (0,), required=False)}


@torch_defaults()
def embed(
    model: Model,
    hierarchy: Hierarchy,
    out: Path | str,
    *,
    batch_size: int = 64,
    overwrite: bool = False,
    progress: bool = False,
) -> Path:
    """Embed the distinct texts of a dataset, and its images if it embeds them, into an ``.npz`` that ``npz:`` loads.

    Where every row has a contradicting chain, the file holds the chains as well and can be trained on
    (`hiergeo.training.from_file`).

    Finished batches wait in the folder ``OUT.partial``; after an interruption the same call computes only the others,
    and where the file is complete already it computes nothing. The file appears when complete, with model name,
    fingerprint, normalisation, dataset and a hash of its content.

    Args:
        model: what embeds.
        hierarchy: the texts and images.
        out: the file.
        batch_size: texts or images that are embedded at a time.
        overwrite: replace a file, and batches, of another run.
        progress: draw a bar on standard error for work that outlasts a second.

    Returns:
        The path of the file.

    Raises:
        InputError: `out` or ``OUT.partial`` is of another model, dataset or batch size and is not to be overwritten, or
            an embedding is unusable.
        UnavailableError: another process is writing `out`; the disk is full or not writable; finished batches are kept.
    """
    out = Path(out)
    if out.suffix != ".npz":
        raise InputError(f"embeddings are written as .npz, so name the file {out.with_suffix('.npz')}, not {out}.")
    if out.is_dir():
        raise InputError(f"{out} is a folder: name a file to write the embeddings to.")
    check_whole("the batch size", batch_size, 1, limits.COUNT)
    if not model.normalised:
        raise InputError(
            f"{model.name} gives embeddings of free norms, and embedding files hold unit ones: use it as it is."
        )
    texts, images = hierarchy.texts, hierarchy.images if model.has_images else ()
    chains = _chains(hierarchy)
    model.check_texts([text.strip() for text in texts])
    if images:
        model.check_images(images)
    origin = {
        "model": model.name,
        "fingerprint": model.fingerprint(),
        "preprocessing": model.preprocessing,
        "normalisation": "l2",
        "dataset": hierarchy.name,
        "split": hierarchy.split,
    }
    asked = {
        **origin,
        "batch_size": str(batch_size),
        "inputs": _hash(
            [texts, [image.image_id for image in images], *({name: each.tolist()} for name, each in chains.items())]
        ),
    }
    work = _hash(asked)
    partial = out.with_name(f"{out.name}.partial")
    with locked(out):
        remove_leftovers(out.parent)
        if out.exists() and not overwrite and _work_of(out) == work:
            retire(partial)
            return out
        refuse_existing(out, overwrite)
        _claim(partial, asked, overwrite)

        arrays: dict[str, NDArray[np.generic]] = {name: np.array(value) for name, value in origin.items()}
        arrays["work"] = np.array(work)
        arrays["root"] = model.root().numpy()
        arrays["caption"] = np.array(texts)
        arrays["text"] = _batches(model, "text", texts, partial, work, batch_size, progress)
        if images:
            arrays["image_id"] = np.array([image.image_id for image in images], dtype=np.int64)
            arrays["image"] = _batches(model, "image", images, partial, work, batch_size, progress)
        archives.write(out, arrays | chains)
        retire(partial)
    return out


def _chains(hierarchy: Hierarchy) -> dict[str, NDArray[np.generic]]:
    """What training reads: chains as positions in `Hierarchy.texts`, and their images, a number of its own without."""
    if not hierarchy.has_negatives:
        return {}
    place = {text: index for index, text in enumerate(hierarchy.texts)}
    rows = hierarchy.rows
    images = [-1 - at if row.image_id is None else row.image_id for at, row in enumerate(rows)]
    return {
        "positive": np.array([[place[text] for text in row.positive] for row in rows]),
        "negative": np.array([[place[text] for text in row.negative or ()] for row in rows]),
        "chain_image_id": np.array(images, dtype=np.int64),
    }


def _batches(
    model: Model, kind: str, items: Sequence[Any], folder: Path, work: str, size: int, progress: bool
) -> NDArray[np.generic]:
    """The embeddings (N, dim) of all items, batch by batch: read from the folder if stored, else computed and stored.

    Raises:
        InputError: an embedding that cannot be used; batches before it are kept.
        UnavailableError: the folder cannot be written.
    """
    encode: Callable[..., Tensor] = model.encode_text if kind == "text" else model.encode_image
    whole = np.empty((len(items), model.dim), np.float32)
    for start in track(range(0, len(items), size), f"embedding {kind}s", enabled=progress):
        batch = items[start : start + size]
        path, own = folder / f"{kind}-{start:09d}.npz", _hash([work, kind, start])
        rows = _finished(path, own, (len(batch), model.dim))
        if rows is None:
            try:
                rows = encode(batch, batch_size=size).to(torch.float32).numpy()
            except InputError as error:
                which = f"{kind}s {start} to {start + len(batch) - 1}"
                raise InputError(f"embedding failed in {which} (rows count from there): {error}") from error
            archives.write(path, {"rows": rows, "work": np.array(own)})
        whole[start : start + size] = rows
    return whole


def _hash(values: object) -> str:
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _work_of(out: Path) -> str | None:
    """The hash of the run that produced an embedding file; None if the file is damaged or has no hash."""
    try:
        work = archives.read(out, WORK).get("work")
    except InputError:
        return None
    return None if work is None else str(work)


def _claim(partial: Path, asked: Mapping[str, str], overwrite: bool) -> None:
    """Create the folder of finished batches, or check that the existing one belongs to the same run.

    A folder without a manifest is what is left of one that was being deleted: batches are not taken from it.
    """
    if partial.exists():
        strange = (
            [path.name for path in partial.iterdir() if not OURS.fullmatch(path.name)] if partial.is_dir() else [""]
        )
        if strange:
            raise InputError(
                f"{partial / strange[0]} exists but was not created by hiergeo: choose another output file."
            )
    manifest = partial / MANIFEST
    if manifest.exists():
        differing = _differing(manifest, asked)
        if not differing:
            return
        if not overwrite:
            raise InputError(
                f"{partial} holds batches of another run (it differs in {', '.join(differing)}): "
                "replace them (--overwrite), delete that folder, or choose another output file."
            )
    retire(partial)
    documents.write(manifest, asked)


def _differing(manifest: Path, asked: Mapping[str, str]) -> list[str]:
    """Settings that differ from those in a manifest; the name of the manifest itself if it is damaged."""
    try:
        begun = documents.read(manifest, dict[str, str], hashed=True)
    except InputError:
        return [MANIFEST]
    return [key for key, value in asked.items() if begun.get(key) != value]


def _finished(path: Path, work: str, shape: tuple[int, int]) -> NDArray[np.generic] | None:
    try:
        stored = archives.read(path, BATCH)
    except InputError:
        return None
    rows: NDArray[np.generic] = stored["rows"]
    return rows if str(stored["work"]) == work and rows.shape == shape and rows.dtype == np.float32 else None
