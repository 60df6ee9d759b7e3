"""Where data sets live on this machine; only downloads write there."""

import os
from pathlib import Path


def data_home() -> Path:
    """The folder of data sets: ``HIERGEO_DATA_HOME`` where set, otherwise ``hiergeo`` in the user's cache folder.

    Returns:
        An absolute path, which need not exist yet.
    """
    if home := os.environ.get("HIERGEO_DATA_HOME"):
        return Path(home).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().absolute() / "hiergeo"
