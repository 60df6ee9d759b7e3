"""Addresses of images in tables of others: which MS-COCO image they name, and which file in a folder. Never fetched."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.datasets.hierarchy import ImageRef
from hiergeo.datasets.pictures import open_rgb

if TYPE_CHECKING:
    from PIL.Image import Image

UNNUMBERED = 10**12
"""Number of the first image that is none of MS-COCO's, whose numbers have up to 12 digits."""

COCO_NAME = re.compile(r"(?:.*/)?(?:COCO_(?:train|val|test)201[45]_|(?:train|val|test|unlabeled)2017/)([0-9]{12})\.jpg")

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def image_numbers(addresses: Iterable[str]) -> dict[str, int]:
    """A number for each distinct address that is not empty, in order of first appearance.

    It is that of MS-COCO where the address tells, otherwise counted from `UNNUMBERED`; it depends on those before it.
    """
    numbers: dict[str, int] = {}
    others = 0
    for address in addresses:
        if address and address not in numbers:
            number = coco_number(address)
            numbers[address] = UNNUMBERED + others if number is None else number
            others += number is None
    return numbers


@lru_cache(maxsize=1 << 14)
def coco_number(address: str) -> int | None:
    """The number of an MS-COCO image of any year by the path that its address ends with; None for any other."""
    match = COCO_NAME.fullmatch(_path_in(address))
    return int(match[1]) if match else None


def image_file(address: str, folder: Path) -> Path | None:
    """Where the image of an address is looked for in a folder: the first such path that exists, or the first of all.

    None for an address that leads out of the folder, such as an absolute path or one with ``..``.
    """
    name = PurePosixPath(_path_in(address)).name
    if not name or "\0" in address or len(address) > limits.PATH_BYTES:
        return None
    options = [folder / "images" / name, folder / name]
    if not SCHEME.match(address):
        parts = PurePosixPath(address.replace("\\", "/")).parts
        if ".." in parts or parts[0] == "/" or PureWindowsPath(address).drive:
            return None
        options = [folder.joinpath(*parts), folder.joinpath("images", *parts), *options]
    try:
        return next(filter(Path.is_file, options), options[0])
    except (OSError, ValueError):
        return None


def _path_in(address: str) -> str:
    """The path of an address of the web, or the address itself; of a malformed one nothing."""
    if not SCHEME.match(address):
        return address.replace("\\", "/")
    try:
        return unquote(urlsplit(address).path)
    except ValueError:
        return ""


def image_refs(numbers: Mapping[str, int], folder: Path, advice: str = "") -> tuple[ImageRef, ...]:
    """The images by address -> number, whether or not they are in the folder.

    `advice` says what to do about one that is missing, before that of putting a copy there.
    """
    files: dict[int, tuple[str, Path | None]] = {}
    for address, number in numbers.items():
        if number not in files:
            files[number] = address, image_file(address, folder)
    return tuple(
        ImageRef(number, partial(_open, address, path, advice), path, address=address)
        for number, (address, path) in files.items()
    )


def _open(address: str, path: Path | None, advice: str) -> "Image":
    if path is None:
        raise InputError(
            f"the image '{address}' lies outside the folder of its file: copy it into the folder 'images'."
        )
    if not path.is_file():
        raise UnavailableError(f"the image {path} is not there: {advice}put a copy of {address} there.")
    return open_rgb(path)
