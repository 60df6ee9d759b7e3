"""Hierarchies of captions and images, loaded by name."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_whole, unknown_name
from hiergeo._core.plugins import Plugins
from hiergeo.datasets.classification import labelled
from hiergeo.datasets.controls import balanced_by_length, content_free, exchanged_words, shuffled_words
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarchy import Hierarchy, ImageRef, Labelled, Row

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
    "balanced_by_length",
    "chains",
    "content_free",
    "hierarcaps",
    "labelled",
    "load",
    "scenes",
    "shuffled_words",
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
    if name not in DATASETS.names():
        kind, colon, address = name.partition(":")
        if colon and kind in DATASETS:
            name, options = kind, {**options, "address": address}
        elif Path(name).suffix or "/" in name:
            raise InputError(
                f"'{name}' is not a dataset: for files write chains:{name}, or one of the names "
                f"{', '.join(DATASETS.names())}; docs/extending.md says how to register a dataset of your own."
            )
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
