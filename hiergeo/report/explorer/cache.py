"""What the explorer makes once and keeps: indexes of files of embeddings, and that of the demonstration."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from hiergeo._core.errors import UnavailableError
from hiergeo._core.storage.files import path_of, remove_leftovers, sync_files, sync_folder, temporary, writing
from hiergeo._core.storage.locks import locked

PATIENCE = 120.0
"""Seconds to wait for another process that is making what is wanted."""

PRIVATE = 0o700
"""Of the folders that are made."""


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

    What is kept is trusted by its name. It is for its user alone, therefore, and what another user but root could have
    put there is refused.

    Args:
        name: says all that the content depends on.
        make: fills an empty folder.

    Raises:
        UnavailableError: the cache cannot be written, or it belongs to another user.
        HeldError: another process has been making it for minutes.
    """
    folder = cache_home() / name
    if folder.is_dir():
        _check_owner(folder)
        return folder
    with writing(folder):
        folder.parent.mkdir(PRIVATE, parents=True, exist_ok=True)
    with locked(folder, PATIENCE):
        _make(folder, make)
    _check_owner(folder)
    return folder


def _check_owner(folder: Path) -> None:
    if hasattr(os, "getuid"):
        for path, owner in ((folder.parent, folder.parent.stat().st_uid), (folder, folder.lstat().st_uid)):
            if owner not in (0, os.getuid()):
                raise UnavailableError(
                    f"{path} belongs to another user: set HIERGEO_CACHE_HOME to a folder of your own."
                )


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    """Make a folder whose lock is held, unless somebody else has made it meanwhile."""
    remove_leftovers(folder.parent)
    if folder.is_dir():
        return
    with writing(folder):
        work = temporary(folder)
        work.mkdir(PRIVATE)
        try:
            make(work)
            sync_files(work)
            work.rename(folder)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    sync_folder(folder.parent)
