"""The pair operations as operators of `torch.ops.hiergeo`: refusals, dispatch to a backend, shapes, autograd, vmap.

Operands are directions (..., N, D), radii (..., N) and half apertures (..., N) with equal leading dimensions, and the
curvature as a 0-dim tensor. Values are checked inside the operators, so that nothing breaks a graph of
`torch.compile`; while a CUDA graph is captured, when no check can be waited for, they are not looked at.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.library import custom_op

from hiergeo._numerics import pair_dtype, widest
from hiergeo.pairwise import checks, rows, transforms
from hiergeo.pairwise.backend import Backend
from hiergeo.pairwise.prefix import shells
from hiergeo.pairwise.quantity import named
from hiergeo.pairwise.resolver import resolve
from hiergeo.polar import Polar

POINTS = "Tensor ux, Tensor rx, Tensor uy, Tensor ry, Tensor curvature"
"""What every operator on pairs takes first."""


class Problem(NamedTuple):
    """What a backend works on: points with one flattened leading dimension; `shape` (..., N, M) has those they had."""

    x: Polar
    y: Polar
    curvature: float
    backend: Backend
    shape: torch.Size

    @property
    def batch(self) -> torch.Size:
        """The leading dimensions."""
        return self.shape[:-2]

    def flat(self, operand: Tensor) -> Tensor:
        """`operand` with its leading dimensions flattened."""
        return _flat(operand, self.batch)

    def batched(self, result: Tensor) -> Tensor:
        """A result of the backend with its leading dimensions restored."""
        return result.reshape((*self.batch, *result.shape[1:]))


def _problem(points: Sequence[Tensor], shape: torch.Size) -> Problem:
    ux, rx, uy, ry, curvature = points
    x, y = (Polar(_flat(u, shape[:-2]), _flat(r, shape[:-2])) for u, r in ((ux, rx), (uy, ry)))
    return Problem(x, y, checks.as_number(curvature), resolve(ux.device), shape)


def _checked(points: Sequence[Tensor], shape: torch.Size) -> Problem:
    ux, rx, uy, ry, curvature = points
    capturing = ux.is_cuda and torch.cuda.is_current_stream_capturing()
    if capturing:
        checks.check_capturable(curvature)
    problem = _problem(points, shape)
    if not capturing:
        checks.check_values(Polar(ux, rx), Polar(uy, ry), problem.curvature)
    return problem


def _shape(points: Sequence[Tensor]) -> torch.Size:
    """The shape (..., N, M) of the pairs, or InputError for points that do not fit each other."""
    ux, rx, uy, ry = points[:4]
    checks.check_pair(Polar(ux, rx), Polar(uy, ry))
    checks.check_equal_batch(rx.shape[:-1], ry.shape[:-1])
    return torch.Size((*rx.shape, ry.shape[-1]))


def _cone_shape(points: Sequence[Tensor], aperture: Tensor | None, quantity: str = "energy") -> torch.Size:
    """`_shape`, where half apertures have to fit as well."""
    shape = _shape(points)
    checks.check_aperture(aperture, points[1], named(quantity).cone is not None)
    return shape


def _flat(operand: Tensor, batch: torch.Size) -> Tensor:
    return operand.reshape((math.prod(batch), *operand.shape[len(batch) :]))


def _computed(
    points: Sequence[Tensor], shape: Sequence[int | torch.SymInt], dtype: torch.dtype | None = None
) -> Tensor:
    """A fresh tensor beside `points`, in the compute dtype unless told otherwise."""
    return points[0].new_empty(shape, dtype=dtype or pair_dtype(points[0], points[2]))


@custom_op(
    "hiergeo::pair_store",
    mutates_args=(),
    schema=f"({POINTS}, Tensor? aperture, str quantity, ScalarType? out_dtype) -> Tensor",
)
def pair_store(*operands: Any) -> Tensor:
    """`quantity` of every pair, (..., N, M) in `out_dtype` or the compute dtype."""
    *points, aperture, quantity, out_dtype = operands
    problem = _checked(points, _stored_shape(points, aperture, quantity, out_dtype))
    out = _computed(points, problem.shape, out_dtype)
    _store(problem, aperture, quantity, out)
    return out


@pair_store.register_fake
def _(*operands: Any) -> Tensor:
    *points, aperture, quantity, out_dtype = operands
    return _computed(points, _stored_shape(points, aperture, quantity, out_dtype), out_dtype)


def _stored_shape(
    points: Sequence[Tensor], aperture: Tensor | None, quantity: str, out_dtype: torch.dtype | None
) -> torch.Size:
    if out_dtype is not None:
        checks.check_out_dtype(out_dtype)
    return _cone_shape(points, aperture, quantity)


@custom_op(
    "hiergeo::pair_store_out",
    mutates_args=("out",),
    schema=f"({POINTS}, Tensor? aperture, str quantity, Tensor(a!) out) -> ()",
)
def pair_store_out(*operands: Any) -> None:
    """`pair_store` into `out`, without gradients."""
    *points, aperture, quantity, out = operands
    shape = _cone_shape(points, aperture, quantity)
    checks.check_out(out, shape, points[0].device)
    checks.check_layout(out)
    _store(_checked(points, shape), aperture, quantity, out)


@pair_store_out.register_fake
def _(*operands: Any) -> None:
    *points, aperture, quantity, out = operands
    checks.check_out(out, _cone_shape(points, aperture, quantity), points[0].device)


def _store(problem: Problem, aperture: Tensor | None, quantity: str, out: Tensor) -> None:
    x, y, curvature, backend, _ = problem
    psi = None if aperture is None else problem.flat(aperture)
    backend.store(x, y, curvature, named(quantity), psi, out.view(math.prod(problem.batch), *out.shape[-2:]))


@custom_op(
    "hiergeo::pair_backward",
    mutates_args=(),
    schema=f"({POINTS}, Tensor? aperture, Tensor upstream, str quantity)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def pair_backward(*operands: Any) -> tuple[Tensor, ...]:
    """Gradients of the sum of `upstream` (..., N, M) times `quantity`: by u_x, r_x, u_y, r_y, K (...) and aperture."""
    *points, aperture, upstream, quantity = operands
    problem = _problem(points, _pulled_shape(points, aperture, upstream, quantity))
    x, y, curvature, backend, _ = problem
    psi = None if aperture is None else problem.flat(aperture)
    found = backend.backward(problem.flat(upstream), x, y, curvature, named(quantity), psi)
    return tuple(problem.batched(part) for part in found)


@pair_backward.register_fake
def _(*operands: Any) -> tuple[Tensor, ...]:
    *points, aperture, upstream, quantity = operands
    *batch, n, _ = _pulled_shape(points, aperture, upstream, quantity)
    exact = widest(points[0].device)
    by_points = [_computed(points, part.shape) for part in points[:4]]
    return *by_points, _computed(points, batch, exact), _computed(points, [*batch, n], exact)


def _pulled_shape(points: Sequence[Tensor], aperture: Tensor | None, upstream: Tensor, quantity: str) -> torch.Size:
    shape = _cone_shape(points, aperture, quantity)
    checks.check_upstream(upstream, shape, points[0].device)
    return shape


@custom_op(
    "hiergeo::row_backward",
    mutates_args=(),
    schema=f"({POINTS}, Tensor upstream, str quantity) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def row_backward(*operands: Any) -> tuple[Tensor, ...]:
    """Gradients of `upstream` (...) times the law of `quantity` of x_i and y_i: by u_x, r_x, u_y, r_y and K (...)."""
    ux, rx, uy, ry, curvature, upstream, quantity = operands
    checks.check_rows(ux, rx, uy, ry, upstream)
    return tuple(rows.gradients(upstream, ux, rx, uy, ry, checks.as_number(curvature), named(quantity)))


@row_backward.register_fake
def _(*operands: Any) -> tuple[Tensor, ...]:
    ux, rx, uy, ry, _, upstream, _ = operands
    checks.check_rows(ux, rx, uy, ry, upstream)
    by_points = [part.new_empty(part.shape) for part in (ux, rx, uy, ry)]
    return *by_points, upstream.new_empty(upstream.shape, dtype=widest(ux.device))


@custom_op("hiergeo::cone_count", mutates_args=(), schema=f"({POINTS}, Tensor aperture) -> Tensor")
def cone_count(*operands: Any) -> Tensor:
    """How many y lie in the cone of each x, (..., N) int64."""
    *points, aperture = operands
    problem = _checked(points, _cone_shape(points, aperture))
    x, y, curvature, backend, _ = problem
    return problem.batched(backend.count(x, y, curvature, problem.flat(aperture)))


@cone_count.register_fake
def _(*operands: Any) -> Tensor:
    *points, aperture = operands
    return _computed(points, _cone_shape(points, aperture)[:-1], torch.int64)


@custom_op("hiergeo::cone_members", mutates_args=(), schema=f"({POINTS}, Tensor aperture) -> (Tensor, Tensor)")
def cone_members(*operands: Any) -> tuple[Tensor, Tensor]:
    """Which y lie in the cone of each x: row offsets (N + 1,) and columns (nnz,), without leading dimensions."""
    *points, aperture = operands
    checks.check_single(points[0], points[2])
    problem = _checked(points, _cone_shape(points, aperture))
    x, y, curvature, backend, _ = problem
    return backend.members(x, y, curvature, problem.flat(aperture))


@cone_members.register_fake
def _(*operands: Any) -> tuple[Tensor, Tensor]:
    *points, aperture = operands
    checks.check_single(points[0], points[2])
    n, _ = _cone_shape(points, aperture)
    found = torch.library.get_ctx().new_dynamic_size()
    return _computed(points, (n + 1,), torch.int64), _computed(points, (found,), torch.int64)


@custom_op(
    "hiergeo::cone_smallest",
    mutates_args=(),
    schema=f"({POINTS}, Tensor? offset, int k, bool swap) -> (Tensor, Tensor)",
)
def cone_smallest(*operands: Any) -> tuple[Tensor, Tensor]:
    """The k columns of smallest Xi(x_i, y_j) - offset_j, or with `swap` Xi(y_j, x_i) - offset_j: values and indices."""
    *points, offset, k, swap = operands
    problem = _checked(points, _nearest_shape(points, offset, k))
    x, y, curvature, backend, _ = problem
    values, indices = backend.smallest(x, y, curvature, None if offset is None else problem.flat(offset), k, swap)
    return problem.batched(values), problem.batched(indices)


@cone_smallest.register_fake
def _(*operands: Any) -> tuple[Tensor, Tensor]:
    *points, offset, k, _ = operands
    shape = (*_nearest_shape(points, offset, k)[:-1], k)
    return _computed(points, shape), _computed(points, shape, torch.int64)


def _nearest_shape(points: Sequence[Tensor], offset: Tensor | None, k: int) -> torch.Size:
    shape = _shape(points)
    checks.check_neighbours(k, shape[-1])
    if offset is not None:
        checks.check_numbers("offset", offset, points[3])
    return shape


@custom_op("hiergeo::energy_sum", mutates_args=(), schema=f"({POINTS}, Tensor aperture) -> Tensor")
def energy_sum(*operands: Any) -> Tensor:
    """Sum over y of max(0, Xi - aperture), (..., N) float64."""
    *points, aperture = operands
    problem = _checked(points, _cone_shape(points, aperture))
    x, y, curvature, backend, _ = problem
    return problem.batched(backend.energy_sum(x, y, curvature, problem.flat(aperture)))


@energy_sum.register_fake
def _(*operands: Any) -> Tensor:
    *points, aperture = operands
    return _computed(points, _cone_shape(points, aperture)[:-1], widest(points[0].device))


@custom_op("hiergeo::energy_min", mutates_args=(), schema=f"({POINTS}, Tensor aperture) -> (Tensor, Tensor)")
def energy_min(*operands: Any) -> tuple[Tensor, Tensor]:
    """Least max(0, Xi - aperture) over y and the lowest index that reaches it, (..., N)."""
    *points, aperture = operands
    problem = _checked(points, _cone_shape(points, aperture))
    x, y, curvature, backend, _ = problem
    values, indices = backend.energy_min(x, y, curvature, problem.flat(aperture))
    return problem.batched(values), problem.batched(indices)


@energy_min.register_fake
def _(*operands: Any) -> tuple[Tensor, Tensor]:
    *points, aperture = operands
    shape = _cone_shape(points, aperture)[:-1]
    return _computed(points, shape), _computed(points, shape, torch.int64)


@custom_op(
    "hiergeo::ladder",
    mutates_args=(),
    schema="(Tensor queries, Tensor candidates, Tensor radius, Tensor thresholds) -> Tensor",
)
def ladder(queries: Tensor, candidates: Tensor, radius: Tensor, thresholds: Tensor) -> Tensor:
    """For each query and threshold the candidate of largest cosine with radius <= threshold, (Q, T) int64."""
    checks.check_ladder(queries, candidates, radius)
    checks.check_thresholds(thresholds)
    return resolve(queries.device).ladder(queries, candidates, *shells(radius, thresholds))


@ladder.register_fake
def _(queries: Tensor, candidates: Tensor, radius: Tensor, thresholds: Tensor) -> Tensor:
    checks.check_ladder(queries, candidates, radius)
    return queries.new_empty(len(queries), thresholds.numel(), dtype=torch.int64)


transforms.differentiate_pairs(pair_store)
transforms.differentiate_sum(energy_sum)
transforms.differentiate_min(energy_min)
for operator in (pair_backward, row_backward):
    transforms.refuse_second_order(operator)
for operator in (pair_store, pair_backward, row_backward, energy_sum, energy_min, cone_count, cone_smallest):
    transforms.map_batches(operator)
for operator in (pair_store_out, cone_members, ladder):
    transforms.refuse_vmap(operator)
