"""Where data sets live on this machine; only downloads write there."""

import os
from pathlib import Path

from hiergeo.storage.paths import path_of


def data_home() -> Path:
    """The folder of data sets: ``HIERGEO_DATA_HOME`` where set, otherwise ``hiergeo`` in the user's cache folder.

    Returns:
        An absolute path, which need not exist yet.

    Raises:
        InputError: the variable holds no path.
    """
    if home := os.environ.get("HIERGEO_DATA_HOME"):
        return path_of(home).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return path_of(cache).absolute() / "hiergeo"
