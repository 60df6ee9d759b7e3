"""Geometries that are no constant curvature: a distance or an entailment of one's own, from its formula."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor

from hiergeo._core.errors import InputError, described
from hiergeo._core.polar import Polar
from hiergeo.geometry.base import Geometry
from hiergeo.geometry.state import ENTRY
from hiergeo.pairwise.laws import LawPairs, tangent

INVARIANTS = ("symmetric", "metric", "reflexive", "transitive", "antisymmetric", "monotone", "rooted")
"""What a law may declare. Of its distance: that it is the same both ways, or a metric. Of its entailment: what makes a
partial order, that nothing entails what is nearer to the root, and that the root entails everything."""


TRIED, SLACK = 8, 1e-4
"""Embeddings that a law is tried out on, and how far below 0 rounding may take a distance."""


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

    def try_out(self, dim: int, *, learnt: bool = False) -> None:
        """Measure a few embeddings of a dimension, at random, by every formula; with `learnt` take gradients too.

        Raises InputError naming the formula that fails, gives another shape, NaN or a distance below 0, or no gradient.
        """
        generator = torch.Generator().manual_seed(0)
        device = next((weight.device for weight in self.parameters()), torch.device("cpu"))
        v = (torch.randn(2 * TRIED, dim, generator=generator) / dim**0.5).to(device).requires_grad_(learnt)
        x, y = self._tried("rows", partial(self.rows, v), 2 * TRIED, None).split(TRIED)
        for name in sorted(self.measures):
            self._tried(name, partial(getattr(self, name), x, y), TRIED)
            value = self._tried(f"{name}s", partial(getattr(self, f"{name}s"), x, y), TRIED, TRIED)
            if learnt and not value.requires_grad:
                raise InputError(f"{self.spec}: {name} has no gradient: take it in torch, without detach or numpy.")
            if learnt and not _has_gradient(value, v):
                raise InputError(f"{self.spec}: the gradient of {name} is not finite.")
            if name == "distance" and float(value.detach().min()) < -SLACK:
                raise InputError(f"{self.spec}: distance gives {float(value.min()):.3g}, and must be >= 0.")
        self._tried("radius", partial(self.radius, x), TRIED)

    def _tried(self, name: str, formula: Callable[[], Tensor], *shape: int | None) -> Tensor:
        try:
            value = formula()
        except InputError:
            raise
        except Exception as error:  # the code of the user runs here
            raise InputError(f"{self.spec}: {name} fails on {TRIED} embeddings: {described(error)}.") from error
        what = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        fits = isinstance(value, Tensor) and value.ndim == len(shape)
        if not fits or any(wanted not in (None, size) for wanted, size in zip(shape, value.shape, strict=True)):
            wanted = ", ".join("P" if size is None else str(size) for size in shape)
            raise InputError(f"{self.spec}: {name} of {TRIED} embeddings gives {what} and must give ({wanted}).")
        if bool(value.isnan().any()):
            raise InputError(f"{self.spec}: {name} gives NaN.")
        return value

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


def _has_gradient(value: Tensor, v: Tensor) -> bool:
    """Whether the gradient of what is finite of some values by the embeddings is finite."""
    held = value[value.isfinite()]
    (gradient,) = torch.autograd.grad(held.sum(), v, retain_graph=True, allow_unused=True)
    return gradient is None or bool(gradient.isfinite().all())
