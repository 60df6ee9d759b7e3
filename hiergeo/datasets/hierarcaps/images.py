"""The image files of HierarCaps, opened only when their pixels are needed."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hiergeo.datasets._base import ImageRef, Row
from hiergeo.errors import InputError, UnavailableError

if TYPE_CHECKING:
    from PIL.Image import Image


def image_name(image_id: int) -> str:
    """The file name of an MS-COCO val2014 image."""
    return f"COCO_val2014_{image_id:012d}.jpg"


def image_refs(rows: Iterable[Row], images: Path) -> tuple[ImageRef, ...]:
    """The distinct images of `rows`, in order of first appearance, as files of the folder `images`."""
    ids = dict.fromkeys(row.image_id for row in rows if row.image_id is not None)
    paths = ((image_id, images / image_name(image_id)) for image_id in ids)
    return tuple(ImageRef(image_id, partial(open_image, path), path) for image_id, path in paths)


def open_image(path: Path) -> "Image":
    """The pixels of an image file as upright RGB, whatever its mode and orientation.

    Raises:
        UnavailableError: there is no such file, or it cannot be opened.
        InputError: it is truncated or no image.
    """
    from PIL import Image, ImageOps

    try:
        with path.open("rb") as handle, Image.open(handle) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError:
        raise UnavailableError(
            f"image {path} is not there: run `hiergeo data fetch hierarcaps` for the test images, "
            f"or put a copy of http://images.cocodataset.org/val2014/{path.name} there."
        ) from None
    except PermissionError as error:
        raise UnavailableError(f"cannot read {path}: {error.strerror}.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is not a readable image ({error}): replace it by an intact copy.") from error
