"""The optimisers that parameters need: Riemannian ones where some of them live on a manifold."""

from collections.abc import Callable, Iterable

import torch
from torch import nn

from hiergeo.geometry.charts import geoopt


def adam(parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    """Adam; geoopt's RiemannianAdam as soon as a parameter has a manifold. Source: Becigneul and Ganea (ICLR 2019)."""
    return _made(torch.optim.Adam, "RiemannianAdam", parameters, learning_rate)


def sgd(parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    """Gradient descent; geoopt's RiemannianSGD as soon as a parameter has a manifold. Source: Bonnabel (2013)."""
    return _made(torch.optim.SGD, "RiemannianSGD", parameters, learning_rate)


def _made(
    flat: type[torch.optim.Optimizer], riemannian: str, parameters: Iterable[nn.Parameter], learning_rate: float
) -> torch.optim.Optimizer:
    listed = [parameter for parameter in parameters if parameter.requires_grad]
    on_manifold = any(hasattr(parameter, "manifold") for parameter in listed)
    made: Callable[..., torch.optim.Optimizer] = getattr(geoopt().optim, riemannian) if on_manifold else flat
    return made(listed, lr=learning_rate)
