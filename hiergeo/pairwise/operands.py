"""Operands of pair operations: the points and curvatures of the factors of a space, checked once and flattened."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

from hiergeo._core.numerics import scalar, wants_derivative, widest
from hiergeo._core.polar import Exact, Lifted, Polar, flat_exact, part_of
from hiergeo.pairwise import checks, settings
from hiergeo.pairwise.interface import Factor, PairBackend
from hiergeo.pairwise.quantity import unchecked_aperture
from hiergeo.pairwise.resolver import resolve

Points = Polar | Sequence[Polar]
"""Points of one space, or of a product: their polar form in each factor."""

Curvature = float | Tensor | Sequence[float | Tensor]
"""The signed curvature of one space, or those of the factors of a product."""


BLOCK = 1 << 22
"""Pairs of a product that are stored at a time where only a reduction of each row is kept."""


class Pairs(NamedTuple):
    """Two point sets in the factors of a space.

    Attributes:
        x: N points in each factor, directions (..., N, D) and radii (..., N).
        y: M points in each.
        curvature: signed K of each.
        batch: the leading dimensions of x and y, broadcast against each other.
        lifted: whether x and y are `Lifted`.
    """

    x: tuple[Polar, ...]
    y: tuple[Polar, ...]
    curvature: tuple[float | Tensor, ...]
    batch: torch.Size
    lifted: bool = False

    @property
    def single(self) -> bool:
        """Whether the space is not a product."""
        return len(self.x) == 1

    @property
    def frame(self) -> "PairFrame":
        """Shapes, compute dtype and device of the pairs."""
        x, y = self.x[0].direction, self.y[0].direction
        dtype = torch.float64 if x.dtype == torch.float64 or y.dtype == torch.float64 else torch.float32
        if not self.batch:
            return PairFrame(x.shape, y.shape, dtype, x.device)
        sizes = (*self.batch, *x.shape[-2:]), (*self.batch, *y.shape[-2:])
        return PairFrame(torch.Size(sizes[0]), torch.Size(sizes[1]), dtype, x.device)

    def operands(self) -> tuple[list[Tensor], ...]:
        """The leading operands of operators: lists of directions and radii of x and of y and of 0-dim curvatures."""
        ux, uy = ([p.direction.expand(*self.batch, *p.direction.shape[-2:]) for p in side] for side in (self.x, self.y))
        rx, ry = ([p.radius.expand(*self.batch, *p.radius.shape[-1:]) for p in side] for side in (self.x, self.y))
        device = self.x[0].radius.device
        return ux, rx, uy, ry, [scalar(k, device) for k in self.curvature]

    def exact(self) -> list[Tensor]:
        """What directions were rounded from, as operators take it: vectors of x and of y, and origins."""
        listed = flat_exact(self.x, self.y)
        vx, vy, origins = thirds(listed)
        return [*(vectors.expand(*self.batch, *vectors.shape[-2:]) for vectors in (*vx, *vy)), *origins]

    def apertures(self, min_radius: float, of_y: bool = False) -> list[Tensor]:
        """Half apertures at x, or at y, in each factor."""
        side = self.y if of_y else self.x
        return [
            unchecked_aperture(p.radius, k, min_radius).expand(*self.batch, *p.radius.shape[-1:])
            for p, k in zip(side, self.curvature, strict=True)
        ]

    def closed(self, of_y: bool = False) -> list[Tensor]:
        """Half apertures of 0 at x, or at y, in each factor: the margins of such cones are minus exterior angles."""
        side = self.y if of_y else self.x
        return [torch.zeros_like(p.radius).expand(*self.batch, *p.radius.shape[-1:]) for p in side]

    def blocks(self, apertures: list[Tensor]) -> Iterator[tuple["Pairs", list[Tensor]]]:
        """Blocks of rows of x with their half apertures and all y, of at most `BLOCK` pairs; at least one block."""
        *batch, rows = self.frame.rows
        step = max(1, BLOCK // max(1, math.prod(batch) * self.y[0].radius.shape[-1]))
        for start in range(0, max(1, rows), step):
            part = slice(start, start + step)
            x = tuple(part_of(p, part) for p in self.x)
            yield self._replace(x=x), [aperture[..., part] for aperture in apertures]

    def paired(self, indices: Tensor) -> list[tuple[Polar, Polar, float | Tensor]]:
        """Each x with one y, `indices` (..., N): the points and the curvature in every factor, row by row."""
        ux, rx, uy, ry, _ = self.operands()

        def chosen(rows: Tensor) -> Tensor:
            return rows.gather(-2, indices.unsqueeze(-1).expand(*indices.shape, rows.shape[-1]))

        own = list(map(Polar, ux, rx))
        others = [Polar(chosen(u), r.gather(-1, indices)) for u, r in zip(uy, ry, strict=True)]
        if exact := self.exact():
            vx, vy, origin = thirds(exact)
            own = [Exact.of(p, v, o) for p, v, o in zip(own, vx, origin, strict=True)]
            others = [Exact.of(p, chosen(v), o) for p, v, o in zip(others, vy, origin, strict=True)]
        return list(zip(own, others, self.curvature, strict=True))

    def tensors(self) -> list[Tensor]:
        """The points and those curvatures that are tensors."""
        operands = list(chain(*self.x, *self.y))
        for curvature in self.curvature:
            if isinstance(curvature, Tensor):
                operands.append(curvature)
        return operands

    def wants_derivative(self) -> bool:
        """Whether a result has to carry a derivative to points or curvatures; inside of `torch.func` it may have to."""
        return wants_derivative(*self.tensors())


def pairs(px: Points, py: Points, curvature: Curvature) -> Pairs:
    """The pairs of two point sets, or InputError for points or curvatures that do not fit each other."""
    if isinstance(px, Lifted) and isinstance(py, Lifted):
        return _lifted_pairs(px, py, tuple(curvature) if isinstance(curvature, Sequence) else (curvature,))
    x = (px,) if isinstance(px, Polar) else tuple(px)
    y = (py,) if isinstance(py, Polar) else tuple(py)
    k = tuple(curvature) if isinstance(curvature, Sequence) else (curvature,)
    checks.check_factors(len(x), len(y), len(k))
    for a, b, curved in zip(x, y, k, strict=True):
        if isinstance(curved, Tensor):
            checks.check_curvature(curved)
        checks.check_pair(a, b)
    if len(x) > 1:
        checks.check_alike(x, y, batches=False)
    return Pairs(x, y, k, checks.broadcast(x, y))


def _lifted_pairs(x: Lifted, y: Lifted, curvatures: tuple[float | Tensor, ...]) -> Pairs:
    """As `pairs`, of points that a space has lifted: only what concerns both sides is left to check."""
    if not len(x) == len(y) == len(curvatures):
        checks.check_factors(len(x), len(y), len(curvatures))
    for a, b, curvature in zip(x, y, curvatures, strict=True):
        u, v = a[0], b[0]
        if u.ndim < 2 or v.ndim < 2 or u.shape[-1] != v.shape[-1] or u.device != v.device:
            checks.check_pair(a, b)
        if isinstance(curvature, Tensor):
            checks.check_curvature(curvature)
    batch = x[0][0].shape[:-2]
    return Pairs(x, y, curvatures, batch if batch == y[0][0].shape[:-2] else checks.broadcast(x, y), True)


def is_plain(*operands: Iterable[object]) -> bool:
    """Whether nothing but the numbers is asked for: no gradient, no tangent, no transform, no trace."""
    if torch.compiler.is_compiling():
        return False
    recorded = torch.is_grad_enabled()
    try:
        for operand in chain(*operands):
            if not isinstance(operand, Tensor):
                continue
            if type(operand) not in (Tensor, Parameter) or (recorded and operand.requires_grad):
                return False
            if forward_ad.unpack_dual(operand).tangent is not None:
                return False
            operand.data_ptr()  # a tensor of a transform of `torch.func` has none
    except RuntimeError:
        return False
    return True


def thirds(exact: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]]:
    """What `Pairs.exact` lists: vectors of x in each factor, those of y, and origins."""
    count = len(exact) // 3
    return exact[:count], exact[count : 2 * count], exact[2 * count :]


class PairFrame(NamedTuple):
    """What the pairs of two point sets look like.

    Attributes:
        x: the shape (..., N, D) of directions of x; of those of the first factor in a product.
        y: that of y (..., M, D), with the same leading dimensions.
        dtype: that pairs are computed in.
        device: of points and results.
        conic: whether half apertures were given.
        widths: the dimension of each factor, where operators ask for it.
    """

    x: torch.Size
    y: torch.Size
    dtype: torch.dtype
    device: torch.device
    conic: bool = False
    widths: Sequence[int] = ()

    @property
    def batch(self) -> torch.Size:
        """The leading dimensions."""
        return self.x[:-2]

    @property
    def rows(self) -> torch.Size:
        """The shape (..., N) of results with one number for each x."""
        return self.x[:-1]

    @property
    def pairs(self) -> torch.Size:
        """The shape (..., N, M) of results with one number for each pair."""
        return torch.Size((*self.x[:-1], self.y[-2]))

    @property
    def gradients(self) -> list[tuple[torch.Size, torch.dtype]]:
        """Shapes and dtypes of gradients by points, curvature (...) and aperture."""
        exact = widest(self.device)
        points = ((size, self.dtype) for size in (self.x, self.rows, self.y, self.y[:-1]))
        return [*points, (self.batch, exact), (self.rows, exact)]


class Problem(NamedTuple):
    """The operands of a backend: the factors of a space, each with one flattened leading dimension.

    Attributes:
        factors: one for a space that is no product.
        backend: the backend that computes.
        frame: of the pairs before leading dimensions were flattened.
    """

    factors: list[Factor]
    backend: PairBackend
    frame: PairFrame

    @property
    def cone(self) -> tuple[Polar, Polar, float, Tensor]:
        """The points, the curvature and the half apertures of a problem in one space."""
        x, y, curvature, aperture = self.factors[0]
        assert aperture is not None, "operators refuse quantities of a cone without one"
        return x, y, curvature, aperture

    def flat(self, operand: Tensor, trailing: int = 1) -> Tensor:
        """`operand` with its leading dimensions, all but the `trailing` ones, expanded and flattened."""
        batch = self.frame.x[:-2]
        if not batch:
            return operand.unsqueeze(0)
        own = operand.shape[operand.ndim - trailing :]
        return operand.expand(*batch, *own).reshape((math.prod(batch), *own))

    def points(self, of: Polar) -> Polar:
        """Points with their leading dimensions flattened."""
        batched = len(self.frame.x) > 2
        direction, radius = of
        flat = (
            (self.flat(direction, 2), self.flat(radius)) if batched else (direction.unsqueeze(0), radius.unsqueeze(0))
        )
        if not isinstance(of, Exact):
            return Polar(*flat)
        point = Exact(*flat)
        point.vectors = self.flat(of.vectors, 2) if batched else of.vectors.unsqueeze(0)
        point.origin, point.source, point.shadow = of.origin, of.source, None if batched else of.shadow
        return point

    def batched(self, result: Tensor) -> Tensor:
        """A result of the backend with its leading dimensions restored."""
        batch = self.frame.x[:-2]
        return result.reshape((*batch, *result.shape[1:])) if batch else result.squeeze(0)

    def empty(self, shape: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
        """An uninitialised tensor on the device of the points, by default in the compute dtype."""
        return torch.empty(shape, dtype=dtype or self.frame.dtype, device=self.frame.device)


def problem(
    x: Sequence[Polar],
    y: Sequence[Polar],
    curvatures: Sequence[float | Tensor],
    apertures: Sequence[Tensor],
    frame: PairFrame,
    values: bool,
) -> Problem:
    """The problem of points that fit each other.

    Args:
        x: N points in each factor.
        y: M points in each.
        curvatures: signed K of each.
        apertures: half apertures of each; empty without a cone.
        frame: of the pairs.
        values: whether to refuse radii and directions out of range, as always on a sphere; never while a CUDA graph is
            captured, since to read them would wait for the device.

    Raises:
        InputError: values out of range.
    """
    settled = (settings.CURRENT or settings.current()).backends.get(frame.device)
    backend = settled or resolve(frame.device, frame.dtype, len(x))
    task = Problem([], backend, frame)
    capturing = x[0].radius.is_cuda and torch.cuda.is_current_stream_capturing()
    for f, (a, b, curvature) in enumerate(zip(x, y, curvatures, strict=True)):
        if capturing and isinstance(curvature, Tensor):
            checks.check_capturable(curvature)
        if type(curvature) is float and checks.FLATTEST <= abs(curvature) < math.inf:
            k: float = curvature
        else:
            k = checks.as_number(curvature)
        if (values or k > 0) and not capturing:
            checks.check_values(a, b, k)
        aperture = task.flat(apertures[f]) if apertures else None
        first, other = task.points(a), task.points(b)
        task.factors.append(Factor(first, other, k, aperture))
    return task
