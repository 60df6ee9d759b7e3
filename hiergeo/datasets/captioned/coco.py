"""Captions in the layouts that papers evaluate retrieval on: COCO folders, and the splits of Karpathy and Fei-Fei."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from hiergeo._core.errors import InputError, UnavailableError, unknown_name
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Count, Foreign
from hiergeo.datasets.captioned.sets import Captioned, stripped
from hiergeo.datasets.pictures import file_ref

OBTAIN = (
    "get val2017.zip and annotations_trainval2017.zip from https://cocodataset.org and unpack both there (val2017/ and "
    "annotations/captions_val2017.json)"
)
"""Where to get the images and captions of COCO."""

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


def coco_folder(folder: Path, split: str = "val2017", images: Path | None = None) -> Captioned:
    """The captions of a COCO folder: ``annotations/captions_SPLIT.json`` and the images in ``SPLIT/``.

    Args:
        folder: the folder.
        split: such as ``val2017``.
        images: the folder of the images, where it is another one.

    Raises:
        UnavailableError: the captions are not there; the message says where to get them.
        InputError: a file without such captions, a caption of an image that is not listed, an image listed twice or
            without captions.
    """
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
    return Captioned(
        "coco",
        split,
        f"COCO {split}",
        tuple(file_ref(image.id, pictures / image.file_name) for image in content.images),
        tuple(map(stripped, captions.values())),
    )


def karpathy(path: Path, split: str = "test", images: Path | None = None) -> Captioned:
    """A split of Karpathy and Fei-Fei, such as the 5,000 COCO or 1,000 Flickr30k test images.

    Args:
        path: ``dataset_coco.json``, ``dataset_flickr30k.json`` or ``dataset_flickr8k.json``.
        split: ``test``, ``val``, ``train`` or ``restval``.
        images: the folder of the images, in which those of COCO lie in ``val2014/`` and ``train2014/``; by default
            that of the file.

    Raises:
        InputError: the file is missing or no such file, the split is unknown, or an id is there twice.

    Source: Karpathy and Fei-Fei, Deep Visual-Semantic Alignments for Generating Image Descriptions (CVPR 2015).
    """
    content = documents.read(path, _Karpathy)
    splits = sorted({image.split for image in content.images})
    if split not in splits:
        raise unknown_name("split", split, splits, f" of {path.name}")
    chosen = [image for image in content.images if image.split == split]
    name = content.dataset or path.stem.removeprefix("dataset_")
    folder = images or path.parent
    return Captioned(
        name,
        split,
        f"Karpathy {name} {split}, {len(chosen):,} images",
        tuple(file_ref(_number(image, index), _picture(folder, image)) for index, image in enumerate(chosen)),
        tuple(stripped(sentence.raw for sentence in image.sentences) for image in chosen),
    )


def _number(image: _Picture, index: int) -> int:
    return next(number for number in (image.cocoid, image.imgid, index) if number is not None)


def _picture(folder: Path, image: _Picture) -> Path:
    """Where an image lies: in the folder that the file names, or directly in that of the images."""
    named, direct = folder / image.filepath / image.filename, folder / image.filename
    return direct if direct.is_file() and not named.is_file() else named
