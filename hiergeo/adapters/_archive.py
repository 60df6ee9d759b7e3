"""The embedding file: an ``.npz`` of texts, images and the root, checked in full before anything uses it."""

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo.adapters._base import unit_rows
from hiergeo.errors import InputError
from hiergeo.storage.files import atomic_write

HASH = "content_sha256"

DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, RuntimeError, ValueError, MemoryError)
"""What numpy raises for files that are cut off, altered, encrypted or no archive at all."""

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Embeddings:
    """Unit embeddings, float32.

    Attributes:
        text: (n, dim), row i that of ``caption[i]``.
        caption: n stripped strings, repeats allowed.
        root: (dim,), the embedding of the empty caption.
        image: (m, dim), row j that of ``image_id[j]``; None in a file without images.
        image_id: m COCO ids.
    """

    text: Tensor
    caption: list[str]
    root: Tensor
    image: Tensor | None
    image_id: list[int]


def write(path: Path, arrays: Arrays) -> None:
    """Write arrays and the hash of their content to `path`, whole or not at all."""
    stored: dict[str, Any] = {**arrays, HASH: np.array(content_sha256(arrays))}
    with atomic_write(path) as handle:
        np.savez(handle, **stored)


def content_sha256(arrays: Arrays) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of all arrays in order of name, the hash itself left out."""
    digest = hashlib.sha256()
    for name in sorted(set(arrays) - {HASH}):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {np.shape(arrays[name])}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def read(path: Path) -> Embeddings:
    """Read an embedding file; rows that are not of norm one are normalised.

    Raises:
        InputError: the file is missing, damaged, altered, holds pickled objects, lacks an array, or has arrays of wrong
            shape or type or with rows that are not finite or zero.
    """
    stored = arrays(path)
    for name in ("text", "caption", "root"):
        if name not in stored:
            raise InputError(f"{path} has no array '{name}': an embedding file needs text, caption and root.")
    if ("image" in stored) != ("image_id" in stored):
        raise InputError(f"{path} has only one of 'image' and 'image_id': it needs both or neither.")
    text, caption, root = stored["text"], stored["caption"], stored["root"]
    _require(text.ndim in (2, 3) and text.size > 0, path, f"'text' has shape {text.shape}, not (n, 4, dim) or (n, dim)")
    _require(caption.dtype.kind == "U", path, f"'caption' holds {caption.dtype}, not strings")
    _require_shape(path, "caption", caption, text.shape[:-1])
    dim = text.shape[-1]
    _require_shape(path, "root", root, (dim,))
    image, image_id = _images(path, stored, dim)
    return Embeddings(
        text=_unit(path, "text", text.reshape(-1, dim)),
        caption=[words.strip() for words in caption.ravel().tolist()],
        root=_unit(path, "root", root[None])[0],
        image=image,
        image_id=image_id,
    )


def arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """All arrays of an ``.npz`` file by name.

    Raises:
        InputError: the file is missing, damaged, altered since its hash was taken, or holds pickled objects.
    """
    if not path.is_file():
        raise InputError(f"there is no embedding file {path}.")
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is damaged or no .npz archive.")
    try:
        with path.open("rb") as handle:
            archive = np.load(handle, allow_pickle=False)
            stored = {name: archive[name] for name in archive.files}
    except DAMAGED as error:
        if "allow_pickle" in str(error):
            raise InputError(f"{path} holds pickled objects, which could run code and are refused.") from error
        raise InputError(f"{path} is damaged or no .npz file: {error}.") from error
    if HASH in stored and str(stored[HASH]) != content_sha256(stored):
        raise InputError(f"{path} was altered: its content does not match its {HASH}.")
    return stored


def _images(path: Path, arrays: Arrays, dim: int) -> tuple[Tensor | None, list[int]]:
    if "image" not in arrays:
        return None, []
    image, image_id = arrays["image"], arrays["image_id"]
    _require(image.ndim == 2 and image.size > 0, path, f"'image' has shape {image.shape}, not (m, {dim})")
    _require_shape(path, "image", image, (len(image), dim))
    _require(image_id.dtype.kind in "iu", path, f"'image_id' holds {image_id.dtype}, not integers")
    _require_shape(path, "image_id", image_id, (len(image),))
    return _unit(path, "image", image), image_id.tolist()


def _unit(path: Path, name: str, rows: NDArray[np.generic]) -> Tensor:
    _require(rows.dtype.kind == "f", path, f"'{name}' holds {rows.dtype}, not floating-point numbers")
    return unit_rows(torch.from_numpy(rows.astype(np.float32)), f"the {name} embeddings of {path}")


def _require_shape(path: Path, name: str, array: NDArray[np.generic], shape: tuple[int, ...]) -> None:
    _require(array.shape == shape, path, f"'{name}' has shape {array.shape} where {shape} fits the other arrays")


def _require(condition: bool, path: Path, defect: str) -> None:
    if not condition:
        raise InputError(f"{path} is no embedding file: {defect}.")
