"""CLIP's stored embeddings of the names of LVIS as a model: texts ``a NAME``, and the mean of all as the root."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import path_of, sha256
from hiergeo.adapters.model import Model, refuse_unusable_rows, unit_rows
from hiergeo.datasets.download import data_home
from hiergeo.datasets.lvis import FILE, PROMPT, load_lvis
from hiergeo.datasets.pictures import ImageLike

HOME = "clip"
"""The rest of a spec that stands for the file in the data home."""


class LvisModel(Model):
    """A model of stored embeddings of names.

    The file has no embedding of the empty caption. The root is the mean of all unit embeddings, brought to norm one;
    spaces of root "none" do without.
    """

    has_images = False
    preprocessing = f"stored embeddings of '{PROMPT}'; the root is their mean"
    text_batch = 1 << 13

    def __init__(self, path: Path | None) -> None:
        stored = load_lvis(path)
        self.name = f"lvis:{HOME if path is None else path}"
        self._hash = sha256(_file(path))[:16]
        refuse_unusable_rows(stored.text, f"the embeddings of {self.name}")
        self._rows = unit_rows(stored.text, f"the embeddings of {self.name}")
        self._place = {PROMPT.replace("{}", word): place for place, word in enumerate(stored.words)}

    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the file."""
        return self._hash

    def check_texts(self, texts: Sequence[str]) -> None:
        missing = [text for text in texts if text and text not in self._place]
        if missing:
            known = f"'{PROMPT.replace('{}', 'NAME')}' of names of LVIS alone"
            raise InputError(f"{self.name} has {known}, and not {missing[0]!r} ({len(missing)} of {len(texts)}).")

    def check_images(self, images: Sequence[ImageLike]) -> None:
        """There are none."""

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        rows = self._rows[[self._place.get(text, 0) for text in texts]]
        rows[[index for index, text in enumerate(texts) if not text]] = self._rows.mean(0)
        return rows

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        raise InputError(f"{self.name} embeds texts only.")


def load_lvis_model(rest: str, *, device: torch.device) -> LvisModel:
    """``lvis:clip``, the file in the data home, or ``lvis:FILE``; nothing is computed on `device`.

    Raises:
        InputError: the file cannot be used.
    """
    return LvisModel(None if rest == HOME else path_of(rest))


def _file(path: Path | None) -> Path:
    return data_home() / FILE if path is None else path
