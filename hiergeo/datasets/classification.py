"""Sources of labelled images: generated scenes, or a folder with one subfolder for each class."""

from collections.abc import Sequence
from pathlib import Path

from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo._core.storage.files import path_of
from hiergeo.datasets.hierarchy import Labelled
from hiergeo.datasets.pictures import file_ref, open_rgb
from hiergeo.datasets.scenes import lone_shapes

PHOTO_TEMPLATES = ("a photo of a {}.", "a photo of one {}.", "a close-up photo of a {}.", "a picture of a {}.", "a {}.")
"""Prompts for photographs, in the style of CLIP's."""


def labelled(
    source: str | Path, templates: Sequence[str] | None = None, *, only: Sequence[str] | None = None
) -> Labelled:
    """A set of labelled images: ``scenes``, or a folder that holds one subfolder of images a class.

    Of a folder, subfolders name the classes (underscores become spaces) and every file in them that is not hidden is
    an image; all are opened once.

    Args:
        source: ``scenes``, or the folder.
        templates: prompts in place of those that belong to the source.
        only: the subfolders to read, in this order; None is all.

    Raises:
        UnavailableError: a folder cannot be looked into.
        InputError: there is no such folder, it holds fewer than two classes, a class has no images, a file cannot be
            read as an image, or as `Labelled`.
    """
    if source == "scenes":
        return lone_shapes() if templates is None else lone_shapes(templates)
    return _folder(path_of(source), tuple(PHOTO_TEMPLATES if templates is None else templates), only)


def _folder(folder: Path, templates: tuple[str, ...], only: Sequence[str] | None) -> Labelled:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder} of labelled images: name 'scenes', or a folder that exists.")
    try:
        classes = {path.name: path for path in _visible(folder) if path.is_dir()}
        if missing := [name for name in only or () if name not in classes]:
            raise InputError(
                f"{folder} lacks {len(missing)} of {len(only or ())} subfolders of images, the first {missing[0]}."
            )
        chosen = list(classes) if only is None else list(only)
        files = [(label, path) for label, name in enumerate(chosen) for path in _visible(classes[name])]
    except OSError as error:
        raise UnavailableError(f"cannot look into {error.filename or folder}: {reason(error)}.") from error
    for _, path in files:
        open_rgb(path)
    return Labelled(
        name=folder.name,
        images=tuple(file_ref(index, path) for index, (_, path) in enumerate(files)),
        labels=tuple(label for label, _ in files),
        classes=tuple(name.replace("_", " ") for name in chosen),
        templates=templates,
        keys=tuple(chosen),
    )


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
