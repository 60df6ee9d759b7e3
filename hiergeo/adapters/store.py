"""Embeddings on disk: batches by the hash of their content, and a dataset in a file; an interrupted run goes on."""

import copy
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, InputError, check_whole, warn
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.storage import archives
from hiergeo._core.storage.archives import Array
from hiergeo._core.storage.files import refuse_existing, remove_leftovers, retire
from hiergeo._core.storage.locks import locked
from hiergeo.adapters.head import HeadModel
from hiergeo.adapters.model import Model, with_stored_images
from hiergeo.adapters.npz import ArrayModel
from hiergeo.datasets.hierarchy import Hierarchy, ImageRef
from hiergeo.datasets.pictures import ImageLike, open_rgb
from hiergeo.datasets.vectors import EmbeddingSpace, read_vectors, write_vectors
from hiergeo.geometry import Lorentz, PoincareBall
from hiergeo.geometry.coordinates import Coordinates

ENTRY = {"rows": Array("f", (2,)), "key": Array("U", (0,))}


def cached(model: Model, folder: Path, image_key: Callable[[ImageLike], str] | None = None) -> Model:
    """A copy of the model that embeds each batch once: later calls, of any process, read its rows from a folder.

    Of a head the embeddings of the model that it stands on are stored. Stored embeddings (``npz:``) are there already,
    and the model is returned as it is. Several models and processes can share a folder. The key of a batch is the hash
    of the model's fingerprint, its preprocessing, the kind and the content of every item in order, and the dtype of the
    rows, so that rows do not depend on what was embedded before.

    Args:
        model: that embeds.
        folder: of the rows, in float32 as the network gives them.
        image_key: what tells images apart, all that were ever embedded into the folder; None are their pixels.
    """
    if isinstance(model, HeadModel):
        base = cached(model.base, folder, image_key)
        return HeadModel(base, model.head, model.name, model.trained_in, model.learnt)
    if isinstance(model, ArrayModel):
        return model
    identity = [model.fingerprint(), model.preprocessing]
    made, key_of = copy.copy(model), image_key or _image_hash

    def rows(kind: str, compute: Callable[..., Tensor], items: Sequence[Any]) -> Tensor:
        content = list(items) if kind == "text" else list(map(key_of, items))
        key = hashlib.sha256(json.dumps([*identity, kind, "float32", content]).encode()).hexdigest()
        return _rows(folder / key[:2] / f"{key[2:]}.npz", key, items, compute)

    vars(made).update(
        text_rows=partial(rows, "text", model.text_rows), image_rows=partial(rows, "image", model.image_rows)
    )
    return made


def _rows(path: Path, key: str, items: Sequence[Any], compute: Callable[..., Tensor]) -> Tensor:
    """The rows of an entry on disk, which is made where there is none, or a damaged one."""
    if path.exists():
        try:
            entry = archives.read(path, ENTRY)
            if str(entry["key"]) == key and len(entry["rows"]) == len(items) and entry["rows"].dtype == "float32":
                return torch.from_numpy(entry["rows"])
            raise InputError(f"{path} holds other embeddings than its name says.")
        except HiergeoError as error:
            warn(f"an entry of the embedding cache is damaged and is computed again: {error}")
    made = compute(items)
    rows = made.detach().to("cpu", torch.float32)
    if rows.ndim != 2 or len(rows) != len(items) or not rows.isfinite().all():
        return made  # the caller refuses it, and nothing is stored
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    archives.write(path, {"rows": rows.numpy(), "key": np.array(key)})
    return rows


def _image_hash(image: ImageLike) -> str:
    """The hash of an image's pixels; that of a dataset's image is remembered with it."""
    hashes = image.hashes if isinstance(image, ImageRef) else {}
    if "pixels" not in hashes:
        picture = open_rgb(image)
        hashes["pixels"] = hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).hexdigest()
    return hashes["pixels"]


PARQUET = ".parquet"
"""Ending of a file of embeddings for other tools."""

WORK = {"work": Array("U", (0,), required=False)}


@torch_defaults()
def embed(
    model: Model,
    hierarchy: Hierarchy,
    out: Path | str,
    *,
    batch_size: int = 64,
    coordinates: str | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Path:
    """Embed the distinct texts of a dataset, and its images if it embeds them, into a file that ``npz:`` loads.

    An ``.npz`` holds everything; a ``.parquet`` is for other tools: `hiergeo.datasets.vectors.write_vectors`.

    Where every row has a contradicting chain, the ``.npz`` holds the chains as well and can be trained on
    (`hiergeo.training.from_file`).

    Finished batches wait in the folder ``OUT.partial``; after an interruption the same call computes only the others,
    and where the file is complete already it computes nothing. The file appears when complete, with model name,
    fingerprint, normalisation, dataset and a hash of its content.

    Args:
        model: what embeds.
        hierarchy: the texts and images.
        out: the file.
        batch_size: texts or images that are embedded at a time.
        coordinates: of points of the model's own hyperbolic space, one of `hiergeo.geometry.coordinates.COORDINATES`;
            the file says which, and their curvature. "negated-time" is for engines that rank by the inner product with
            a query of "hyperboloid". None is for unit rows.
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
    check_target(out)
    check_whole("the batch size", batch_size, 1, limits.COUNT)
    space, points = model.native_space(), None
    if coordinates is not None:
        if space is None or not isinstance(space.geometry, Lorentz | PoincareBall):
            raise InputError(f"{model.name} brings no hyperbolic space, so its embeddings have no coordinates.")
        points = Coordinates(coordinates, space.geometry.value, space.min_radius)
    if points is None and not model.normalised:
        raise InputError(
            f"{model.name} gives embeddings of free norms, and embedding files hold unit ones: use it as it is, or "
            "name the coordinates of its points where its space is hyperbolic."
        )
    hierarchy = with_stored_images(model, hierarchy)
    texts, images = hierarchy.texts, hierarchy.images if model.has_images else ()
    chains = _chains(hierarchy)
    model.check_texts([text.strip() for text in texts])
    if images:
        model.check_images(images)
    origin = {
        "model": model.name,
        "fingerprint": model.fingerprint(),
        "preprocessing": model.preprocessing,
        "normalisation": "l2" if points is None else points.options,
        "dataset": hierarchy.name,
        "split": hierarchy.split,
    }

    def located(rows: Tensor) -> NDArray[np.generic]:
        array: NDArray[np.generic] = (rows if points is None else points.points(rows)).numpy()
        return array

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
        arrays |= {"work": np.array(work), "root": located(model.root()), "caption": np.array(texts)}
        arrays["text"] = located(stored.encode_text(texts, batch_size=batch_size, progress=progress))
        if images:
            arrays["image_id"] = np.array(ids, dtype=np.int64)
            arrays["image"] = located(stored.encode_image(images, batch_size=batch_size, progress=progress))
        if points is not None:
            arrays |= {"coordinates": np.array(points.name), "curvature": np.array(points.curvature)}
            arrays["min_radius"] = np.array(points.min_radius)
        if out.suffix == PARQUET:
            said = {name: arrays[name].tolist() for name in EmbeddingSpace.model_fields if name in arrays}
            write_vectors(out, arrays, EmbeddingSpace.model_validate(said))
        else:
            archives.write(out, arrays | chains)
        retire(partial)
    return out


def check_target(out: Path) -> None:
    """Raise InputError for a path that no embedding file can have."""
    if out.suffix not in (".npz", PARQUET):
        raise InputError(f"embeddings are written as .npz or {PARQUET}: name the file {out.with_suffix('.npz')}.")
    if out.is_dir():
        raise InputError(f"{out} is a folder: name a file to write the embeddings to.")


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
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _work_of(out: Path) -> str | None:
    """The hash of the run that produced an embedding file; None if the file is damaged or has no hash."""
    try:
        work = (read_vectors(out) if out.suffix == PARQUET else archives.read(out, WORK)).get("work")
    except InputError:
        return None
    return None if work is None else str(work)
