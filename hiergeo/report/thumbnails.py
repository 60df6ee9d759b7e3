"""Small pictures that travel inside the page."""

import base64
import io
from dataclasses import dataclass

from hiergeo.datasets import ImageRef
from hiergeo.datasets.pictures import open_rgb
from hiergeo.errors import HiergeoError

SIDE = 192
"""Longest side of a thumbnail in pixels: shown at 128 and below, sharp on dense displays."""

QUALITY = 80


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a data URI, or the sentence that says why there is none."""

    uri: str = ""
    problem: str = ""


def thumbnail(image: ImageRef, side: int = SIDE) -> Thumbnail:
    """The image, at most `side` pixels a side, as a JPEG inside a data URI."""
    try:
        picture = open_rgb(image)
    except HiergeoError as error:
        return Thumbnail(problem=str(error))
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return Thumbnail(uri=f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}")
