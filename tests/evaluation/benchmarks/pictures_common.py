"""What the tests of image-text benchmarks share: a model of given embeddings, and files of captions."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy, ImageRef, Row
from hiergeo.datasets.pictures import ImageLike


def unopened() -> Any:
    raise AssertionError("no pixels are needed")


class Given(Model):
    """A model of texts and images whose embeddings are given, or drawn from a seed where they are not.

    With a `reach`, embeddings keep their norms, and drawn images are that much longer than texts.
    """

    name, has_images, preprocessing = "given", True, "none"

    def __init__(
        self, dim: int = 6, texts: dict[str, np.ndarray] | None = None, images: Sequence[Any] = (), reach: float = 0
    ) -> None:
        self._dim, self._texts, self._images, self._reach = dim, texts or {}, images, reach
        self.normalised = not reach

    def fingerprint(self) -> str:
        return "0" * 16

    def check_texts(self, texts: Sequence[str]) -> None:
        pass

    def check_images(self, images: Sequence[ImageLike]) -> None:
        pass

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        return torch.stack([torch.as_tensor(self._texts.get(text, self.drawn(text))) for text in texts]).float()

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        ids = [image.image_id for image in images if isinstance(image, ImageRef)]
        rows = [self._images[i] if len(self._images) else self.drawn(f"image {i}") for i in ids]
        return torch.as_tensor(np.stack(rows)).float()

    def drawn(self, what: str) -> np.ndarray:
        row = np.random.default_rng(list(what.encode())).normal(size=self._dim)
        return row * self._reach if self._reach and what.startswith("image ") else row

    def vector(self, what: str) -> np.ndarray:
        """The embedding in float64 of a text, or of ``image N``."""
        row = self.drawn(what).astype(np.float32).astype(np.float64)
        return row / np.linalg.norm(row) if self.normalised else row


def chains(rows: Sequence[Sequence[str]], images: Sequence[int] | None = None) -> Hierarchy:
    """A hierarchy of these chains, each of an image of its own unless told otherwise."""
    ids = list(range(len(rows))) if images is None else list(images)
    refs = tuple(ImageRef(i, unopened) for i in dict.fromkeys(ids))
    made = tuple(Row(place, tuple(row), None, ids[place]) for place, row in enumerate(rows))
    return Hierarchy("made", "test", made, refs)


def coco(folder: Path, images: Sequence[Any], annotations: Sequence[Any], split: str = "val2017") -> Path:
    path = folder / "annotations" / f"captions_{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"info": {}, "images": list(images), "annotations": list(annotations)}))
    return folder


def listed(number: int) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number:012d}.jpg", "height": 4}


def said(number: int, caption: str) -> dict[str, Any]:
    return {"image_id": number, "id": 1, "caption": caption}
