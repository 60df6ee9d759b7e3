"""geoopt, imported where it is used: it brings optimisers and manifold parameters, and many warnings of its own."""

import warnings
from typing import Any

import torch
from torch import Tensor


def geoopt() -> Any:
    """The geoopt module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import geoopt as module
    return module


def exact(curvature: float) -> Tensor:
    """A curvature as geoopt's manifolds take it, in float64: a plain number they would round to float32."""
    return torch.tensor(curvature, dtype=torch.float64)
