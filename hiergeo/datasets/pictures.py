"""Opens pictures of every kind as 8-bit RGB, which vision towers are trained on."""

import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, Union, cast

import numpy as np
import torch

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, InputError
from hiergeo._core.storage.files import size_of
from hiergeo.datasets.hierarchy import ImageRef

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")

ImageLike: TypeAlias = Union["Image", str, Path, ImageRef, "np.ndarray[Any, np.dtype[np.uint8]]", torch.Tensor]
"""A picture, the path of one, a dataset's reference to one, or its pixels: (height, width, 3) uint8, RGB."""

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""What photographs and drawings are kept in. Formats that run programs, hold documents, take minutes to decode (PPM as
text) or are seldom met are left to a converter."""

SUFFIXES = {".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
"""Suffixes of files of `FORMATS`, in lower case."""

ORIENTATION = 0x0112
"""EXIF tag of the orientation."""

JPEG_QUALITY = 80
"""The quality of pictures that are written anew to be shown, in [0, 100]."""


def check_images(images: Sequence[ImageLike]) -> None:
    """Look at every image before work begins: is it there, of a known format, of a size that can be used?

    Of files no more than the header is read: damage further in shows when the picture is opened.

    Raises:
        InputError: names the first image that cannot be used, and says how many files are missing.
    """
    missing = [image for image in images if (path := _path(image)) is not None and size_of(path) is None]
    if missing:
        problem = f"{len(missing)} of {len(images)} image files do not exist; the first is {_path(missing[0])}"
        raise InputError(f"{problem}{_cure(missing[0])}.")
    for index, image in enumerate(images):
        if not isinstance(image, ImageRef):
            _read(image, _label(image, index), lambda _: None)


def decoded(data: bytes) -> "Image":
    """The picture in the bytes of a file of `FORMATS`, as its header has it; pixels are read when they are needed."""
    from PIL import Image

    return Image.open(CountedReads(io.BytesIO(data), limits.IMAGE_PIECES // 10), formats=FORMATS)


def open_rgb(image: ImageLike, least: int | None = None) -> "Image":
    """The picture in mode RGB, turned upright by its EXIF orientation, transparency laid on white, 16 bits cut to 8.

    Files of `FORMATS` are read, of an animation the first frame.

    Args:
        image: the picture.
        least: pixels of each side that suffice: a decoder that can scales a larger picture down while it reads it.

    Raises:
        InputError: the file is missing, truncated, no image or of another format; the picture has no pixels, more than
            Pillow takes, or one side that is over a hundred times the other; the array is of another kind.
    """
    from PIL import ImageOps

    def upright(opened: "Image") -> "Image":
        if least is not None:
            opened.draft("RGB", (least, least))
        turned = opened.getexif().get(ORIENTATION, 1) != 1
        return _rgb(ImageOps.exif_transpose(opened) if turned else opened)

    return _read(image, _label(image), upright)


def cut_out(image: "Image", edges: tuple[float, float, float, float]) -> "Image":
    """The part of a picture between its left, top, right and bottom edge, in fractions of its width and height.

    A side is at least 1 / `limits.IMAGE_ASPECT` of the picture's longer one, so that no part is a mere line.
    """
    least = -(-max(image.size) // limits.IMAGE_ASPECT)
    spans = []
    for size, low, high in zip(image.size, edges[:2], edges[2:], strict=True):
        start = max(0, min(int(low * size), size - least))
        spans.append((start, min(size, max(math.ceil(high * size), start + least))))
    (left, right), (top, bottom) = spans
    return image if image.size == (right - left, bottom - top) else image.crop((left, top, right, bottom))


def file_ref(image_id: int, path: Path) -> ImageRef:
    """An image that is a file."""
    return ImageRef(image_id, partial(open_rgb, path), path)


def small_jpeg(image: ImageLike, side: int) -> bytes:
    """The picture written anew as a JPEG file whose longer side has at most `side` pixels. Raises as `open_rgb`."""
    picture = open_rgb(image, least=2 * side)
    picture.thumbnail((side, side), reducing_gap=2.0)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return file.getvalue()


def _read(image: ImageLike, label: str, use: Callable[["Image"], T]) -> T:
    """`use` of a picture whose size has been checked; any error of Pillow becomes an InputError."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with nullcontext(image) if isinstance(image, Image.Image) else _opened(image, label) as opened:
                _check_size(opened, label)
                return use(opened)
    except HiergeoError:
        raise
    except Image.UnidentifiedImageError as error:
        raise InputError(f"cannot read {label} as an image: it is damaged or none of {', '.join(FORMATS)}.") from error
    except Exception as error:  # damage surfaces in Pillow's decoders as any exception there is
        problem = str(error).rstrip(".") or type(error).__name__
        raise InputError(f"cannot read {label} as an image: {problem}.") from error


@contextmanager
def _opened(image: ImageLike, label: str) -> "Iterator[Image]":
    from PIL import Image

    if isinstance(image, ImageRef):
        with image.open() as opened:
            yield opened
    elif isinstance(image, str | Path):
        size = size_of(image)
        if size is None:
            raise InputError(f"there is no image file {label}.")
        if size > limits.IMAGE_BYTES:
            raise InputError(f"cannot use {label}: it has {size:,} bytes, an image may have {limits.IMAGE_BYTES:,}.")
        with CountedReads(io.FileIO(image)) as file, Image.open(file, formats=FORMATS) as opened:
            yield opened
    else:
        yield Image.fromarray(_pixels(image, label))


class CountedReads(io.BufferedReader):
    """A file or `io.BytesIO` that refuses more than so many reads: Pillow skips junk byte by byte."""

    def __init__(self, raw: io.RawIOBase | io.BytesIO, pieces: int = limits.IMAGE_PIECES) -> None:
        super().__init__(cast(io.RawIOBase, raw))
        self._left = pieces

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise OSError("it consists of bits and pieces")
        return super().read(size)


def _pixels(image: object, label: str) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    if not isinstance(image, np.ndarray | torch.Tensor):
        kind = type(image).__name__
        raise InputError(f"{label} is of type {kind}: give a picture of Pillow, a path or an array of pixels.")
    if image.dtype not in (np.uint8, torch.uint8) or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            f"{label} is an array of {image.dtype} and shape {tuple(image.shape)}: "
            "pixels must be uint8 of shape (height, width, 3), in RGB."
        )
    return np.ascontiguousarray(image if isinstance(image, np.ndarray) else image.detach().cpu().numpy())


def _check_size(image: "Image", label: str) -> None:
    short, long = sorted(image.size)
    if short < 1:
        raise InputError(f"cannot use {label}: it has no pixels ({image.width} x {image.height}).")
    if long > limits.IMAGE_ASPECT * short:
        raise InputError(
            f"cannot use {label}: of {image.width} x {image.height} pixels one side is over "
            f"{limits.IMAGE_ASPECT} times the other: crop it."
        )


def _rgb(image: "Image") -> "Image":
    from PIL import Image

    if image.mode == "F":
        raise InputError("an image of floating-point pixels has no agreed range: convert it to 8 bits first.")
    if image.mode.startswith("I"):
        deep = np.asarray(image).clip(0, 65535).astype(np.uint32)
        return Image.fromarray(((deep + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


def _path(image: ImageLike) -> Path | None:
    if isinstance(image, ImageRef):
        return image.path
    return Path(image) if isinstance(image, str | Path) else None


def _cure(image: ImageLike) -> str:
    """What to do about a missing image of a dataset."""
    try:
        if isinstance(image, ImageRef):
            image.open()
    except HiergeoError as error:
        return f" ({str(error).rstrip('.')})"
    return ""


def _label(image: ImageLike, index: int | None = None) -> str:
    if (path := _path(image)) is not None:
        return str(path)
    if isinstance(image, ImageRef):
        return image.name
    return "the given picture" if index is None else f"picture {index} (the first is 0)"
