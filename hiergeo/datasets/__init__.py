"""Hierarchies of captions and images, loaded by name."""

import inspect
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hiergeo.datasets._base import TIERS, Hierarchy, ImageRef, Row
from hiergeo.datasets._home import data_home
from hiergeo.datasets._labels import Labelled
from hiergeo.datasets.labelled import labelled
from hiergeo.errors import unknown_name

if TYPE_CHECKING:
    from hiergeo.datasets import hierarcaps, scenes

DATASETS = {"hierarcaps": "hiergeo.datasets.hierarcaps", "scenes": "hiergeo.datasets.scenes"}
"""Dataset names, and the modules whose ``load(split, **options)`` reads them."""

__all__ = [
    "DATASETS",
    "TIERS",
    "Hierarchy",
    "ImageRef",
    "Labelled",
    "Row",
    "data_home",
    "hierarcaps",
    "labelled",
    "load",
    "scenes",
]


def __getattr__(name: str) -> ModuleType:
    if name in DATASETS:
        return import_module(DATASETS[name])
    raise AttributeError(f"module 'hiergeo.datasets' has no attribute '{name}'")


def load(name: str, split: str = "test", **options: Any) -> Hierarchy:
    """Read a split of a dataset.

    Args:
        name: a key of `DATASETS`.
        split: a split of that dataset.
        options: what that dataset's own `load` takes besides the split.

    Raises:
        InputError: the name, the split or an option is unknown (the nearest one is suggested), or the data is damaged.
        UnavailableError: the data is not on this machine; the message says how to get it.
    """
    if name not in DATASETS:
        raise unknown_name("dataset", name, DATASETS)
    loader = import_module(DATASETS[name]).load
    _, *known = inspect.signature(loader).parameters
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {name}", option, known)
    return loader(split, **options)
