"""geoopt, imported where it is used: it brings optimisers and manifold parameters, and many warnings of its own."""

import warnings
from typing import Any


def geoopt() -> Any:
    """The geoopt module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import geoopt as module
    return module
