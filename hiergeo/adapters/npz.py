"""Embeddings that were computed before, looked up by caption and by COCO id."""

import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from hiergeo.adapters import _archive
from hiergeo.adapters._base import Model
from hiergeo.datasets._base import ImageRef
from hiergeo.datasets.pictures import ImageLike
from hiergeo.errors import InputError
from hiergeo.storage.files import sha256
from hiergeo.storage.paths import path_of

Key = TypeVar("Key", bound=Hashable)

AGREEMENT = 1e-3
"""Largest distance between two unit embeddings of one caption or image: four times the rounding of float16."""


class NpzModel(Model):
    """A model known only by its embeddings of certain captions and images."""

    preprocessing = "stored embeddings"

    def __init__(self, path: Path) -> None:
        self.name = f"npz:{path}"
        self._path = path
        stored = _archive.read(path)
        self._texts = torch.cat([stored.text, stored.root[None]])
        self._text_row = _index(path, "text", [*stored.caption, ""], self._texts)
        self.has_images = stored.image is not None
        self._images = stored.image if stored.image is not None else stored.text[:0]
        self._image_row = _index(path, "image", stored.image_id, self._images)

    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the file."""
        return sha256(self._path)[:16]

    def _check_texts(self, texts: Sequence[str]) -> None:
        missing = [text for text in texts if text not in self._text_row]
        if missing:
            raise InputError(f"{self._path} lacks {len(missing)} of {len(texts)} texts; the first is {missing[0]!r}.")

    def _check_images(self, images: Sequence[ImageLike]) -> None:
        missing = [image_id for image_id in map(coco_id, images) if image_id not in self._image_row]
        if missing:
            raise InputError(f"{self._path} lacks {len(missing)} of {len(images)} images; the first is {missing[0]}.")

    def _text_rows(self, texts: Sequence[str]) -> Tensor:
        return self._texts[[self._text_row[text] for text in texts]]

    def _image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        return self._images[[self._image_row[coco_id(image)] for image in images]]


def load(rest: str, *, device: torch.device) -> NpzModel:
    """The embeddings of a file; `device` is of no consequence, nothing is computed.

    Raises:
        InputError: the file cannot be used, or holds two different embeddings of one caption or image.
    """
    return NpzModel(path_of(rest))


def coco_id(image: ImageLike) -> int:
    """The id of a dataset's image, or the last number in a file name (``COCO_val2014_000000000139.jpg`` is 139).

    Raises:
        InputError: a picture without a name, or a name without a number.
    """
    if isinstance(image, ImageRef):
        return image.image_id
    if not isinstance(image, str | Path):
        raise InputError("stored embeddings are looked up by COCO id, which a picture does not tell: pass its path.")
    numbers = re.findall(r"\d+", Path(image).stem)
    if not numbers:
        raise InputError(f"the file name {image} holds no COCO id to look up.")
    return int(numbers[-1])


def _index(path: Path, kind: str, keys: Sequence[Key], rows: Tensor) -> dict[Key, int]:
    """The first row of each key, after checking that its other rows agree with it."""
    first: dict[Key, int] = {}
    owner = [first.setdefault(key, row) for row, key in enumerate(keys)]
    apart = (rows - rows[owner]).norm(dim=1)
    if apart.numel() and apart.max() > AGREEMENT:
        key = keys[int((apart > AGREEMENT).nonzero()[0])]
        raise InputError(f"{path} holds two different embeddings of the {kind} {key!r}.")
    return first
