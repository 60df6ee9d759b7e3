"""Stored embeddings: arrays of texts, images and the root, looked up by caption and by the id or name of an image."""

import hashlib
import os
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, cast, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo._core.errors import InputError, reason, unknown_name, warn
from hiergeo._core.numerics import torch_defaults, wide
from hiergeo._core.storage import archives
from hiergeo._core.storage.files import path_of, sha256
from hiergeo.adapters import hub
from hiergeo.adapters.model import ROWS_AT_ONCE, Model, unit_rows, usable_norms
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarchy import ImageRef
from hiergeo.datasets.lvis import FILE, PROMPT, load_lvis
from hiergeo.datasets.pictures import ImageLike
from hiergeo.datasets.vectors import ARRAYS, read_vectors
from hiergeo.geometry import Space
from hiergeo.geometry.coordinates import Coordinates, refuse_hyperboloid

Key = TypeVar("Key", bound=Hashable)

Rows: TypeAlias = NDArray[Any] | Tensor | Sequence[Any]
"""Rows of floating-point numbers: an array, a tensor, or a list of rows."""

ARRAYS_SPEC = "arrays:"
"""Beginning of the name of a model of arrays in memory, which no spec loads."""

SOURCE = "hiergeo.embedded"
"""What errors call such arrays."""

AGREEMENT = 1e-3
"""Largest distance between two unit embeddings of one caption or image: four times the rounding of float16."""

NAME = re.compile(r"(?:COCO_(?:[a-z]+20\d\d_)?)?(\d{1,18})(?:\.\w+)?")
"""Names of files with a COCO id: ``COCO_val2014_000000000139.jpg``, ``000000000139.jpg``."""

MEAN_ROOT = "@mean"
"""Ending of the spec of a file whose root is the mean of its texts."""

KEEP = "norms=keep"
"""Option of the spec of a file whose rows are taken as they are, such as tangent vectors at a root that may be 0."""

BALL = "coordinates=ball&curvature=-1"
"""What says that rows shorter than 1 are points of the ball, as a message proposes it."""

NORMS = ("divide", "keep")
"""What becomes of the norms of rows: they are divided out, or the rows are taken as they are."""

LVIS_HOME = "clip"
"""What of ``lvis:clip`` names the file in the data home."""

SPREAD = 1.01
"""Ratio of the largest norm to the smallest from which dividing them out is said."""


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

    @property
    def captions(self) -> tuple[str, ...]:
        """The captions whose embeddings it has, stripped and distinct, in order of first appearance."""
        return tuple(filter(None, self._text_row))

    def check_texts(self, texts: Sequence[str]) -> None:
        missing = [text for text in texts if text and text not in self._text_row]
        if not missing:
            return
        alike = sum(_folded(text) in self._spelled for text in missing)
        hint = f" ({alike} of them are there in other letter case or spacing)" if alike else ""
        if alike or len(missing) < sum(map(bool, texts)):
            raise InputError(
                f"{self.name} ({self.preprocessing}) lacks {len(missing)} of {len(texts)} texts; the first is "
                f"{missing[0]!r}{hint}: embed them too, or leave out what has them."
            )
        raise InputError(
            f"{self.name} ({self.preprocessing}) has embeddings of {len(self._text_row):,} captions, the first "
            f"{next(iter(self._text_row))!r}, and these are other captions: 0 of {len(missing):,} are there, the first "
            f"is {missing[0]!r}; use it with its own (chains of them are the data chains:FILE.csv), or embed these too."
        )

    @cached_property
    def _spelled(self) -> frozenset[str]:
        return frozenset(map(_folded, self._text_row))

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        rows = self._texts[[self._text_row.get(text, 0) for text in texts]].float()
        rows[[index for index, text in enumerate(texts) if not text]] = self._origin.float()
        return rows


@final
class ArrayModel(StoredTexts):
    """A model of which only the embeddings of certain captions and images are at hand.

    `stored` holds arrays by the names of `ARRAYS`; without ``root`` the mean of the text embeddings stands in for it.
    """

    preprocessing = "stored embeddings"

    def __init__(
        self,
        spec: str,
        source: object,
        stored: Mapping[str, NDArray[Any]],
        digest: str,
        keep_norms: bool = False,
        coordinates: Coordinates | None = None,
    ) -> None:
        if ("image" in stored) != ("image_id" in stored):
            raise InputError(f"{source} has only one of 'image' and 'image_id': it needs both or neither.")
        self._source, self.coordinates, self.has_images = source, coordinates, "image" in stored
        self.normalised, self._in_memory = not keep_norms and coordinates is None, spec.startswith(ARRAYS_SPEC)
        dim = stored["text"].shape[-1]
        shapes = {"caption": stored["text"].shape[:-1], "root": (dim,)}
        if self.has_images:
            shapes |= {"image": (len(stored["image"]), dim), "image_id": (len(stored["image"]),)}
        for name, array in sorted(stored.items(), key=lambda item: list(ARRAYS).index(item[0])):
            if not array.size or array.shape != shapes.get(name, array.shape):
                fits = f"where {shapes[name]} fits the others" if array.size else "and is empty"
                raise InputError(f"{source} cannot be used: '{name}' has shape {array.shape} {fits}.")
        texts, mean_root = self._usable(stored["text"].reshape(-1, dim), "text"), "root" not in stored
        root = self._located(texts).mean(0) if mean_root else self._usable(stored["root"][None], "root")[0]
        captions = [caption.strip() for caption in stored["caption"].ravel().tolist()]
        rows = self._index("text", captions, texts)
        if "" in rows and not mean_root:
            self._check_agreement("text", [""], texts[rows[""]][None], root[None])
        super().__init__(spec, texts, rows, root, digest[:16])
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
        if missing := [image for key, image in zip(keys, images, strict=True) if key is None]:
            first, stored = missing[0], next(iter(self._image_row), None)
            name = _name(first) or str(getattr(first, "image_id", ""))
            if not name:
                raise InputError("stored embeddings are looked up by file name, which a picture lacks: pass its path.")
            hint = ", which holds no COCO id to look up" if self._by_number and not _numbers(name) else ""
            raise InputError(
                f"{self._source} lacks {len(missing)} of {len(images)} images; the first is {name}{hint}: name "
                f"images as its image_id does, such as {stored!r}."
            )
        _refuse_namesakes(
            (key, image)
            for key, image in zip(keys, images, strict=True)
            if isinstance(key, str) or (isinstance(image, ImageRef) and key != image.image_id)
        )

    def stores(self, images: Sequence[ImageLike]) -> int:
        return sum(self._key(image) is not None for image in images)

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        return self._images[[self._image_row[cast("int | str", self._key(image))] for image in images]]

    def _usable(self, rows: NDArray[Any], kind: str) -> Tensor:
        tensor, what = torch.from_numpy(rows), f"the {kind} embeddings of {self._source}"
        norms = usable_norms(tensor, what, zero=True)
        low, high = float(norms.min()), float(norms.max())
        if self.normalised and low == 0:
            usable_norms(tensor, what if high >= 1 else f"{what} (points of a ball, perhaps: write {BALL})")
        if self.coordinates is not None:
            try:
                return self.coordinates.tangent(tensor)
            except InputError as error:
                raise InputError(f"{what} are no points of {self.coordinates.options}: {error}") from None
        refuse_hyperboloid(tensor, what, "{}" if self._in_memory else f"npz:{self._source}?{{}}")
        if self.normalised and high > SPREAD * low:
            keep = "norms='keep'" if self._in_memory else f"?{KEEP} behind the name of the file"
            ball = f", or {BALL} if they are points of a ball" if high < 1 else ""
            warn(
                f"{what} have norms from {low:.3g} to {high:.3g}, which are divided out: to keep them, write "
                f"{keep}{ball}."
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
            raise InputError(f"{self._source} holds two different embeddings of the {kind} {keys[int(apart[0])]!r}.")

    def _key(self, image: ImageLike) -> int | str | None:
        """What an image is stored under: its id, or the longest end of its path or address, best with its ending."""
        return next((key for key in self._keys(image) if key in self._image_row), None)

    def _keys(self, image: ImageLike) -> Iterator[int | str]:
        name = _name(image).replace("\\", "/")
        if isinstance(image, ImageRef) and (self._by_number or not name):
            yield image.image_id if self._by_number else str(image.image_id)
        if self._by_number:
            yield from _numbers(name)
            return
        parts = name.split("/")
        for start in range(len(parts)):
            end = "/".join(parts[start:])
            yield end
            yield os.path.splitext(end)[0]


def load_npz(rest: str, *, device: torch.device) -> ArrayModel:
    """The embeddings in ``FILE``, in a format of `hiergeo.datasets.vectors`, perhaps with what is not in it behind it.

    ``FILE@mean`` takes the mean of its texts as the root, in place of the embedding of the empty caption.
    ``?captions=FILE`` names the texts of its rows; ``?norms=keep`` takes rows as they are,
    ``?coordinates=hyperboloid&curvature=-1`` as points of a hyperbolic space, in one of
    `hiergeo.geometry.coordinates.COORDINATES`; its origin is the root where the file has none.

    Raises:
        InputError: the file is missing, damaged, altered, holds pickled objects or lacks an array; or as `ArrayModel`.
    """
    source, options = hub.options_of(rest, StoredOptions)
    mean_root = source.endswith(MEAN_ROOT) and not path_of(source).exists()
    path = path_of(source.removesuffix(MEAN_ROOT) if mean_root else source)
    stored = read_vectors(path, options.captions)
    if "text" not in stored:
        raise InputError(f"{path} has no array 'text', the rows of texts, but of images alone: rename or add it.")
    if "image_id" in stored and "image" not in stored and path.suffix.lower() != ".npz":
        raise InputError(
            f"{path} has rows with a caption and an image, and one vector: where it is that of the caption, write "
            f"--captions {path}:COLUMN; otherwise store the vectors of captions and images as rows of their own."
        )
    if "caption" not in stored:
        raise InputError(
            f"{path} does not say which texts its rows embed: name them, in the order of the rows, by --captions "
            f"FILE.txt (one a line) or TABLE.csv:COLUMN, in a spec npz:{path}?captions=FILE."
        )
    if mean_root:
        stored.pop("root", None)
    elif "root" not in stored and (at := _empty(stored["caption"])) is not None:
        stored["root"] = stored["text"].reshape(-1, stored["text"].shape[-1])[at]
    if not mean_root and not {"root", "coordinates"} & stored.keys() and options.read is None:
        text = torch.from_numpy(stored["text"].reshape(-1, stored["text"].shape[-1]))
        refuse_hyperboloid(text, f"the text embeddings of {path}", f"npz:{path}?{{}}")
        if 0 == float(text.norm(dim=-1).min()) < float(text.norm(dim=-1).max()) < 1:
            raise InputError(f"the text embeddings of {path} are points of a ball, perhaps: write npz:{path}?{BALL}.")
        raise InputError(
            f"{path} has no array 'root', the embedding of the empty caption: name {path}{MEAN_ROOT} to take the mean "
            "of its texts instead."
        )
    whole = path.suffix.lower() == ".npz" and options.captions is None
    digest = sha256(path) if whole else _digest(stored)
    return _model(f"npz:{path}", path, stored, digest, options, mean_root, options.captions)


class StoredOptions(hub.RowOptions):
    """Options of the spec of a file of embeddings."""

    captions: str | None = None


def _empty(captions: NDArray[Any]) -> int | None:
    """Where the empty caption is, if it is there."""
    return next((at for at, caption in enumerate(captions.ravel().tolist()) if not caption.strip()), None)


def _model(
    name: str,
    source: object,
    stored: dict[str, NDArray[Any]],
    digest: str,
    options: hub.RowOptions,
    mean_root: bool,
    captions: str | None = None,
) -> ArrayModel:
    """The model of arrays read as options say; where only coordinates have no root, their origin is it."""
    keep_norms, named = options.norms == "keep", options.read
    coordinates = Coordinates.of_arrays(stored) if named is None else named
    if coordinates is not None and not mean_root and "root" not in stored:
        origin = torch.zeros(1, coordinates.dim(stored["text"].shape[-1]))
        stored = {**stored, "root": coordinates.points(origin)[0].numpy()}
    meant = [KEEP] * keep_norms + ([] if named is None else [named.options])
    mean = MEAN_ROOT * mean_root
    if mean or meant:
        digest = hashlib.sha256(f"{digest}{mean}{'?' * bool(meant)}{'&'.join(meant)}".encode()).hexdigest()
    written = "&".join(([] if captions is None else [f"captions={captions}"]) + meant)
    spec = f"{name}{mean}{'?' * bool(written)}{written}"
    return ArrayModel(spec, source, stored, digest, keep_norms, coordinates)


def embedded(
    text: Rows,
    captions: Sequence[Any] | NDArray[Any],
    image: Rows | None = None,
    image_id: Sequence[Any] | NDArray[Any] | Tensor | None = None,
    root: Rows | None = None,
    *,
    norms: str = "divide",
    coordinates: str | None = None,
    curvature: float | None = None,
    name: str = "mine",
) -> ArrayModel:
    """Arrays as a model, which stands wherever a model is taken: `hiergeo.compare`, `hiergeo.audit`, an index, a head.

    Such a model embeds its own captions and images and no others. Arrays are not copied where they need not be: leave
    them as they are.

    Args:
        text: (N, D) embeddings of captions, or (n, T, D) of chains of them; float16, bfloat16, float32 or float64.
        captions: N strings, or n chains of T of them, that the rows embed. A caption may occur several times, with one
            embedding.
        image: (M, D) embeddings of images, in the same space.
        image_id: what each image is called: a whole number, such as the id of COCO, or a string, such as the path or
            the name of its file, by which chains name it (column ``image_url``).
        root: (D,) the embedding of the empty caption, by the same model. None takes it from the caption ``""`` if there
            is one, otherwise the mean of the text embeddings.
        norms: ``divide`` brings rows to norm one, ``keep`` takes them as they are, such as tangent vectors.
        coordinates: of points of hyperbolic space, such as ``hyperboloid`` or ``ball`` (`COORDINATES`); their origin is
            the root where none is given.
        curvature: of that space, below 0.
        name: what results call the model.

    Raises:
        InputError: arrays that do not fit each other or are of other types, rows that are not finite or have norm zero,
            or two different embeddings of a caption or image.
    """
    if norms not in NORMS:
        raise unknown_name("treatment of norms", norms, NORMS)
    keep: Literal["keep"] | None = "keep" if norms == "keep" else None
    options = hub.RowOptions(norms=keep, coordinates=coordinates, curvature=curvature)
    given = {"text": text, "image": image, "root": root}
    stored = {key: _rows(key, rows) for key, rows in given.items() if rows is not None or key == "text"}
    stored["caption"] = _labels("captions", captions, (str,))
    if stored["caption"].shape != stored["text"].shape[:-1]:
        shapes = f"{stored['caption'].shape} captions for rows of shape {stored['text'].shape}"
        raise InputError(f"{SOURCE} has {shapes}: text must be (N, D) and captions N strings, one for each row.")
    if image_id is not None:
        stored["image_id"] = _labels("image_id", image_id, (int, np.integer), (str, os.PathLike))
    if root is None and (at := _empty(stored["caption"])) is not None:
        stored["root"] = stored["text"].reshape(-1, stored["text"].shape[-1])[at]
    mean_root = "root" not in stored and coordinates is None
    if mean_root:
        warn(f"{SOURCE} has no root, so radii begin at the mean of its texts: give root, the embedding of ''.")
    with torch_defaults():
        return _model(f"{ARRAYS_SPEC}{name}", SOURCE, stored, _digest(stored), options, mean_root)


def _rows(name: str, rows: Any) -> NDArray[Any]:
    """Rows as an array in native byte order that torch can share; raises InputError for anything but numbers."""
    try:
        if isinstance(rows, Tensor):
            rows = rows.detach().cpu()
            rows = (rows.float() if rows.dtype == torch.bfloat16 else rows).numpy()
        array = np.asarray(rows)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{SOURCE}: {name} is no dense array of numbers ({reason(error)}).") from error
    archives.check(SOURCE, name, ARRAYS[name], array)
    return np.require(array, array.dtype.newbyteorder("="), ["C", "W"])


def _labels(name: str, labels: Any, *kinds: tuple[type, ...]) -> NDArray[Any]:
    """Captions or ids as an array of objects, which does not pad strings; raises InputError for one of no kind."""
    listed = labels.tolist() if hasattr(labels, "tolist") else labels
    array = np.array(None if isinstance(listed, str | bytes) else listed, dtype=object)
    items = array.ravel().tolist()
    fits = any(all(isinstance(item, kind) and not isinstance(item, bool) for item in items) for kind in kinds)
    if not array.ndim or not fits:
        wanted = "strings" if len(kinds) == 1 else "whole numbers, or a list of strings"
        types = ", ".join(sorted({type(item).__name__ for item in items})) if array.ndim else type(labels).__name__
        raise InputError(f"{SOURCE}: {name} must be a list of {wanted}, not of {types}.")
    array.ravel()[:] = [int(item) if isinstance(item, int | np.integer) else str(item) for item in items]
    return array


def _digest(stored: Mapping[str, NDArray[Any]]) -> str:
    """The SHA-256 of arrays; strings and whole numbers count as what they are."""
    digest = hashlib.sha256()
    for name, array in sorted(stored.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        labels = array.dtype.kind == "O"
        digest.update(repr(array.tolist()).encode("utf-8", "surrogatepass") if labels else array.data)
    return digest.hexdigest()


def _folded(caption: str) -> str:
    return " ".join(caption.casefold().split())


def _name(image: ImageLike) -> str:
    """The address or the path of an image; empty for a picture without one."""
    if isinstance(image, ImageRef):
        return image.address or str(image.path or "")
    return str(image) if isinstance(image, str | Path) else ""


def _numbers(name: str) -> list[int]:
    """The COCO id in the name of a file (``COCO_val2014_000000000139.jpg`` is 139), if there is one."""
    number = NAME.fullmatch(name.rpartition("/")[2])
    return [int(number[1])] if number else []


def _refuse_namesakes(named: Iterable[tuple[Hashable, ImageLike]]) -> None:
    """Raise InputError if two files that are not one and the same would get the same row."""
    first: dict[Hashable, str] = {}
    for key, image in named:
        path = _name(image)
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
