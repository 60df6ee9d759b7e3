"""CLIP's stored embeddings of the names of LVIS as a model: texts ``a NAME``, and the mean of all as the root."""

import torch

from hiergeo._core.storage.files import path_of, sha256
from hiergeo.adapters.model import unit_rows
from hiergeo.adapters.npz import StoredTexts
from hiergeo.datasets.download import data_home
from hiergeo.datasets.lvis import FILE, PROMPT, load_lvis

HOME = "clip"
"""The rest of a spec that stands for the file in the data home."""


class LvisModel(StoredTexts):
    """A model of stored embeddings of names.

    The file has no embedding of the empty caption. The root is the mean of all unit embeddings, brought to norm one;
    spaces of root "none" do without.
    """

    preprocessing = f"stored embeddings of '{PROMPT}'; the root is their mean"


def load_lvis_model(rest: str, *, device: torch.device) -> LvisModel:
    """``lvis:clip``, the file in the data home, or ``lvis:FILE``; nothing is computed on `device`.

    Raises:
        InputError: the file cannot be used.
    """
    path = data_home() / FILE if rest == HOME else path_of(rest)
    stored, name = load_lvis(path), f"lvis:{HOME if rest == HOME else path}"
    rows = unit_rows(stored.text, f"the embeddings of {name}")
    row_of = {PROMPT.replace("{}", word): row for row, word in enumerate(stored.words)}
    return LvisModel(name, rows, row_of, rows.mean(0), sha256(path)[:16])
