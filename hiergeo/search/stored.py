"""Files of embeddings as what an index is built from: who made them is checked against the index."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo.datasets.vectors import read_vectors
from hiergeo.geometry.coordinates import Coordinates
from hiergeo.search.ids import Id
from hiergeo.search.layout import ModelFacts

ROOTS = 1e-2
"""Largest distance between two roots that are one: that of float16 and of different devices."""


@dataclass(frozen=True, eq=False)
class Stored:
    """What a file holds: embeddings (n, D), and captions, the root (D,) and what embedded them, or None.

    Of points in `coordinates` of a hyperbolic space the embeddings are coordinates, around its origin and no root.
    Names of images, and perhaps numbers, are those of the rows `images`, or of `embeddings` where that is None;
    `ids` are those of `embeddings`.
    """

    path: Path
    embeddings: Tensor
    captions: list[str] | None
    root: Tensor | None
    model: ModelFacts | None
    coordinates: Coordinates | None = None
    images: Tensor | None = None
    names: list[str | int] | None = None
    ids: list[Id] | None = None

    def check(self, facts: ModelFacts | None, root: Tensor | None) -> None:
        """Raise InputError if the file is known to be of another model or around another root than an index."""
        if facts is not None and self.model is not None and facts.fingerprint != self.model.fingerprint:
            raise InputError(
                f"{self.path} holds embeddings of {self.model.name} (fingerprint {self.model.fingerprint}), and the "
                f"index those of {facts.name} ({facts.fingerprint}): embed by that model."
            )
        if root is None or self.root is None:
            return
        if len(root) != len(self.root) or float((root.cpu() - self.root).norm()) > ROOTS:
            raise InputError(
                f"{self.path} has another root than the index: it is of another model, embed by the index's."
            )


def read_stored(path: Path, coordinates: Coordinates | None = None) -> Stored:
    """What a file of embeddings holds (`hiergeo.datasets.vectors`); texts come before images.

    `coordinates` of None are those that the file names. Raises InputError as `read_vectors`, and for shapes that do not
    fit each other.
    """
    arrays = read_vectors(path)
    kind, captions, root, names = "text", arrays.get("caption"), arrays.get("root"), arrays.get("image_id")
    if "text" not in arrays:
        kind, captions = "image", None
    rows, images = torch.from_numpy(arrays[kind]), arrays.get("image") if kind == "text" else None
    dim, named = rows.shape[-1], rows.shape[:-1] if images is None else (len(images),)
    if captions is not None and captions.shape != rows.shape[:-1]:
        raise InputError(f"{path}: 'caption' has shape {captions.shape} where {tuple(rows.shape[:-1])} fits 'text'.")
    if root is not None and len(root) != dim:
        raise InputError(f"{path}: 'root' has {len(root)} numbers and the rows {dim}.")
    if images is not None and (not len(images) or images.shape[1] != dim or names is None):
        raise InputError(f"{path}: 'image' {images.shape} must have the dimension of the texts and an 'image_id' each.")
    if names is not None and names.shape != tuple(named):
        raise InputError(f"{path}: 'image_id' has shape {names.shape} where {tuple(named)} fits the rows.")
    model = None
    if "model" in arrays and "fingerprint" in arrays:
        model = ModelFacts(str(arrays["model"]), str(arrays["fingerprint"]), True)
    if coordinates is None:
        coordinates = Coordinates.of_arrays(arrays)
    return Stored(
        path,
        rows.reshape(-1, dim),
        None if captions is None else captions.ravel().tolist(),
        None if root is None or coordinates is not None else torch.from_numpy(np.asarray(root)).float(),
        model,
        coordinates,
        None if images is None else torch.from_numpy(images),
        None if names is None else names.tolist(),
        arrays["id"].tolist() if "id" in arrays and len(arrays["id"]) == len(rows) else None,
    )
