"""Geometries that are no constant curvature: a distance or an entailment of one's own, from its formula."""

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.polar import Polar
from hiergeo.geometry.base import Geometry
from hiergeo.geometry.state import ENTRY
from hiergeo.pairwise.laws import LawPairs, tangent

INVARIANTS = ("symmetric", "metric", "reflexive", "transitive", "antisymmetric", "monotone", "rooted")
"""What a law may declare. Of its distance: that it is the same both ways, or a metric. Of its entailment: what makes a
partial order, that nothing entails what is nearer to the root, and that the root entails everything."""


class PairLaw(Geometry):
    """A distance, an entailment, or both, given by formulas in plain torch; a `Space` of it has the same verbs.

    A subclass overrides what it has of `distance` and `margin`; a verb that needs the other refuses it with one
    sentence. Both take rows whose leading dimensions broadcast, so one formula serves pairs that belong together and
    blocks of all pairs; blocks are bounded in memory, and gradients measure them again. Parameters of the module are
    learnt like those of any other.

    ```python
    class L1(PairLaw):
        def distance(self, x, y):
            return (x - y).abs().sum(-1)
    ```

    An embedding e is read as v = e - root, as in every `Space`.
    """

    single: ClassVar[bool] = True
    named: str | None = None
    code: str = ""

    made_by_heads: ClassVar[bool] = False
    """Whether rows hold more than where items lie, such as sizes, so that only a head trained in it makes them."""

    invariants: frozenset[str] = frozenset()
    """Which of `INVARIANTS` hold; `hiergeo.testing.LawConformance` holds the law to them."""

    def rows(self, v: Tensor) -> Tensor:
        """The numbers (..., P) that formulas take of v = e - root, (..., D); by default v itself."""
        return v

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance of rows x and y, (..., P) -> (...), >= 0."""
        self._lacks("distance")

    def margin(self, x: Tensor, y: Tensor) -> Tensor:
        """By how much x entails y, (..., P) -> (...); x is the more general one, and entails y where it is >= 0."""
        self._lacks("margin")

    def distances(self, x: Tensor, y: Tensor) -> Tensor:
        """`distance` of every row x (n, P) and every row y (m, P), (n, m); override it where a product is faster."""
        return self.distance(x[:, None], y)

    def margins(self, x: Tensor, y: Tensor) -> Tensor:
        """`margin` of every row x (n, P) over every row y (m, P), (n, m); as `distances`."""
        return self.margin(x[:, None], y)

    def radius(self, x: Tensor) -> Tensor:
        """How far rows lie from the root, (..., P) -> (...), >= 0, larger for the more specific; by default |x|."""
        return torch.linalg.vector_norm(x, dim=-1)

    def check(self, dim: int) -> None:
        """Raise InputError for embeddings of a dimension that `rows` cannot read."""

    @property
    def radial(self) -> bool:
        """Whether the radius is |v|, by which an index sorts its items and which an audit may hold fixed."""
        return type(self).radius is PairLaw.radius and type(self).rows is PairLaw.rows

    # what a geometry is asked

    @property
    def measures(self) -> frozenset[str]:
        own = (name for name in ("distance", "margin") if getattr(type(self), name) is not getattr(PairLaw, name))
        return frozenset(own)

    @property
    def engine(self) -> Any:
        return LawPairs(self)

    @property
    def spec(self) -> str:
        return self.named or type(self).__name__.lower()

    @property
    def kind(self) -> str:
        """The spec, and a digest of the code that it names: what was stored of other code is not taken."""
        return f"{self.spec} {self.code}".strip()

    @property
    def dim(self) -> None:
        """None: `check` says which dimensions do not fit."""
        return None

    @property
    def isometry_class(self) -> Hashable:
        return self.spec

    def parts(self, dim: int) -> Any:
        self.check(dim)
        return ((self, slice(0, dim)),)

    @property
    def learnt(self) -> dict[str, Any]:
        return {name: value.tolist() for name, value in self.state_dict().items() if name != ENTRY}

    def charts(self, ambient: int) -> Any:
        raise InputError(f"{self.spec} has no coordinates beside the embeddings themselves.")

    def to_ambient(self, point: Polar) -> Tensor:
        """Refused, as `charts`."""
        return self.charts(0)

    def curvatures(self, dim: int) -> list[float | Tensor]:
        return []

    def learnable(self) -> "PairLaw":
        return self

    def combine(self, lengths: Sequence[Tensor]) -> Tensor:
        return lengths[0]

    def radii(self, factors: Sequence[Polar]) -> list[Tensor]:
        return [self.radius(self.rows(tangent(point))) for point in factors]

    def _lacks(self, what: str) -> NoReturn:
        instead = "neighbours, or losses prior and order" if what == "margin" else "children, parents, or entailment"
        raise InputError(f"{self.spec} defines no {what}: define one, or ask for what needs none ({instead}).")
