"""Stored embeddings: an ``.npz`` of texts, images and the root, looked up by caption and by COCO id."""

import hashlib
import os
import re
import warnings
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import wide
from hiergeo._core.storage import archives
from hiergeo._core.storage.archives import Array
from hiergeo._core.storage.files import path_of, sha256
from hiergeo.adapters import hub
from hiergeo.adapters.model import ROWS_AT_ONCE, Model, unit_rows, usable_norms
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarchy import ImageRef
from hiergeo.datasets.lvis import FILE, PROMPT, load_lvis
from hiergeo.datasets.pictures import ImageLike
from hiergeo.geometry import Space
from hiergeo.geometry.coordinates import Coordinates, refuse_hyperboloid

Key = TypeVar("Key", bound=Hashable)

AGREEMENT = 1e-3
"""Largest distance between two unit embeddings of one caption or image: four times the rounding of float16."""

NAME = re.compile(r"(?:COCO_(?:[a-z]+20\d\d_)?)?(\d{1,18})(?:\.\w+)?")
"""Names of files with a COCO id: ``COCO_val2014_000000000139.jpg``, ``000000000139.jpg``."""

MEAN_ROOT = "@mean"
"""Ending of the spec of a file whose root is the mean of its texts."""

KEEP = "?norms=keep"
"""Ending of the spec of a file whose rows are taken as they are, such as tangent vectors at a root that may be 0."""

LVIS_HOME = "clip"
"""What of ``lvis:clip`` names the file in the data home."""

SPREAD = 1.01
"""Ratio of the largest norm to the smallest from which dividing them out is said."""

ARRAYS = {
    "text": Array("f", (2, 3)),
    "caption": Array("U", (1, 2)),
    "root": Array("f", (1,), required=False),
    "image": Array("f", (2,), required=False),
    "image_id": Array("iuU", (1,), required=False),
    "coordinates": Array("U", (0,), required=False),
    "curvature": Array("f", (0,), required=False),
}
"""What a file holds: rows of texts, of any norm but zero, the root, rows of images by COCO id or name of a file, and
which points of a hyperbolic space the rows are."""


class NpzOptions(hub.CoordinateOptions):
    """What may stand behind the question mark of a spec."""

    norms: Literal["keep"] | None = None


class StoredTexts(Model):
    """A model of which only the embeddings (n, dim) of certain captions are at hand, and a root (dim,)."""

    has_images = False
    text_batch = image_batch = 1 << 13

    def __init__(self, name: str, rows: Tensor, row_of: Mapping[str, int], root: Tensor, digest: str) -> None:
        self.name = name
        self._texts, self._text_row, self._origin, self._digest = rows, row_of, root, digest

    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the file."""
        return self._digest

    def check_texts(self, texts: Sequence[str]) -> None:
        missing = [text for text in texts if text and text not in self._text_row]
        if missing:
            raise InputError(
                f"{self.name} ({self.preprocessing}) lacks {len(missing)} of {len(texts)} texts; the first is "
                f"{missing[0]!r}."
            )

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        rows = self._texts[[self._text_row.get(text, 0) for text in texts]].float()
        rows[[index for index, text in enumerate(texts) if not text]] = self._origin.float()
        return rows


class NpzModel(StoredTexts):
    """A model of which only the embeddings of certain captions and images are at hand.

    Args:
        path: a file of `ARRAYS`.
        mean_root: take the mean of the text embeddings for that of the empty caption, whether or not one is there.
        keep_norms: take rows as they are; otherwise they are divided by their norms, and a warning says so where these
            differ.
        coordinates: which points of a hyperbolic space the rows are; None is what the file says, flat rows where it
            says nothing.

    Raises:
        InputError: the file is missing, damaged, altered, holds pickled objects, lacks an array, has arrays of wrong
            shape or type or with rows that are not finite or (unless norms are kept) zero, has points outside of their
            space or on a hyperboloid that nothing names, or two different embeddings of a caption or image.
    """

    preprocessing = "stored embeddings"

    def __init__(
        self, path: Path, mean_root: bool = False, keep_norms: bool = False, coordinates: Coordinates | None = None
    ) -> None:
        if path.is_dir():
            raise InputError(f"{path} is a folder: name the .npz file in it.")
        stored = archives.read(path, {k: array for k, array in ARRAYS.items() if not (mean_root and k == "root")})
        named = coordinates
        if coordinates is None and "coordinates" in stored and "curvature" in stored:
            coordinates = Coordinates(str(stored["coordinates"]), float(stored["curvature"]))
        self.coordinates = coordinates
        if "root" not in stored and coordinates is not None and not mean_root:
            stored["root"] = coordinates.points(torch.zeros(1, coordinates.dim(stored["text"].shape[-1])))[0].numpy()
        if coordinates is None:
            text = torch.from_numpy(stored["text"].reshape(-1, stored["text"].shape[-1]))
            refuse_hyperboloid(text, f"the text embeddings of {path}", f"npz:{path}?{{}}")
        if "root" not in stored and not mean_root:
            raise InputError(
                f"{path} has no array 'root', the embedding of the empty caption: npz:{path}{MEAN_ROOT} takes the mean "
                "of its texts instead."
            )
        if ("image" in stored) != ("image_id" in stored):
            raise InputError(f"{path} has only one of 'image' and 'image_id': it needs both or neither.")
        free = keep_norms or coordinates is not None
        self._path, self.normalised, self.has_images = path, not free, "image" in stored
        dim = stored["text"].shape[-1]
        shapes = {"caption": stored["text"].shape[:-1], "root": (dim,)}
        if self.has_images:
            shapes |= {"image": (len(stored["image"]), dim), "image_id": (len(stored["image"]),)}
        for name, array in sorted(stored.items(), key=lambda item: list(ARRAYS).index(item[0])):
            if not array.size or array.shape != shapes.get(name, array.shape):
                fits = f"where {shapes[name]} fits the others" if array.size else "and is empty"
                raise InputError(f"{path} is not an embedding file: '{name}' has shape {array.shape} {fits}.")
        texts = self._usable(stored["text"].reshape(-1, dim), "text")
        root = self._located(texts).mean(0) if mean_root else self._usable(stored["root"][None], "root")[0]
        captions = [caption.strip() for caption in stored["caption"].ravel().tolist()]
        rows = self._index("text", captions, texts)
        if "" in rows and not mean_root:
            self._check_agreement("text", [""], texts[rows[""]][None], root[None])
        digest = sha256(path)
        ending = MEAN_ROOT * mean_root + KEEP * keep_norms
        if named is not None:
            ending += f"{'&' if keep_norms else '?'}{named.options}"
        if ending:
            digest = hashlib.sha256(f"{digest}{ending}".encode()).hexdigest()
        super().__init__(f"npz:{path}{ending}", texts, rows, root, digest[:16])
        self._images = self._usable(stored["image"], "image") if self.has_images else texts[:0]
        keys: list[Any] = stored["image_id"].tolist() if self.has_images else []
        self._image_row: dict[int | str, int] = self._index("image", keys, self._images)
        self._by_number = not any(isinstance(key, str) for key in keys)

    def native_space(self) -> Space | None:
        """The hyperbolic space whose points the rows are, around its origin; None for flat rows."""
        return None if self.coordinates is None else self.coordinates.space(self._texts.shape[1])

    def check_images(self, images: Sequence[ImageLike]) -> None:
        """Raise InputError for images that are not stored, or files of one name."""
        keys = [self._key(image) for image in images]
        missing = [key for key in keys if key not in self._image_row]
        if missing:
            raise InputError(f"{self._path} lacks {len(missing)} of {len(images)} images; the first is {missing[0]}.")
        if not self._by_number:
            _refuse_namesakes(keys, images)

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        return self._images[[self._image_row[self._key(image)] for image in images]]

    def _usable(self, rows: NDArray[Any], kind: str) -> Tensor:
        tensor, what = torch.from_numpy(rows), f"the {kind} embeddings of {self._path}"
        norms = usable_norms(tensor, what, zero=not self.normalised)
        if self.coordinates is not None:
            try:
                return self.coordinates.tangent(tensor)
            except InputError as error:
                raise InputError(f"{what} are no points of {self.coordinates.options}: {error}") from None
        refuse_hyperboloid(tensor, what, f"npz:{self._path}?{{}}")
        low, high = float(norms.min()), float(norms.max())
        if self.normalised and high > SPREAD * low:
            warnings.warn(
                f"{what} have norms from {low:.3g} to {high:.3g}, which are divided out: to keep them, write "
                f"{KEEP} behind the name of the file.",
                stacklevel=4,
            )
        return tensor

    def _located(self, rows: Tensor) -> Tensor:
        return unit_rows(rows, "stored") if self.normalised else wide(rows)

    def _index(self, kind: str, keys: Sequence[Key], rows: Tensor) -> dict[Key, int]:
        """The first row of each key, after checking that its other rows agree with it."""
        first: dict[Key, int] = {}
        owner = torch.tensor([first.setdefault(key, row) for row, key in enumerate(keys)], dtype=torch.int64)
        for repeats in (owner != torch.arange(len(owner))).nonzero()[:, 0].split(ROWS_AT_ONCE):
            self._check_agreement(kind, [keys[row] for row in repeats.tolist()], rows[repeats], rows[owner[repeats]])
        return first

    def _check_agreement(self, kind: str, keys: Sequence[Hashable], rows: Tensor, others: Tensor) -> None:
        """Raise InputError if a row (N, D) differs from the same row of `others`; names its key."""
        one, other = self._located(rows), self._located(others)
        apart = ((one - other).norm(dim=1) > AGREEMENT * other.norm(dim=1)).nonzero()[:, 0]
        if len(apart):
            raise InputError(f"{self._path} holds two different embeddings of the {kind} {keys[int(apart[0])]!r}.")

    def _key(self, image: ImageLike) -> int | str:
        """What an image is stored under: its COCO id, or the name of its file with its ending or else without."""
        if self._by_number:
            return _coco_id(image)
        name = _file_path(image).name
        return name if name in self._image_row else Path(name).stem


def load_npz(rest: str, *, device: torch.device) -> NpzModel:
    """The embedding file ``FILE``, or ``FILE@mean`` for one without an embedding of the empty caption.

    The mean of its text embeddings then stands in for it. ``?norms=keep`` behind it takes rows as they are,
    ``?coordinates=hyperboloid&curvature=-1`` as points of a hyperbolic space, in one of
    `hiergeo.geometry.coordinates.COORDINATES`; its origin is the root where the file has none.

    Raises:
        InputError: the file cannot be used, or holds two different embeddings of one caption or image.
    """
    source, options = hub.options_of(rest, NpzOptions)
    mean_root = source.endswith(MEAN_ROOT) and not path_of(source).exists()
    path = path_of(source.removesuffix(MEAN_ROOT) if mean_root else source)
    return NpzModel(path, mean_root, options.norms == "keep", options.read)


def _file_path(image: ImageLike) -> Path:
    """The file of an image; raises InputError for a picture that has none."""
    path = image.path if isinstance(image, ImageRef) else image
    if not isinstance(path, str | Path):
        raise InputError("stored embeddings are looked up by file name, which a picture does not tell: pass its path.")
    return Path(path)


def _coco_id(image: ImageLike) -> int:
    """The id of a dataset's image, or that in a file name (``COCO_val2014_000000000139.jpg`` is 139)."""
    if isinstance(image, ImageRef):
        return image.image_id
    number = NAME.fullmatch(_file_path(image).name)
    if number is None:
        raise InputError(f"the file name {image} holds no COCO id to look up, such as 000000000139.jpg.")
    return int(number[1])


def _refuse_namesakes(keys: Sequence[Hashable], images: Sequence[ImageLike]) -> None:
    """Raise InputError if two files that are not one and the same would get the same row."""
    first: dict[Hashable, Path] = {}
    for key, image in zip(keys, images, strict=True):
        path = _file_path(image)
        other = first.setdefault(key, path)
        if other != path and os.path.abspath(other) != os.path.abspath(path):
            raise InputError(
                f"stored embeddings are looked up by the name of the file, and {other} and {path} are both '{key}': "
                "embed them one call at a time, or store them under different names."
            )


class LvisModel(StoredTexts):
    """A model of stored embeddings of names.

    The file has no embedding of the empty caption. The root is the mean of all unit embeddings; spaces of root "none"
    do without.
    """

    preprocessing = f"stored embeddings of '{PROMPT}'; the root is their mean"


def load_lvis_model(rest: str, *, device: torch.device) -> LvisModel:
    """``lvis:clip``, the file in the data home, or ``lvis:FILE``.

    Raises:
        InputError: the file cannot be used.
    """
    path = data_home() / FILE if rest == LVIS_HOME else path_of(rest)
    stored, name = load_lvis(path), f"lvis:{LVIS_HOME if rest == LVIS_HOME else path}"
    rows = unit_rows(stored.text, f"the embeddings of {name}")
    row_of = {PROMPT.replace("{}", word): row for row, word in enumerate(stored.words)}
    return LvisModel(name, rows, row_of, rows.mean(0), sha256(path)[:16])
