"""A space: a geometry with its root, which reads embeddings as points and measures them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import starmap
from typing import Any, Literal, cast, final

import torch
from torch import Tensor, nn

from hiergeo import pairwise
from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_positive, check_whole, unknown_name, warn
from hiergeo._core.numerics import readable, wide, widest
from hiergeo._core.polar import Polar
from hiergeo._core.records import paragraphs
from hiergeo.geometry import streams
from hiergeo.geometry.base import ConstantCurvature, Geometry
from hiergeo.geometry.law import PairLaw
from hiergeo.geometry.points import (
    Curvatures,
    Points,
    check_located,
    factor_lengths,
    lift,
    radius_of,
    tensor_of,
    version_of,
    warn_if_widening,
)
from hiergeo.geometry.spec import parse
from hiergeo.geometry.state import Described
from hiergeo.geometry.streams import best, closest, is_whole, parts, total
from hiergeo.pairwise import By, Contrast, Members, Side, rows
from hiergeo.pairwise.checks import check_reach
from hiergeo.pairwise.widening import widened

Located = Tensor | Points
"""Embeddings (..., N, D), or the points that `Space.points` made of them. Arrays of numpy and lists serve as well."""

MIN_RADIUS = 0.1
"""Default scale of cones, geodesic units."""


@final
class Space(Described):
    """A geometry around a root, and every measurement of hiergeo.

    An embedding e is read as the tangent vector v = e - root at the root O: its radius is |v| and its direction
    v/|v| in every geometry. With frozen embeddings radii are therefore the same in all geometries, by construction.

    Args:
        geometry: a geometry, or its spec such as "lorentz:-1".
        root: (D,) embedding that becomes the origin (gradients reach it, a Parameter is registered as one); "model" for
            the root of the model that is measured; "none" for no root at all. Until it meets a model, a space of root
            "model" has none. None means "model" and False means "none".
        min_radius: scale k > 0 of cones, which are half-spaces up to s sn(r) = 2 k, s = sqrt(|K|), or r = 2 k at K = 0.

    Cones are those of `min_radius`, unless a call names another.

    Every method takes embeddings (..., N, D), or `Points` that were made of them once. Row-wise methods (`radius`,
    `exterior_angle`, `distance`, `half_aperture`, `margin`, `energy`, `entails`) broadcast; the others measure every
    pair, or search all y for each x, and store nothing of the size N x M unless that is what they return. In a product
    x entails y when it does in every factor: its exterior angle is the largest over the factors, its margin the
    smallest. Results are on the device of the embeddings.

    Raises:
        InputError: from every method, for dimensions, dtypes or devices that do not fit, and on a sphere for a point
            beyond the antipode of the root.
    """

    root: Tensor | None
    _met_rows = False
    _widened: tuple[Tensor, int, Tensor] | None = None

    def __init__(
        self,
        geometry: Geometry | str,
        root: Tensor | Literal["model", "none"] | bool | None = "model",
        *,
        min_radius: float = MIN_RADIUS,
    ) -> None:
        super().__init__()
        check_positive("min_radius", min_radius)
        geometry = parse(geometry) if isinstance(geometry, str) else geometry
        if not isinstance(geometry, Geometry):
            raise InputError(f"geometry must be a Geometry or its spec, not {geometry!r}.")
        self.geometry = geometry
        self.min_radius = min_radius
        root = tensor_of(root)
        self.centre: Centre = centre_of(root)
        if isinstance(root, nn.Parameter):
            self.root = root
        else:
            self.register_buffer("root", root if isinstance(root, Tensor) else None)

    def rooted(self, root: Tensor) -> "Space":
        """This space around `root`, unless it has a root already (which goes to the device of `root`) or wants none."""
        if self.centre == "none":
            return self
        own = root if self.root is None else self.root.to(root.device)
        return self if own is self.root else Space(self.geometry, own, min_radius=self.min_radius)

    @property
    def kind(self) -> str:
        return described(self.geometry.kind, self.root, self.centre, self.min_radius)

    def __repr__(self) -> str:
        return f"Space({described(self.geometry.spec, self.root, self.centre, self.min_radius)})"

    def _repr_html_(self) -> str:
        return paragraphs(repr(self))

    # points

    def points(self, x: Located, *, shadow: bool = False) -> Points:
        """The points of embeddings (..., N, D), to be measured many times.

        With `shadow` a copy in 8 bits is kept, D + 64 bytes a point, which `topk` of at most 8 queries among them reads
        instead: the same results in less than half of the time (see `pairwise.shadowed`).
        """
        if isinstance(x, Points):
            points = x
        else:
            root, geometry = self.root, self.geometry
            if not isinstance(x, Tensor) or not x.ndim or not x.is_floating_point() or x.layout is not torch.strided:
                x = cast(Tensor, tensor_of(x))
                check_located(x, root)
            if root is not None and (x.shape[-1] != root.shape[0] or x.device != root.device):
                check_located(x, root)
            narrow = root is not None and root.itemsize <= 2
            points = lift(x, root, geometry, self._origin() if narrow else root)
            self._check_reach(x.shape[-1], geometry, points.factors)
        if not shadow:
            return points
        factors = zip(points.factors, self._curvatures(points), strict=True)
        return replace(points, factors=type(points.factors)(starmap(self.geometry.engine.shadowed, factors)))

    def polar(self, x: Located) -> Polar:
        """Polar form of embeddings, directions (..., N, D) and radii (..., N). Raises InputError for a product."""
        point = self._only(self.points(x).factors)
        return Polar(point.direction, radius_of(point))

    def radius(self, x: Located) -> Tensor:
        """Distance from the root, (..., N), geodesic units."""
        return self.geometry.combine(self.factor_radii(x))

    def factor_radii(self, x: Located) -> list[Tensor]:
        """Distance from the root in each factor, (..., N), geodesic units; a single one where there is no product."""
        if isinstance(x, Points):
            return x.radii
        if isinstance(self.geometry, PairLaw):
            return self.points(x).radii
        rows: Tensor = tensor_of(x)
        check_located(rows, self.root)
        lengths = factor_lengths(rows, self._origin(), self.geometry)
        self._check_reach(rows.shape[-1], self.geometry, [Polar(rows, radius) for radius in lengths])
        return lengths

    def to_ambient(self, x: Located) -> Tensor:
        """Coordinates of the chart, (..., N, ambient); of a product those of its factors, one after the other."""
        points = self.points(x)
        charts = zip(self._parts(points.dim), points.factors, strict=True)
        return torch.cat([factor.to_ambient(point) for factor, point in charts], dim=-1)

    def from_ambient(self, coordinates: Tensor) -> Tensor:
        """The embeddings (..., N, D) of points given by their coordinates (..., N, ambient); inverse of `to_ambient`.

        Raises:
            InputError: coordinates outside the chart, or of a dimension that does not fit.
        """
        vectors = []
        for factor, part in self.geometry.charts(coordinates.shape[-1]):
            point = factor.from_ambient(coordinates[..., part])
            vectors.append(point.direction * point.radius.unsqueeze(-1))
        v = torch.cat(vectors, dim=-1)
        return v if self.root is None else self.root + v

    # row by row

    def exterior_angle(self, x: Located, y: Located) -> Tensor:
        """Xi(x_i, y_i) in [0, pi] radians, (...): the turn at x_i from the ray of the root to the geodesic to y_i."""
        if isinstance(self.geometry, PairLaw):
            self._needs_angles()
        angles = self._by_factor(x, y, rows.exterior_angle)
        return angles[0] if len(angles) == 1 else -pairwise.least([-angle for angle in angles])

    def distance(self, x: Located, y: Located) -> Tensor:
        """Geodesic distance of x_i and y_i, (...)."""
        return self.geometry.combine(self._by_factor(x, y, self.geometry.engine.rows.distance))

    def half_aperture(self, x: Located, min_radius: float | None = None) -> Tensor:
        """Half aperture of the cone at x_i, (...) in [0, pi/2] radians. Raises InputError for a product."""
        self._needs_angles()
        points = self.points(x)
        warn_if_widening(points, self._curvatures(points))
        return self._aperture(self._only(points.factors), self._curvatures(points)[0], min_radius)

    def margin(self, x: Located, y: Located, min_radius: float | None = None, aperture_scale: float = 1.0) -> Tensor:
        """Cone margin of x_i over y_i, (...) radians; x_i entails y_i where it is >= 0.

        Half apertures are multiplied by `aperture_scale`.
        """
        if aperture_scale != 1:
            self._needs_angles()
        angle = self.geometry.engine.rows.exterior_angle

        def margin(a: Polar, b: Polar, curvature: float | Tensor) -> Tensor:
            return aperture_scale * self._aperture(a, curvature, min_radius) - angle(a, b, curvature)

        x = self.points(x)
        warn_if_widening(x, self._curvatures(x))
        return pairwise.least(self._by_factor(x, y, margin))

    def energy(self, x: Located, y: Located, min_radius: float | None = None, aperture_scale: float = 1.0) -> Tensor:
        """Entailment energy max(0, -margin), (...) radians. Source: Ganea et al. (ICML 2018), eq. 32."""
        return (-self.margin(x, y, min_radius, aperture_scale)).clamp_min(0)

    def entails(self, x: Located, y: Located, min_radius: float | None = None) -> Tensor:
        """Whether x_i entails y_i, (...) bool."""
        return self.margin(x, y, min_radius) >= 0

    # every pair

    def pairwise_exterior_angle(self, x: Located, y: Located) -> Tensor:
        """Exterior angle of every pair, (..., N, M) in [0, pi] radians."""
        self._needs_angles()
        return pairwise.exterior_angle(*self._pairs(x, y))

    def pairwise_distance(self, x: Located, y: Located) -> Tensor:
        """Geodesic distance of every pair, (..., N, M)."""
        return self.geometry.engine.distance(*self._pairs(x, y), combine=self.geometry.norm)

    def pairwise_margin(self, x: Located, y: Located, min_radius: float | None = None) -> Tensor:
        """Cone margin of every x over every y, (..., N, M) radians."""
        return self.geometry.engine.cone_margin(*self._cones(x, y), self._least(min_radius))

    def energy_sum(self, x: Located, y: Located, min_radius: float | None = None) -> Tensor:
        """Entailment energies of each x summed over all y, (..., N) radians, in the widest float of the device."""
        return self.geometry.engine.energy_sum(*self._cones(x, y), self._least(min_radius))

    def hinge_sum(self, x: Located, y: Located, margin: float, min_radius: float | None = None) -> Tensor:
        """max(0, margin - energy) of each x summed over all y, (..., N) radians, in the widest float of the device."""
        return self.geometry.engine.hinge_sum(*self._cones(x, y), margin, self._least(min_radius))

    def hinge_total(self, x: Located, y: Located, margin: float, min_radius: float | None = None) -> Tensor:
        """max(0, margin - energy) summed over all pairs, (...) radians, in the widest float of the device."""
        return self.geometry.engine.hinge_total(*self._cones(x, y), margin, self._least(min_radius))

    def energy_min(self, x: Located, y: Located, min_radius: float | None = None) -> tuple[Tensor, Tensor]:
        """The least entailment energy of each x over all y, (..., N) radians, and the index of that y, (..., N) int64.

        Ties, such as of all y within the cone of x, go to the lower index; NaN and -1 where no pair is a number.
        """
        return self.geometry.engine.energy_min(*self._cones(x, y), self._least(min_radius))

    def contrastive(
        self, x: Located, y: Located, scale: float | Tensor, bias: float | Tensor = 0.0, **options: Any
    ) -> Contrast:
        """Logits bias - scale d of every pair reduced over rows and columns; options as in `pairwise.contrast`."""
        return self.geometry.engine.contrast(*self._pairs(x, y), scale, bias, combine=self.geometry.norm, **options)

    # searches, without gradients

    def topk(
        self,
        x: Located,
        y: Located,
        k: int,
        by: By = "distance",
        side: Side = "children",
        min_radius: float | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The k best y for each x: values (..., N, k), geodesic units or radians, and indices (..., N, k) int64 into y.

        Args:
            x: queries.
            y: candidates.
            k: 1 <= k <= 1024. Where fewer than k pairs are numbers, the rest is NaN with index -1.
            by: "distance" or "angle", smallest first, or "margin", largest first. Ties go to the lower index.
            side: whether the cones are those of x ("children", what x entails) or of y ("parents", what entails x); the
                same for distances.
            min_radius: of the cones.
        """
        x, norm = self.points(x), self.geometry.norm
        least = self.min_radius if min_radius is None else self._least(min_radius)
        if by == "margin" and side == "children":
            warn_if_widening(x, self._curvatures(x))
        if isinstance(y, Tensor) and y.ndim == 2 and y.shape[0] > streams.PART:  # `is_whole`, without its frame
            matches = (
                (start, self.geometry.engine.topk(*self._pairs(x, part), k, by, side, least, combine=norm))
                for start, part in parts(y, self.points)
            )
            return best(matches, k, largest=by == "margin")
        return self.geometry.engine.topk(*self._pairs(x, y), k, by, side, least, combine=norm)

    def nearest(self, x: Located, y: Located) -> tuple[Tensor, Tensor]:
        """The nearest y to each x: distances (..., N) and indices (..., N) int64; ties go to the lower index."""
        values, indices = self.topk(x, y, 1)
        return values[..., 0], indices[..., 0]

    def rank(
        self,
        x: Located,
        y: Located,
        target: Tensor,
        by: By = "distance",
        side: Side = "children",
        min_radius: float | None = None,
    ) -> Tensor:
        """How many y come before y[target_i] in the order of `topk` for x_i, (..., N) int64; -1 where it is NaN.

        Equal values count where their index is lower. R@k is the share of ranks below k.

        Args:
            x: queries.
            y: candidates.
            target: (..., N) int64 indices into y.
            by: as for `topk`.
            side: as for `topk`.
            min_radius: as for `topk`.
        """
        least, norm = self._least(min_radius), self.geometry.norm
        pairs = self._cones if by == "margin" and side == "children" else self._pairs
        of = target if isinstance(target, Tensor) else torch.as_tensor(target)
        return self.geometry.engine.rank(*pairs(x, y), of, by, side, least, combine=norm)

    def count(self, x: Located, y: Located, min_radius: float | None = None) -> Tensor:
        """How many y each x entails, (..., N) int64."""
        x, least = self.points(x), self._least(min_radius)
        warn_if_widening(x, self._curvatures(x))
        return total(self.geometry.engine.cone_count(*self._pairs(x, part), least) for _, part in parts(y, self.points))

    def count_within(self, x: Located, y: Located, distance: float | Tensor) -> Tensor:
        """How many y lie within a geodesic distance of each x, (..., N) int64; a number, or one for each x (..., N)."""
        x, norm = self.points(x), self.geometry.norm
        return total(
            self.geometry.engine.count_within(*self._pairs(x, part), distance, combine=norm)
            for _, part in parts(y, self.points)
        )

    def members(self, x: Located, y: Located, min_radius: float | None = None) -> Members:
        """Which y (M, D) each x (N, D) entails, in compressed sparse rows."""
        return self.geometry.engine.cone_members(*self._cones(x, y), self._least(min_radius))

    def ladder(
        self, queries: Located, candidates: Located, thresholds: Tensor | int, *, progress: bool = False
    ) -> Tensor:
        """For each query and threshold the nearest candidate whose radius is within it, from general to specific.

        Candidates are compared by the geodesic distance of the space; in Euclidean space of unit embeddings that is the
        order of the cosine.

        Args:
            queries: (Q, D).
            candidates: (M, D).
            thresholds: (T,) ascending, geodesic units; or T, spread evenly from the smallest to the largest radius of
                the candidates, both included.
            progress: draw a bar for work that outlasts a second.

        Returns:
            (Q, T) int64 indices into the candidates; -1 where none lies within the threshold, ties go to the lower
            index.

        Source: the retrieval of Alper and Averbuch-Elor (ECCV 2024), section 4.
        """
        return self.climb(queries, candidates, thresholds, progress=progress)[1]

    def climb(
        self, queries: Located, candidates: Located, thresholds: Tensor | int, *, progress: bool = False
    ) -> tuple[Tensor, Tensor]:
        """`ladder` with its distances: (Q, T) geodesic units, NaN where no candidate is within, and indices (Q, T)."""
        x, norm = self.points(queries), self.geometry.norm
        y = self.points(candidates) if is_whole(candidates) else candidates
        if not len(y):
            raise InputError("there are no candidates to climb: give at least one.")
        radius = wide(self.radius(y).detach())
        thresholds = tensor_of(thresholds)
        if not isinstance(thresholds, Tensor):
            check_whole("thresholds, unless they are a tensor,", thresholds, 1, limits.PROTOCOL_STEPS)
            finite = radius[radius.isfinite()]
            if not len(finite):
                raise InputError("no candidate has a finite radius, so that no thresholds can be spread: give them.")
            ends = float(finite.min()), float(finite.max())
            thresholds = torch.linspace(*ends, thresholds, dtype=radius.dtype, device=radius.device)

        def climb(start: int, part: Points) -> tuple[Tensor, Tensor]:
            within = radius[start : start + len(part)]
            return self.geometry.engine.nearest_ladder(*self._pairs(x, part), within, thresholds, combine=norm)

        return closest((start, climb(start, part)) for start, part in parts(y, self.points, "climbing", progress))

    # inside

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_widened": None}  # which a copy could not take with it

    def _origin(self) -> Tensor | None:
        """The root as embeddings are lifted around it.

        A root of 16 bits that is learnt is one node in the widest float, however many sets of points are lifted:
        its gradients add up there and are rounded once.
        """
        root = self.root
        if root is None or root.itemsize > 2 or not (root.requires_grad and torch.is_grad_enabled() and readable(root)):
            return root
        exact, version = widest(root.device), version_of(root)
        if self._widened is None or self._widened[0] is not root or self._widened[1] != version:
            self._widened = root, version, widened(root, exact)
        node = self._widened[2].to(root.device)
        # The values are those of now: torch does not count writes to root.data.
        return root.detach().to(exact) + (node - node.detach())

    def _by_factor(self, x: Located, y: Located, law: Callable[[Polar, Polar, float | Tensor], Tensor]) -> list[Tensor]:
        return list(map(law, *self._pairs(x, y)))

    def _pairs(self, x: Located, y: Located) -> tuple[tuple[Polar, ...], tuple[Polar, ...], Curvatures]:
        """Points of x and of y and the curvature, in each factor."""
        px = x.settled() if isinstance(x, Points) else self.points(x)
        py = y.settled() if isinstance(y, Points) else self.points(y)
        if len(px.factors) > 1 and px.dim != py.dim:
            raise InputError(f"x has dimension {px.dim} and y has dimension {py.dim}: they must be equal.")
        return px.factors, py.factors, self._curvatures(px)

    def _cones(self, x: Located, y: Located) -> tuple[tuple[Polar, ...], tuple[Polar, ...], Curvatures]:
        """As `_pairs`, with a warning where cones of x widen."""
        x = self.points(x)
        warn_if_widening(x, self._curvatures(x))
        return self._pairs(x, y)

    def _parts(self, dim: int) -> list[ConstantCurvature]:
        return [factor for factor, _ in self.geometry.parts(dim)]

    def _curvatures(self, points: Points) -> Curvatures:
        geometry = self.geometry
        if isinstance(geometry, PairLaw):
            return [0.0]  # which its engine ignores
        if geometry.single:
            return [cast(ConstantCurvature, geometry).curvature]
        return [factor.curvature for factor, _ in self.geometry.parts(points.dim)]

    def _check_reach(self, dim: int, geometry: Geometry, points: Sequence[Polar]) -> None:
        if not self._met_rows and self.centre == "model" and self.root is None:
            self._met_rows = warn_of_unit_rows([point.radius for point in points])
        if isinstance(geometry, PairLaw):
            geometry.check(dim)
            return
        factors: Sequence[Any] = [geometry] if geometry.single else [factor for factor, _ in geometry.parts(dim)]
        for factor, point in zip(factors, points, strict=True):
            curvature = factor.curvature
            if isinstance(curvature, Tensor) or curvature > 0:
                check_reach("embedding", point.radius, curvature)

    def _aperture(self, point: Polar, curvature: float | Tensor, min_radius: float | None) -> Tensor:
        return self.geometry.engine.half_aperture(radius_of(point), curvature, self._least(min_radius))

    def _least(self, min_radius: float | None) -> float:
        if min_radius is None or min_radius == self.min_radius:
            return self.min_radius
        self._needs_angles()
        return min_radius

    def _needs_angles(self) -> None:
        if isinstance(self.geometry, PairLaw):
            raise InputError(f"{self.geometry.spec} has no angles and no cones of a min_radius: use its margin.")

    def _only(self, factors: tuple[Polar, ...]) -> Polar:
        if len(factors) > 1:
            raise InputError(f"{self.geometry.spec} has no single cone or polar form: use distance, margin or points.")
        return factors[0]


Centre = Literal["given", "model", "none"]

UNIT = 1e-2
"""How far norms may be from 1 in embeddings of unit norm; those of bfloat16 are rounded."""


def centre_of(root: object) -> Centre:
    """What a `root` asks for. Raises InputError unless it is one."""
    if isinstance(root, Tensor):
        if root.ndim != 1:
            raise InputError(f"root must be one vector (D,), not a tensor of shape {tuple(root.shape)}.")
        if readable(root) and not bool(torch.isfinite(root).all()):
            raise InputError("root holds NaN or Inf: every coordinate must be finite.")
        return "given"
    if root is None or root == "model":
        return "model"
    if root is False or root == "none":
        return "none"
    if isinstance(root, str):
        raise unknown_name("root", root, ("model", "none"))
    raise InputError(f"root must be a tensor (D,), 'model' or 'none', not {type(root).__name__}.")


def described(geometry: str, root: Tensor | None, centre: Centre, min_radius: float) -> str:
    """A space in words: its geometry, its root by dimension and whether it is learnt, and the scale of its cones."""
    learnt = " learnable" if isinstance(root, nn.Parameter) else ""
    without = "no root" if centre == "none" else "no root yet"
    words = without if root is None else f"{learnt} root of {len(root)} dimensions".strip()
    return f"{geometry}, {words}, min_radius {float(min_radius)!r}"


def warn_of_unit_rows(radii: Sequence[Tensor]) -> bool:
    """Warn where the first rows that a space without a root meets have norm 1; returns whether it has met some."""
    if radii[0].numel() < 2 or not readable(radii[0]):
        return False
    norms = sum(wide(radius.detach()).square() for radius in radii)
    if isinstance(norms, Tensor) and bool(((norms - 1).abs() < UNIT).all()):
        warn(
            "this space has no root and these embeddings have norm 1, so that every radius is 1 and tells nothing: "
            "give it the embedding of the empty caption as its root, such as model.root(), or 'none' to do without."
        )
    return True
