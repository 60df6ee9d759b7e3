"""Laws that people ask for by name, each from its paper."""

from typing import final

import torch
from torch import Tensor

from hiergeo.geometry.law import PairLaw


@final
class Order(PairLaw):
    """Order embeddings: x entails y where no coordinate of x exceeds that of y, in absolute value.

    The penalty E = |max(0, x - y)|^2 of the paper, whose reversed order has its most general point at the origin, is
    the square of minus the margin. Both violations together are the Euclidean distance of the rows.

    Source: Vendrov, Kiros, Fidler and Urtasun, Order-Embeddings of Images and Language (ICLR 2016), eq. 2 and 3.1.
    """

    def rows(self, v: Tensor) -> Tensor:
        return v.abs()

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.linalg.vector_norm(x - y, dim=-1)

    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        return -torch.linalg.vector_norm((x - y).clamp_min(0), dim=-1)
