"""Small pictures of items by their ids: found below a few folders, decoded within limits, kept in memory."""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import path_of
from hiergeo.datasets.pictures import SUFFIXES, small_jpeg
from hiergeo.search import Index

SIDES = (64, 192)
"""Longest sides of thumbnails, pixels."""

KEPT = 2048
"""Thumbnails that are kept, of up to about 30 kB each."""

NUMBERED = "image-id:"
"""Beginning of the reference of an image that is known by a number alone, such as those of COCO."""

LISTED = 1 << 20
"""Files of a folder of images that are looked at for their numbers."""

TRIED = 1024
"""Items whose pictures are looked for to know whether any may be shown."""


@final
class Thumbnails:
    """Pictures of the items of a collection, scaled and written anew as JPEG; no file is ever given as it is.

    An index says where its images lie, and an index may come from anybody. A picture is therefore shown only if its
    file, once all links are followed, lies below the folder of an index or below a folder that the user has named. In
    the latter a picture is found by what the index calls it, by its name alone, or by the number that its name ends in.

    Args:
        indexes: that name the images.
        folder: below which they may lie too; None for none.

    Raises:
        InputError: there is no such folder.
    """

    def __init__(self, indexes: Sequence[Index], folder: Path | None = None) -> None:
        self._indexes = indexes
        self._jpeg = lru_cache(KEPT)(lambda path, _, side: small_jpeg(path, side))
        self._folder = None if folder is None else path_of(folder).resolve()
        if self._folder is not None and not self._folder.is_dir():
            raise InputError(f"{folder} is not a folder of images: name one with --images.")
        self._allowed = [index.store.folder.resolve() for index in indexes]
        if self._folder is not None:
            self._allowed.append(self._folder)
        self._numbered: dict[int, list[Path]] | None = None

    def jpeg(self, item: int, side: int) -> bytes:
        """The picture of an item as a JPEG file whose longer side has at most `side` pixels.

        Raises:
            InputError: there is no such item, it has no picture that may be shown, or its file is damaged. The message
                names no path.
        """
        path = self.path(item)
        if path is None:
            raise InputError(f"item {item} has no picture that can be shown.")
        try:
            return self._jpeg(path, path.stat().st_mtime_ns, side)
        except (InputError, OSError) as error:
            raise InputError(f"the picture of item {item} cannot be read: its file is damaged.") from error

    def path(self, item: int) -> Path | None:
        """The file of the picture of an item; None for an item without one that may be shown.

        Raises:
            InputError: there is no such item.
        """
        wanted = torch.tensor([item])
        stores = [store for index in self._indexes if (store := index.store.pinned()).holds(wanted)]
        if not stores:
            raise InputError(f"there is no item {item}.")
        references = ((store.folder, store.labels(wanted).images[0]) for store in stores)
        paths = (path for folder, name in references if name is not None for path in self._candidates(name, folder))
        return next((real for path in paths if (real := self._permitted(path)) is not None), None)

    def some(self, ids: NDArray[np.int64]) -> bool:
        """Whether a picture of any of these items, ids (n,), may be shown, as `TRIED` of them, spread evenly, tell.

        More items than that are taken to have some below a folder that is named.
        """
        for item in ids[:: max(1, -(-len(ids) // TRIED))].tolist():
            with suppress(InputError):
                if self.path(item) is not None:
                    return True
        return self._folder is not None and len(ids) > TRIED

    def _candidates(self, reference: str, index: Path) -> list[Path]:
        """Where the picture that an index refers to may be."""
        if "\0" in reference:
            return []
        if reference.startswith(NUMBERED):
            number = _number(reference)
            return [] if number is None else self._by_number().get(number, [])
        places = [index / reference]
        if self._folder is not None:
            places += [self._folder / reference, self._folder / os.path.basename(reference)]
        if os.path.splitext(reference)[1].lower() in SUFFIXES:
            return places
        return [place.with_name(f"{place.name}{suffix}") for place in places for suffix in sorted(SUFFIXES)]

    def _permitted(self, path: Path) -> Path | None:
        """The file itself, if there is one below an allowed folder."""
        try:
            real = path.resolve(strict=True)
            inside = any(real.is_relative_to(folder) for folder in self._allowed)
            return real if inside and real.is_file() and real.suffix.lower() in SUFFIXES else None
        except (OSError, RuntimeError, ValueError):
            return None

    def _by_number(self) -> dict[int, list[Path]]:
        """The images of the named folder by the number that their names end in."""
        if self._numbered is None:
            self._numbered = {}
            for path in islice(self._folder.rglob("*") if self._folder is not None else (), LISTED):
                number = _number(path.stem)
                if number is not None and path.suffix.lower() in SUFFIXES:
                    self._numbered.setdefault(number, []).append(path)
        return self._numbered


def name_of_image(reference: str) -> str:
    """What an image is called wherever it lies: its number as a reference, otherwise the name of its file."""
    return reference if reference.startswith(NUMBERED) else re.split(r"[/\\]", reference)[-1]


def number_of_image(reference: str) -> int | None:
    """The number that the name of an image ends in, without its suffix; None if there is none."""
    return _number(os.path.splitext(name_of_image(reference))[0])


def _number(name: str) -> int | None:
    """The number at the end of a name; None if there is none."""
    digits = re.search(r"[0-9]{1,18}\Z", name)
    return None if digits is None else int(digits[0])
