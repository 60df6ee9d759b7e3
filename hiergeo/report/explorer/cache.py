"""What the explorer makes once and keeps: indexes of files of embeddings, and that of the demonstration."""

import os
from collections.abc import Callable
from pathlib import Path

from hiergeo._core.storage.files import atomic_folder, path_of, writing
from hiergeo._core.storage.locks import locked

PATIENCE = 120.0
"""Seconds to wait for another process that is making what is wanted."""

PRIVATE = 0o700
"""Of the folder of what is kept, which is trusted by its names."""


def _cache_home() -> Path:
    """``HIERGEO_CACHE_HOME`` where set, otherwise ``hiergeo/explore`` in the user's cache."""
    if home := os.environ.get("HIERGEO_CACHE_HOME"):
        return path_of(home).absolute()
    return path_of(os.environ.get("XDG_CACHE_HOME") or "~/.cache").absolute() / "hiergeo" / "explore"


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of this name in the cache; where it is not there yet, it is made, whole or not at all.

    Args:
        name: says all that the content depends on.
        make: fills an empty folder.

    Raises:
        UnavailableError: the cache cannot be written.
        HeldError: another process has been making it for minutes.
    """
    folder = _cache_home() / name
    if not folder.is_dir():
        with writing(folder):
            folder.parent.mkdir(PRIVATE, parents=True, exist_ok=True)
        with locked(folder, PATIENCE):
            if not folder.is_dir():
                with atomic_folder(folder) as work:
                    make(work)
    return folder
