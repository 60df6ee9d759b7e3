"""Products of geometries, each factor with its own curvature and its own slice of the embedding."""

import itertools
from collections.abc import Hashable, Sequence
from typing import Literal, final

from torch import nn

from hiergeo._core.errors import InputError
from hiergeo.geometry.base import ConstantCurvature, Geometry
from hiergeo.pairwise.checks import check_combine


@final
class Product(Geometry):
    """The product of several geometries over contiguous slices of the tangent vector.

    Radius and distance combine alike over the factors, by the l2 norm (the Riemannian product) or the l1 norm; the cone
    margin is the smallest over the factors, since x entails y when it does in every factor. The exterior angle of a
    product is the largest over the factors.

    Source: Gu et al. (ICLR 2019) for l2; PHyCLIP (ICLR 2026) for l1.
    """

    def __init__(self, factors: Sequence[tuple[ConstantCurvature, int]], combine: Literal["l2", "l1"] = "l2") -> None:
        """Take pairs (geometry, dimension) in order, and how lengths combine.

        Raises:
            InputError: no factors, a dimension below 1, or another way to combine.
        """
        super().__init__()
        if not factors:
            raise InputError("a product needs at least one factor.")
        if not all(isinstance(factor, tuple) and isinstance(factor[0], ConstantCurvature) for factor in factors):
            raise InputError(
                "the factors of a product must be pairs (geometry, dimension), with no product among them."
            )
        if any(dim < 1 for _, dim in factors):
            raise InputError(
                f"every factor of a product needs a dimension of at least 1, not {[dim for _, dim in factors]}."
            )
        check_combine(combine)
        self.factors = tuple(factors)
        self.geometries = nn.ModuleList(geometry for geometry, _ in factors)
        self.norm = combine

    @property
    def spec(self) -> str:
        """The string that `hiergeo.geometry.parse` turns back into this product."""
        return self._written([geometry.spec for geometry, _ in self.factors])

    @property
    def kind(self) -> str:
        return self._written([geometry.kind for geometry, _ in self.factors])

    def _written(self, names: Sequence[str]) -> str:
        sizes = (dim for _, dim in self.factors)
        factors = (f"{name}{'' if ':' in name else ':'}x{dim}" for name, dim in zip(names, sizes, strict=True))
        return "product:" + ",".join((*factors, *(("l1",) if self.norm == "l1" else ())))

    def parts(self, dim: int) -> tuple[tuple[ConstantCurvature, slice], ...]:
        """The factors with their slices of the tangent vector.

        Raises:
            InputError: the dimensions of the factors do not sum to `dim`.
        """
        if self.dim != dim:
            raise InputError(f"the factors of {self.spec} have {self.dim} dimensions, the embeddings have {dim}.")
        return self._slices([size for _, size in self.factors])

    def charts(self, ambient: int) -> tuple[tuple[ConstantCurvature, slice], ...]:
        """The factors with their slices of the coordinates of their charts, one after the other."""
        sizes = [factor.ambient_dim(size) for factor, size in self.factors]
        if sum(sizes) != ambient:
            raise InputError(f"points of {self.spec} have {sum(sizes)} coordinates, not {ambient}.")
        return self._slices(sizes)

    def _slices(self, sizes: Sequence[int]) -> tuple[tuple[ConstantCurvature, slice], ...]:
        ends = itertools.accumulate(sizes)
        return tuple(
            (factor, slice(end - size, end)) for (factor, _), size, end in zip(self.factors, sizes, ends, strict=True)
        )

    @property
    def dim(self) -> int:
        """The sum of the dimensions of the factors."""
        return sum(size for _, size in self.factors)

    @property
    def isometry_class(self) -> Hashable:
        """How lengths combine, and the curvature and dimension of every factor."""
        return self.norm, tuple((factor.value, size) for factor, size in self.factors)

    def learnable(self) -> "Product":
        return Product([(factor.learnable(), size) for factor, size in self.factors], self.norm)

    def fixed(self) -> "Product":
        return Product([(factor.fixed(), size) for factor, size in self.factors], self.norm)
