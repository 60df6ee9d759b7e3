"""Hierarchies of captions and images, loaded by name."""

import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError, check_whole, reason, unknown_name
from hiergeo._core.plugins import Plugins
from hiergeo._core.storage.files import path_of
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarchy import Hierarchy, ImageRef, Labelled, Row
from hiergeo.datasets.pictures import file_ref, open_rgb
from hiergeo.datasets.scenes import lone_things

if TYPE_CHECKING:
    from hiergeo.datasets import chains, hierarcaps, scenes

DATASETS: Plugins[Callable[..., Hierarchy]] = Plugins(
    "dataset",
    "hiergeo.datasets",
    {
        "chains": "hiergeo.datasets.chains:load",
        "hierarcaps": "hiergeo.datasets.hierarcaps:load",
        "scenes": "hiergeo.datasets.scenes:load",
    },
)
"""Name -> what reads a dataset: a function ``(split, **options) -> Hierarchy``."""

__all__ = [
    "Hierarchy",
    "ImageRef",
    "Row",
    "chains",
    "hierarcaps",
    "labelled",
    "load",
    "scenes",
]


def __getattr__(name: str) -> ModuleType:
    if name in DATASETS.own:
        return import_module(f"hiergeo.datasets.{name}")
    raise AttributeError(f"module 'hiergeo.datasets' has no attribute '{name}'")


def load(name: str, split: str = "test", *, rows: int | None = None, **options: Any) -> Hierarchy:
    """Read a split of a dataset.

    Args:
        name: ``hierarcaps``, ``scenes``, ``chains:DIR`` or ``chains:FILE.csv`` (chains of one's own), or one that
            another package registers (entry-point group ``hiergeo.datasets``: a function ``(split, **options) ->
            Hierarchy``). What follows a colon is its option `address`.
        split: a split of that dataset.
        rows: only the first rows; a dataset whose `load` takes `first` makes no others.
        options: what that dataset's own `load` takes besides the split.

    Raises:
        InputError: the name, the split or an option is unknown (the nearest one is suggested), or the data is damaged.
        UnavailableError: the data is not on this machine; the message says how to get it.
    """
    if rows is not None:
        check_whole("rows", rows, 1, limits.COUNT)
    name, address = _parts(name)
    options = options if address is None else {**options, "address": address}
    loader = DATASETS.get(name)
    with DATASETS.running(name, f"could not read '{split}'"):
        _, *parameters = inspect.signature(loader).parameters
        for option in options:
            if option not in parameters:
                raise unknown_name(f"option of {name}", option, parameters)
        if rows is not None and "first" in parameters:
            options = {**options, "first": rows}
        hierarchy = loader(split, **options)
    if not isinstance(hierarchy, Hierarchy):
        raise InputError(f"the dataset '{name}' is a {type(hierarchy).__name__}, not a hiergeo.datasets.Hierarchy.")
    return hierarchy if rows is None else hierarchy.take(rows)


def check(name: str) -> None:
    """Refuse the name of a dataset that `load` would refuse, before anything is read.

    Raises:
        InputError: an unknown name (the nearest is suggested).
        UnavailableError: the folder or the file of chains is not there.
    """
    kind, address = _parts(name)
    DATASETS.check(kind)
    if kind == "chains":
        import_module("hiergeo.datasets.chains").located(address or "")


def _parts(name: str) -> tuple[str, str | None]:
    """The dataset that a name means, and what follows its colon, if anything does. Raises InputError for a file."""
    kind, colon, address = name.partition(":")
    if name in DATASETS.names() or not (colon and kind in DATASETS):
        if name not in DATASETS and (Path(name).suffix or "/" in name):
            raise InputError(
                f"'{name}' is not a dataset: for files write chains:{name}, or one of the names "
                f"{', '.join(DATASETS.names())}; docs/extending.md says how to register a dataset of your own."
            )
        return name, None
    return kind, address


PHOTO_TEMPLATES = ("a photo of a {}.", "a photo of one {}.", "a close-up photo of a {}.", "a picture of a {}.", "a {}.")
"""Prompts for photographs, in the style of CLIP's."""


def labelled(
    source: str | Path, templates: Sequence[str] | None = None, *, only: Sequence[str] | None = None
) -> Labelled:
    """A set of labelled images: ``scenes``, or a folder that holds one subfolder of images a class.

    Subfolders name the classes (underscores become spaces), and every file in them that is not hidden is an image; all
    are opened once.

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
        return lone_things() if templates is None else lone_things(templates)
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
