"""Images with several captions each: COCO folders, Karpathy's splits, own tables, stored embeddings and scenes."""

import glob
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import Field

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError, unknown_name
from hiergeo._core.storage import archives, documents
from hiergeo._core.storage.archives import Array
from hiergeo._core.storage.documents import Count, Foreign
from hiergeo._core.storage.files import path_of
from hiergeo.datasets import scenes
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarchy import ImageRef
from hiergeo.datasets.pictures import decoded, file_ref
from hiergeo.datasets.reading import Columns, Sample, sound

SOURCES = ("coco", "scenes", "clip_flickr8k")
"""Sources with a name."""

FLICKR8K = Path("clip_flickr8k") / "flickr8k100_clip_vitb32.npz"
"""Path in the data home of the embeddings of 100 Flickr8k images and their 500 captions by CLIP ViT-B/32."""

COLUMN = "{0}_column, on the command line --set {0}_column=NAME"
"""How a column of a table is named."""

PHRASE = re.compile(r" (?=(?:left of|right of|above|below|on a) )")
"""Where a phrase begins in the caption of a scene."""

OBTAIN = (
    "get val2017.zip and annotations_trainval2017.zip from https://cocodataset.org and unpack both there (val2017/ and "
    "annotations/captions_val2017.json)"
)
"""Where to get the images and captions of COCO."""


@dataclass(frozen=True, repr=False)
class Captioned:
    """Images, each with its captions.

    Attributes:
        name: what the set is called, such as ``coco``.
        split: such as ``val2017``.
        convention: where images and captions are from, for the record of a result, such as ``COCO val2017``.
        images: n of them, of different ids.
        captions: the captions of each image, stripped, at least one.

    Raises:
        InputError: no images, an id twice, an image without captions, or an empty caption.
    """

    name: str
    split: str
    convention: str
    images: tuple[ImageRef, ...]
    captions: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if not self.images or len(self.images) != len(self.captions):
            raise InputError(f"{self.name} must have captions for each of its images, and at least one image.")
        seen: set[int] = set()
        for image, captions in zip(self.images, self.captions, strict=True):
            if image.image_id in seen:
                raise InputError(f"the id {image.image_id} belongs to two images of {self.name}: keep one of them.")
            seen.add(image.image_id)
            if not (captions and all(captions)):
                flaw = "an empty caption" if captions else "no captions"
                raise InputError(f"{image.name} of {self.name} has {flaw}: correct it, or leave the image out.")

    def __repr__(self) -> str:
        return f"<{self.name} {self.split}, {len(self.images)} images, {len(self.texts)} captions>"

    @property
    def texts(self) -> tuple[str, ...]:
        """All captions, image by image."""
        return tuple(caption for captions in self.captions for caption in captions)

    @property
    def owner(self) -> tuple[int, ...]:
        """The image of each of `texts`, a position in `images`."""
        return tuple(index for index, captions in enumerate(self.captions) for _ in captions)

    @property
    def counts(self) -> str:
        """How many captions the images have, in words: ``5`` or ``5 to 7``."""
        least, most = min(map(len, self.captions)), max(map(len, self.captions))
        return str(least) if least == most else f"{least} to {most}"

    def limited(self, first: int | None) -> "Captioned":
        """The same images with the first so many captions of each; None is all."""
        return self if first is None else replace(self, captions=tuple(captions[:first] for captions in self.captions))

    def take(self, count: int | None) -> "Captioned":
        """The first `count` images; None is all."""
        return self if count is None else replace(self, images=self.images[:count], captions=self.captions[:count])


def _stripped(captions: Iterable[str]) -> tuple[str, ...]:
    return tuple(caption.strip() for caption in captions)


def load_captioned(
    source: str | Path = "coco",
    split: str | None = None,
    images: str | Path | None = None,
    image_column: str | None = None,
    caption_column: str | None = None,
) -> Captioned:
    """A set of captioned images.

    Args:
        source: ``coco`` (the folder ``coco`` of the data home), ``scenes``, ``clip_flickr8k`` (the stored embeddings in
            the data home); or a path: a COCO folder, a file of Karpathy's splits (``.json``), stored embeddings
            (``.npz``), or a file, a folder or a pattern of what `hiergeo.datasets.reading` reads.
        split: ``val2017`` by default in COCO folders, ``test`` elsewhere; other files have none.
        images: the folder of the images, where it is not beside the captions.
        image_column: of a table; None is the usual one.
        caption_column: of a table; None is the usual one.

    Raises:
        UnavailableError: the data is not there; the message says how to get it.
        InputError: the data is damaged, or the source is of an unknown kind.
    """
    folder = None if images is None else path_of(images)
    if source == "scenes":
        return _scene_captions(split or "test")
    if source == "clip_flickr8k":
        return _stored_captions(data_home() / FLICKR8K, "clip_flickr8k")
    path = data_home() / "coco" if source == "coco" else path_of(source)
    if source == "coco" or (path / (split or "val2017")).is_dir() or (path / "annotations").is_dir():
        return _coco_folder(path, split or "val2017", folder)
    if not path.suffix and not path.exists() and not glob.has_magic(path.name):
        raise unknown_name("source of captions", str(source), SOURCES)
    if path.suffix == ".json":
        return _karpathy(path, split or "test", folder)
    if path.suffix == ".npz":
        return _stored_captions(path, path.stem)
    return caption_table(path, folder, image_column, caption_column)


def caption_table(
    path: Path,
    images: Path | None = None,
    image_column: str | None = None,
    caption_column: str | None = None,
    *,
    once: bool = False,
) -> Captioned:
    """Images and captions of a file, a folder or a pattern of files.

    Every row has an image and a caption; JSON Lines and Parquet may have a list of captions in its place. Rows of the
    same image give it several captions. Images get ids by order of appearance, from 0. Those inside Parquet files and
    archives are held in memory as they are, at most `limits.DOWNLOAD_BYTES` of them.

    Args:
        path: of what `hiergeo.datasets.reading` reads.
        images: the folder that names of images in tables are relative to; by default that of the file.
        image_column: the column or key of the image; None is the usual one.
        caption_column: the column or key of the caption or captions; None is the usual one.
        once: refuse an image that two rows name, instead of giving it the captions of both.

    Raises:
        InputError: there is no such file, a column that is missing or there twice, one column for both, or a row
            without an image or a caption; the file and the row are named.
    """
    seen: dict[Path | bytes, tuple[ImageRef, list[str]]] = {}
    size = 0
    columns = Columns("pairs", caption_column, image_column, folder=images, several=True, named=COLUMN)
    for row in sound(path, columns):
        image = row.image if isinstance(row.image, Path) else sha256(row.image or b"").digest()
        if image not in seen:
            seen[image] = _image(len(seen), row), []
            size += len(row.image) if isinstance(row.image, bytes) else 0
        elif once:
            where = f"{path}, row {row.row} (the first is 0)"
            raise InputError(f"{where}: an earlier row has {row.name} already: give each image one row.")
        if size > limits.DOWNLOAD_BYTES:
            raise InputError(f"the images inside {path} have more than {limits.DOWNLOAD_BYTES:,} bytes: unpack it.")
        seen[image][1].extend(caption for caption in (row.caption, *row.others) if caption is not None)
    if not seen:
        raise InputError(f"{path} holds no images and captions: name a file, a folder or a pattern that does.")
    refs, captions = zip(*seen.values(), strict=True)
    return Captioned(path.stem, "all", f"own data, {path.name}", refs, tuple(map(_stripped, captions)))


def _image(number: int, row: Sample) -> ImageRef:
    if isinstance(row.image, Path):
        return file_ref(number, row.image)
    return ImageRef(number, partial(decoded, row.image or b""))


def _stored_captions(path: Path, name: str) -> Captioned:
    """The images and captions whose embeddings are in an ``.npz`` file, to be measured by ``npz:FILE`` on that file.

    It holds ``caption`` (m,) strings, ``text_image`` (m,) the position of the image of each caption, and ``image_id``
    (n,) integers or names of files without ending.
    """
    if not path.is_file():
        raise UnavailableError(f"{path} is not there: put the embeddings there, or name another file.")
    wanted = {"caption": Array("U", (1,)), "text_image": Array("iu", (1,)), "image_id": Array("iuU", (1,))}
    stored = archives.read(path, wanted)
    keys, owner = stored["image_id"].tolist(), stored["text_image"].tolist()
    captions: list[list[str]] = [[] for _ in keys]
    if len(owner) != len(stored["caption"]) or not all(0 <= index < len(keys) for index in owner):
        raise InputError(f"{path}: 'text_image' must give each caption a position among the {len(keys)} images.")
    for index, caption in zip(owner, stored["caption"].tolist(), strict=True):
        captions[index].append(caption.strip())
    ids = [index if isinstance(key, str) else key for index, key in enumerate(keys)]
    images = tuple(file_ref(number, path.parent / str(key)) for number, key in zip(ids, keys, strict=True))
    return Captioned(name, "all", f"stored embeddings, {path.name}", images, tuple(map(tuple, captions)))


def _scene_captions(split: str) -> Captioned:
    """Scenes with their most specific caption each."""
    hierarchy = scenes.load(split)
    captions = tuple((row.positive[-1],) for row in hierarchy.rows)
    return Captioned("scenes", split, f"scenes {split}", hierarchy.images, captions)


def scene_parts() -> Captioned:
    """Scenes with the phrases of their most specific caption: first thing, second thing, and background."""
    plain = _scene_captions("test")
    return replace(plain, captions=tuple(tuple(PHRASE.split(caption)) for (caption,) in plain.captions))


Name = Annotated[str, Field(pattern=r"^[^/\\\x00]+$")]
"""The name of a file or folder."""


class _Image(Foreign):
    id: Count
    file_name: Name


class _Annotation(Foreign):
    image_id: Count
    caption: str


class _Coco(Foreign):
    """The captions of COCO, as far as they are used."""

    images: list[_Image]
    annotations: list[_Annotation]


class _Sentence(Foreign):
    raw: str


class _Picture(Foreign):
    split: str
    filename: Name
    sentences: list[_Sentence]
    filepath: Name = ""
    cocoid: Count | None = None
    imgid: Count | None = None


class _Karpathy(Foreign):
    """A file of Karpathy's splits (``dataset_coco.json``, ``dataset_flickr30k.json``), as far as it is used."""

    images: list[_Picture]
    dataset: str = ""


def _coco_folder(folder: Path, split: str, images: Path | None) -> Captioned:
    """The captions of a COCO folder: ``annotations/captions_SPLIT.json`` and the images in ``SPLIT/``."""
    path = folder / "annotations" / f"captions_{split}.json"
    if not path.is_file():
        raise UnavailableError(f"{path} is not there: {OBTAIN}.")
    content = documents.read(path, _Coco)
    captions: dict[int, list[str]] = {}
    for image in content.images:
        if image.id in captions:
            raise InputError(f"{path} lists the image {image.id} twice.")
        captions[image.id] = []
    for index, annotation in enumerate(content.annotations):
        if annotation.image_id not in captions:
            raise InputError(
                f"{path}: annotation {index} (the first is 0) describes the image {annotation.image_id}, which is "
                "not listed among the images."
            )
        captions[annotation.image_id].append(annotation.caption)
    pictures = images or folder / split
    files = tuple(file_ref(image.id, pictures / image.file_name) for image in content.images)
    return Captioned("coco", split, f"COCO {split}", files, tuple(map(_stripped, captions.values())))


def _karpathy(path: Path, split: str, images: Path | None) -> Captioned:
    """A split of Karpathy and Fei-Fei, such as the 5,000 COCO or 1,000 Flickr30k test images.

    Those of COCO lie in ``val2014/`` and ``train2014/``, or all in the folder of the images.

    Source: Karpathy and Fei-Fei, Deep Visual-Semantic Alignments for Generating Image Descriptions (CVPR 2015).
    """
    content = documents.read(path, _Karpathy)
    splits = sorted({image.split for image in content.images})
    if split not in splits:
        raise unknown_name("split", split, splits, f" of {path.name}")
    chosen = [image for image in content.images if image.split == split]
    name, folder = content.dataset or path.stem.removeprefix("dataset_"), images or path.parent
    refs = []
    for index, image in enumerate(chosen):
        number = next(number for number in (image.cocoid, image.imgid, index) if number is not None)
        named, direct = folder / image.filepath / image.filename, folder / image.filename
        refs.append(file_ref(number, direct if direct.is_file() and not named.is_file() else named))
    captions = tuple(_stripped(sentence.raw for sentence in image.sentences) for image in chosen)
    return Captioned(name, split, f"Karpathy {name} {split}, {len(chosen):,} images", tuple(refs), captions)
