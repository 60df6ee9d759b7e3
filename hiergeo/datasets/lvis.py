"""The names of LVIS with their synsets and is-a pairs, and CLIP's embeddings of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.storage import archives
from hiergeo._core.storage.archives import Array
from hiergeo._core.storage.files import path_of
from hiergeo.datasets.download import data_home

FILE = Path("clip_lvis") / "lvis1203_clip_vitb32_text.npz"
"""Path of the embeddings in the data home."""

ARRAYS = {
    "text": Array("f", (2,)),
    "name": Array("U", (1,)),
    "synset": Array("U", (1,)),
    "isa_pairs": Array("iu", (2,)),
}
PROMPT = "a {}"
"""The prompt of the embeddings."""


@dataclass(frozen=True)
class Lvis:
    """Names with embeddings of ``a NAME``; there is none of the empty caption.

    Attributes:
        words: n different names, underscores as blanks.
        synsets: what WordNet calls them.
        pairs: (m, 2) int64 positions (child, ancestor) by WordNet 3.0.
        text: (n, D) embeddings, of any norm.
    """

    words: tuple[str, ...]
    synsets: tuple[str, ...]
    pairs: np.ndarray
    text: Tensor


def load_lvis(path: Path | str | None = None) -> Lvis:
    """Read the file, by default `FILE` in the data home.

    Raises:
        InputError: it is missing, damaged, lacks an array, or has arrays that do not fit each other.
    """
    path = data_home() / FILE if path is None else path_of(path)
    stored = archives.read(path, ARRAYS)
    text, pairs = stored["text"], stored["isa_pairs"].astype(np.int64)
    words = tuple(name.replace("_", " ") for name in stored["name"].tolist())
    synsets = tuple(stored["synset"].tolist())
    fits = len(text) == len(words) == len(synsets) > 1 and pairs.ndim == 2 and pairs.shape[1] == 2
    if not fits or not len(pairs) or pairs.min() < 0 or pairs.max() >= len(words) or (pairs[:, 0] == pairs[:, 1]).any():
        raise InputError(f"{path} has names, synsets, embeddings and pairs that do not fit each other.")
    if len(set(words)) < len(words) or len(np.unique(pairs, axis=0)) < len(pairs):
        raise InputError(f"{path} holds a name or a pair twice.")
    return Lvis(words, synsets, pairs, torch.from_numpy(text))
