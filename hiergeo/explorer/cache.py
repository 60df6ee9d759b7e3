"""What the explorer makes once and keeps: indexes of files of embeddings, and that of the demonstration."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from hiergeo.storage.files import path_of, remove_leftovers, sync_folder, temporary, writing
from hiergeo.storage.locks import locked


def cache_home() -> Path:
    """The folder of what is kept: ``HIERGEO_CACHE_HOME`` where set, otherwise ``hiergeo/explore`` in the user's cache.

    Raises:
        InputError: the variable holds no path.
    """
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
        HeldError: another process makes it at this moment.
    """
    folder = cache_home() / name
    if folder.is_dir():
        return folder
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        remove_leftovers(folder.parent)
        if not folder.is_dir():
            with writing(folder):
                work = temporary(folder)
                work.mkdir()
                try:
                    make(work)
                    work.rename(folder)
                except BaseException:
                    shutil.rmtree(work, ignore_errors=True)
                    raise
            sync_folder(folder.parent)
    return folder
