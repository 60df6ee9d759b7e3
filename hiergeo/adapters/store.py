"""Embedding a dataset into a file, batch by batch, so that an interrupted run goes on where it stopped."""

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.storage import archives
from hiergeo._core.storage.archives import Array
from hiergeo._core.storage.files import refuse_existing, remove_leftovers, retire
from hiergeo._core.storage.locks import locked
from hiergeo.adapters.cache import cached
from hiergeo.adapters.model import Model
from hiergeo.datasets.hierarchy import Hierarchy, ImageRef

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
        overwrite: replace a file of another run.
        progress: draw a bar on standard error for work that outlasts a second.

    Returns:
        The path of the file.

    Raises:
        InputError: `out` is of another model, dataset or batch size and is not to be overwritten, ``OUT.partial`` holds
            something else, or an embedding is unusable.
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
    ids = [image.image_id for image in images]
    inputs = _hash([texts, ids, *({name: array.tolist()} for name, array in chains.items())])
    work = _hash({**origin, "batch_size": str(batch_size), "inputs": inputs})
    partial = out.with_name(f"{out.name}.partial")
    _refuse_foreign(partial)
    with locked(out):
        remove_leftovers(out.parent)
        if out.exists() and not overwrite and _work_of(out) == work:
            retire(partial)
            return out
        refuse_existing(out, overwrite)
        stored = cached(model, partial, lambda image: f"{work} {cast(ImageRef, image).image_id}")
        arrays: dict[str, NDArray[np.generic]] = {name: np.array(value) for name, value in origin.items()}
        arrays |= {"work": np.array(work), "root": model.root().numpy(), "caption": np.array(texts)}
        arrays["text"] = stored.encode_text(texts, batch_size=batch_size, progress=progress).numpy()
        if images:
            arrays["image_id"] = np.array(ids, dtype=np.int64)
            arrays["image"] = stored.encode_image(images, batch_size=batch_size, progress=progress).numpy()
        archives.write(out, arrays | chains)
        retire(partial)
    return out


def _refuse_foreign(partial: Path) -> None:
    """Raise InputError for a folder of batches that holds anything else: it is removed in the end."""
    names = [path.name for path in partial.iterdir()] if partial.is_dir() else [""] if partial.exists() else []
    strange = [name for name in names if not re.fullmatch("[0-9a-f]{2}", name)]
    if strange:
        raise InputError(f"{partial / strange[0]} exists but was not created by hiergeo: choose another output file.")


def _chains(hierarchy: Hierarchy) -> dict[str, NDArray[np.generic]]:
    """What training reads: chains as positions in `Hierarchy.texts`, and their images, a number of its own without."""
    if not hierarchy.has_negatives:
        return {}
    index_of = {text: index for index, text in enumerate(hierarchy.texts)}
    rows = hierarchy.rows
    images = [-1 - at if row.image_id is None else row.image_id for at, row in enumerate(rows)]
    return {
        "positive": np.array([[index_of[text] for text in row.positive] for row in rows]),
        "negative": np.array([[index_of[text] for text in row.negative or ()] for row in rows]),
        "chain_image_id": np.array(images, dtype=np.int64),
    }


def _hash(values: object) -> str:
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _work_of(out: Path) -> str | None:
    """The hash of the run that produced an embedding file; None if the file is damaged or has no hash."""
    try:
        work = archives.read(out, WORK).get("work")
    except InputError:
        return None
    return None if work is None else str(work)
