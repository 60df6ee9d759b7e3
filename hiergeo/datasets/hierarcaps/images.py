"""The image files of HierarCaps, opened only when their pixels are needed."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hiergeo.datasets._base import ImageRef, Row
from hiergeo.datasets.pictures import open_rgb
from hiergeo.errors import UnavailableError

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
        UnavailableError: there is no such file.
        InputError: it cannot be read, is truncated or no image.
    """
    if not path.is_file():
        raise UnavailableError(
            f"image {path} is not there: run `hiergeo data fetch hierarcaps` for the test images, "
            f"or put a copy of http://images.cocodataset.org/val2014/{path.name} there."
        )
    return open_rgb(path)
