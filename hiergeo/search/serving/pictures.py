"""Images in requests: files whose header is checked before a pixel of them is decoded."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from hiergeo._core.errors import InputError
from hiergeo.datasets.pictures import FORMATS, CountedReads, open_rgb
from hiergeo.search.serving.limits import Limits, Refused

if TYPE_CHECKING:
    from PIL.Image import Image

PIECES = 100_000
"""Reads of one image file: one of 8 MiB takes a few thousand."""


@final
@dataclass(frozen=True)
class Encoded:
    """An image file of which the header alone has been read: width times height, and the field that named it."""

    content: bytes
    pixels: int
    field: str


def read_header(content: bytes, field: str, limits: Limits) -> Encoded:
    """The image file in bytes whose number has been checked; raises Refused."""
    with _opened(content, field) as opened:
        pixels = opened.width * opened.height
        if pixels > limits.image_pixels:
            size, most = f"{opened.width} x {opened.height}", f"{limits.image_pixels:,}"
            raise Refused(413, f"{field} has {size} pixels and may have {most}: scale it.", field)
    return Encoded(content, pixels, field)


def decode(image: Encoded) -> "Image":
    """The picture in a file, in mode RGB; nothing of it is stored. Raises Refused."""
    with _opened(image.content, image.field) as opened:
        return open_rgb(opened)


@contextmanager
def _opened(content: bytes, field: str) -> "Iterator[Image]":
    """The picture in the bytes of a file within the block, whose errors become refusals."""
    from PIL import Image

    try:
        file = CountedReads(io.BytesIO(content), PIECES)
        with warnings.catch_warnings(), file:
            warnings.simplefilter("ignore")
            with Image.open(file, formats=FORMATS) as opened:
                yield opened
    except Refused:
        raise
    except InputError as error:
        raise Refused(400, f"{field}: {error}", field) from error
    except Exception as error:  # damage surfaces in Pillow's decoders as any exception there is
        message = f"{field} cannot be read as an image: it is damaged or not one of {', '.join(FORMATS)}."
        raise Refused(400, message, field) from error
