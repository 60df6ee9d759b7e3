"""Opening pictures of every kind as the 8-bit RGB that vision towers are trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from hiergeo.datasets._base import ImageRef
from hiergeo.errors import HiergeoError, InputError

if TYPE_CHECKING:
    from PIL.Image import Image

ImageLike: TypeAlias = Union["Image", str, Path, ImageRef]
"""A picture, the path of one, or a dataset's reference to one."""

UNDECODABLE = (OSError, SyntaxError, ValueError, EOFError)
"""What Pillow raises for damaged files, depending on the format."""


def refuse_missing(images: Sequence[ImageLike]) -> None:
    """Raise an `InputError` that names the first image file that does not exist and says how many do not."""
    missing = [image for image in images if (path := _path(image)) is not None and not path.is_file()]
    if missing:
        cure = _cure(missing[0])
        raise InputError(
            f"{len(missing)} of {len(images)} image files do not exist; the first is {_path(missing[0])}{cure}."
        )


def open_rgb(image: ImageLike) -> "Image":
    """The picture in mode RGB, turned upright by its EXIF orientation, transparency laid on white, 16 bits cut to 8.

    Raises:
        InputError: the file is missing, truncated or no image.
    """
    from PIL import Image, ImageOps

    try:
        if isinstance(image, Image.Image):
            return _rgb(ImageOps.exif_transpose(image))
        opened = image.open() if isinstance(image, ImageRef) else Image.open(image)
        with opened:
            return _rgb(ImageOps.exif_transpose(opened))
    except HiergeoError:
        raise
    except (*UNDECODABLE, Image.DecompressionBombError) as error:
        raise InputError(f"cannot read {_label(image)} as an image: {error}.") from error


def _rgb(image: "Image") -> "Image":
    from PIL import Image

    if image.mode == "F":
        raise InputError("an image of floating-point pixels has no agreed range: convert it to 8 bits first.")
    if image.mode.startswith("I"):
        import numpy as np

        deep = np.asarray(image).astype(np.float64)
        return Image.fromarray((deep / 257).round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
        seen = image.convert("RGBA")
        page = Image.new("RGBA", seen.size, "white")
        return Image.alpha_composite(page, seen).convert("RGB")
    return image.convert("RGB")


def _path(image: ImageLike) -> Path | None:
    if isinstance(image, ImageRef):
        return image.path
    return Path(image) if isinstance(image, str | Path) else None


def _cure(image: ImageLike) -> str:
    """What a dataset has to say of its own missing image."""
    if isinstance(image, ImageRef):
        try:
            image.open()
        except HiergeoError as error:
            return f" ({str(error).rstrip('.')})"
    return ""


def _label(image: ImageLike) -> str:
    path = _path(image)
    if path is not None:
        return str(path)
    return f"image {image.image_id}" if isinstance(image, ImageRef) else "the given picture"
