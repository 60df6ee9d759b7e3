"""Files of embeddings as what an index is built from: who made them is checked against the index."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.storage import archives
from hiergeo._core.storage.archives import Array
from hiergeo.geometry.coordinates import Coordinates
from hiergeo.search.layout import ModelFacts

ARRAYS = {
    "text": Array("f", (2, 3)),
    "caption": Array("U", (1, 2), required=False),
    "root": Array("f", (1,), required=False),
    "model": Array("U", (0,), required=False),
    "fingerprint": Array("U", (0,), required=False),
    "coordinates": Array("U", (0,), required=False),
    "curvature": Array("f", (0,), required=False),
}

ROOTS = 1e-2
"""Largest distance between two roots that are one: that of float16 and of different devices."""


@dataclass(frozen=True, eq=False)
class Stored:
    """What an ``.npz`` holds: embeddings (n, D), and captions, the root (D,) and what embedded them, or None.

    Of points in `coordinates` of a hyperbolic space the embeddings are coordinates, around its origin and no root.
    """

    path: Path
    embeddings: Tensor
    captions: list[str] | None
    root: Tensor | None
    model: ModelFacts | None
    coordinates: Coordinates | None = None

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
    """Read an ``.npz`` with ``text`` (n, D) or (n, 4, D), and ``caption``, ``root``, ``model`` if they are there.

    `coordinates` of None are those that the file names.
    """
    arrays = archives.read(path, ARRAYS)
    text = torch.from_numpy(arrays["text"])
    captions, root, dim = arrays.get("caption"), arrays.get("root"), text.shape[-1]
    if captions is not None and captions.shape != tuple(text.shape[:-1]):
        raise InputError(f"{path}: 'caption' has shape {captions.shape} where {tuple(text.shape[:-1])} fits 'text'.")
    if root is not None and len(root) != dim:
        raise InputError(f"{path}: 'root' has {len(root)} numbers and the texts {dim}.")
    model = None
    if "model" in arrays and "fingerprint" in arrays:
        model = ModelFacts(str(arrays["model"]), str(arrays["fingerprint"]), True)
    if coordinates is None:
        coordinates = Coordinates.of_arrays(arrays)
    return Stored(
        path,
        text.reshape(-1, dim),
        None if captions is None else captions.ravel().tolist(),
        None if root is None or coordinates is not None else torch.from_numpy(root).float(),
        model,
        coordinates,
    )
