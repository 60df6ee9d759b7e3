"""Images and captions in a user's files, of any kind that `hiergeo.datasets.reading` reads."""

from functools import partial
from hashlib import sha256
from pathlib import Path

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo.datasets.captioned.collection import Captioned, file_ref, stripped
from hiergeo.datasets.hierarchy import ImageRef
from hiergeo.datasets.pictures import decoded
from hiergeo.datasets.reading import Columns, Sample, sound


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
    found: dict[Path | bytes, tuple[ImageRef, list[str]]] = {}
    size = 0
    for row in sound(path, Columns("pairs", caption_column, image_column, folder=images, several=True)):
        image = row.image if isinstance(row.image, Path) else sha256(row.image or b"").digest()
        if image not in found:
            found[image] = _image(len(found), row), []
            size += len(row.image) if isinstance(row.image, bytes) else 0
        elif once:
            place = f"{path}, row {row.row} (the first is 0)"
            raise InputError(f"{place}: an earlier row has {row.name} already: give each image one row.")
        if size > limits.DOWNLOAD_BYTES:
            raise InputError(f"the images inside {path} have more than {limits.DOWNLOAD_BYTES:,} bytes: unpack it.")
        found[image][1].extend(each for each in (row.caption, *row.others) if each is not None)
    if not found:
        raise InputError(f"{path} holds no images and captions: name a file, a folder or a pattern that does.")
    refs, captions = zip(*found.values(), strict=True)
    return Captioned(path.stem, "all", f"own data, {path.name}", refs, tuple(map(stripped, captions)))


def _image(number: int, row: Sample) -> ImageRef:
    if isinstance(row.image, Path):
        return file_ref(number, row.image)
    return ImageRef(number, partial(decoded, row.image or b""))
