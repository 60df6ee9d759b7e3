"""What tests of transforms share: points, central differences, and how close derivatives are."""

from collections.abc import Callable

import torch
from torch import Tensor

from tests.losses.losses_common import DIM, normal

ROOT = normal(DIM, seed=2) / 9
X, Y, TANGENT = normal(4, DIM), normal(4, DIM, seed=1), normal(4, DIM, seed=3)


def central(f: Callable[[Tensor], Tensor], at: Tensor, along: Tensor, step: float = 1e-6) -> Tensor:
    with torch.no_grad():
        return (f(at + step * along) - f(at - step * along)) / (2 * step)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
