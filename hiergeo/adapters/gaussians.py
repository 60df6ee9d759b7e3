"""Embeddings that are Gaussians with a diagonal covariance, and ProLIP's score of one lying inside another."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import wide


class Gaussian(NamedTuple):
    """Normal distributions with independent coordinates.

    Attributes:
        mean: (..., D).
        log_variance: (..., D), the logarithm of the variance of each coordinate.
    """

    mean: Tensor
    log_variance: Tensor


def inclusion(inner: Gaussian, outer: Gaussian) -> Tensor:
    """How far each `inner` lies inside its `outer`, (...): larger where it does; it is not symmetric.

    With p the density of `inner` and q that of `outer` it is the logarithm of the integral of p^2 q, up to a constant
    and to the logarithms of the variances, which the authors count twice. It is the sum over coordinates of

        -2 log s1^2 - log s2^2 - log(s1^-2 + s2^-2 / 2) / 2 - (m1 - m2)^2 / (s1^2 + 2 s2^2)

    The last term is their b^2 / 4a - c without its cancellation. As a relation it takes the place of a cone margin: a
    general caption is the outer one, what it entails the inner one.

    Source: Chun et al., ProLIP (ICLR 2025), section 3.3, as their code computes it.

    Raises:
        InputError: shapes that do not broadcast.
    """
    try:
        m1, v1, m2, v2 = (wide(part) for part in torch.broadcast_tensors(*inner, *outer))
    except RuntimeError as error:
        shapes = [tuple(part.shape) for part in (*inner, *outer)]
        raise InputError(f"the shapes of means and variances must fit, not {shapes}.") from error
    precision = torch.logaddexp(-v1, -v2 - math.log(2))
    apart = (m1 - m2) ** 2 / (v1.exp() + 2 * v2.exp())
    return (-2 * v1 - v2 - precision / 2 - apart).sum(-1)
