"""Products of geometries, each factor with its own curvature and its own slice of the embedding."""

import itertools
from collections.abc import Sequence
from typing import Literal, final

from torch import Tensor, nn

from hiergeo import pairwise
from hiergeo.errors import InputError
from hiergeo.geometry._base import Geometry


@final
class Product(nn.Module):
    """The product of several geometries over contiguous slices of the tangent vector.

    Radius and distance combine alike over the factors, by the l2 norm (the Riemannian product) or the l1 norm; the cone
    margin is the smallest over the factors, since x entails y when it does in every factor. A product has no single
    exterior angle.

    Source: Gu et al. (ICLR 2019) for l2; PHyCLIP (ICLR 2026) for l1.
    """

    def __init__(self, factors: Sequence[tuple[Geometry, int]], combine: Literal["l2", "l1"] = "l2") -> None:
        """Take pairs (geometry, dimension) in order, and how lengths combine.

        Raises:
            InputError: no factors, a dimension below 1, or another way to combine.
        """
        super().__init__()
        if not factors:
            raise InputError("a product needs at least one factor.")
        if not all(isinstance(factor, tuple) and isinstance(factor[0], Geometry) for factor in factors):
            raise InputError(
                "the factors of a product must be pairs (geometry, dimension), with no product among them."
            )
        if any(dim < 1 for _, dim in factors):
            raise InputError(
                f"every factor of a product needs a dimension of at least 1, not {[dim for _, dim in factors]}."
            )
        if combine not in ("l2", "l1"):
            raise InputError(f"combine must be 'l2' or 'l1', not '{combine}'.")
        self.factors = tuple(factors)
        self.geometries = nn.ModuleList(geometry for geometry, _ in factors)
        self.order = 2 if combine == "l2" else 1

    @property
    def norm(self) -> Literal["l1", "l2"]:
        """How lengths combine."""
        return "l1" if self.order == 1 else "l2"

    @property
    def spec(self) -> str:
        """The string that `hiergeo.geometry.parse` turns back into this product."""
        factors = (f"{geometry.spec}{'' if ':' in geometry.spec else ':'}x{dim}" for geometry, dim in self.factors)
        return "product:" + ",".join((*factors, *(("l1",) if self.norm == "l1" else ())))

    def parts(self, dim: int) -> tuple[tuple[Geometry, slice], ...]:
        """The factors with their slices of the tangent vector.

        Raises:
            InputError: the dimensions of the factors do not sum to `dim`.
        """
        dims = [size for _, size in self.factors]
        if sum(dims) != dim:
            raise InputError(f"the factors of {self.spec} have {sum(dims)} dimensions, the embeddings have {dim}.")
        ends = itertools.accumulate(dims)
        return tuple(
            (geometry, slice(end - size, end)) for (geometry, size), end in zip(self.factors, ends, strict=True)
        )

    def combine(self, lengths: list[Tensor]) -> Tensor:
        """One length from the lengths in the factors."""
        return pairwise.combined(lengths, self.norm)

    def extra_repr(self) -> str:
        return self.spec
