"""How pair operations become operators of `torch.ops.hiergeo`, and the door by which public functions call them.

An operator takes directions (..., N, D), radii (..., N) and half apertures (..., N) with equal leading dimensions, and
0-dim curvatures: those of one space, or lists with an entry for every factor of a product. It checks all of them, for
whoever calls it. A public function has checked its points when it made `Pairs`; `call` then runs the work of the
operator at once, unless a gradient is wanted or something else than the numbers, such as a trace. Values are checked
inside the operators, so that nothing breaks a graph of `torch.compile`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import pair_dtype
from hiergeo._core.polar import Exact, Polar
from hiergeo.pairwise import checks
from hiergeo.pairwise.operands import PairFrame, Pairs, is_plain, problem, thirds
from hiergeo.pairwise.quantity import named
from hiergeo.pairwise.transforms import Derivative, Operator

POINTS = "Tensor ux, Tensor rx, Tensor uy, Tensor ry, Tensor curvature"
"""The leading operands of every operator on the pairs of one space."""

FACTORS = "Tensor[] ux, Tensor[] rx, Tensor[] uy, Tensor[] ry, Tensor[] curvature, Tensor[] aperture"
"""The leading operands of every operator on the pairs of a product of spaces; no apertures without a cone."""

EXACT = "Tensor? vx, Tensor? vy, Tensor? origin"
"""After an aperture: the vectors that directions were rounded from, (..., N, D) and (..., M, D), and their origin."""

FACTORS_EXACT = "Tensor[] exact"
"""After the apertures of a product: vectors of x in each factor, those of y, and origins; or nothing."""

Forms = Sequence[tuple[Sequence[int | None], torch.dtype]]
"""The shapes and dtypes of results; a size of None is known when they have been computed."""


class _Implementation(NamedTuple):
    compute: Callable[..., Any]
    forms: Callable[..., Forms]
    values: bool


_IMPLEMENTATIONS: dict[Operator, _Implementation] = {}


def operator(
    name: str,
    schema: str,
    forms: Callable[..., Forms],
    *,
    derivative: Derivative | None = None,
    refusal: str | None = None,
    batches: bool = True,
    values: bool = True,
) -> Callable[[Callable[..., Any]], Operator]:
    """Make an operator of a function of a `Problem` and of the operands after points and apertures, by their names.

    Args:
        name: of the operator in `torch.ops.hiergeo`.
        schema: begins with `POINTS`, an aperture and `EXACT`, or with `FACTORS` and `FACTORS_EXACT`.
        forms: gives the shapes and dtypes of the results for a `PairFrame` and those operands; raises InputError for
            operands that do not fit.
        derivative: its backward pass; None if it has none.
        refusal: what the backward pass says instead; None names the operator.
        batches: whether `torch.vmap` becomes a leading dimension; refused otherwise.
        values: whether radii and directions are checked.
    """

    def register(compute: Callable[..., Any]) -> Operator:
        def run(*operands: Any) -> Any:
            points, apertures, exact, rest = split(operands)
            frame = _frame(points, apertures, exact, listed, **rest)
            forms(frame, **rest)
            x, y = _sides(points, exact)
            return compute(problem(x, y, points[4], apertures, frame, values), **rest)

        def fake(*operands: Any) -> Any:
            points, apertures, exact, rest = split(operands)
            frame = _frame(points, apertures, exact, listed, **rest)
            results = [_empty(points[0][0], *form) for form in forms(frame, **rest)]
            if schema.endswith("Tensor[]"):
                return results
            return tuple(results) if len(results) > 1 else results[0] if results else None

        def split(operands: Sequence[Any]) -> tuple[list[list[Tensor]], list[Tensor], list[Tensor], dict[str, Any]]:
            points, (aperture, *exact) = list(operands[:5]), operands[5:leading]
            rest = dict(zip(names, operands[leading:], strict=True))
            if listed:
                return points, aperture, exact[0], rest
            given = [part for part in exact if part is not None]
            return [[part] for part in points], [] if aperture is None else [aperture], given, rest

        listed = schema.startswith(f"({FACTORS}")
        leading = 7 if listed else 9
        made = Operator(name, schema, run, fake, derivative, refusal=refusal, batches=batches)
        names = made.operands[leading:]
        _IMPLEMENTATIONS[made] = _Implementation(compute, forms, values)
        return made

    return register


def call(made: Operator, points: Pairs, aperture: list[Tensor] | Tensor | None, **rest: Any) -> Any:
    """The results of an operator for points that were checked.

    Args:
        made: the operator.
        points: in one factor, unless the operator is one of products.
        aperture: half apertures: a list of those in each factor for an operator of products.
        rest: its other operands, in their order.

    Raises:
        InputError: values out of range, or other operands that do not fit.
    """
    listed = isinstance(aperture, list)
    apertures = aperture if isinstance(aperture, list) else [] if aperture is None else [aperture]
    if "out" not in rest and is_plain(
        *points.x, *points.y, points.curvature, apertures, rest.values()
    ):  # torch counts versions of `out`
        work, frame = _IMPLEMENTATIONS[made], points.frame
        if apertures:
            frame = frame._replace(conic=True)
        work.forms(frame, **rest)
        task = problem(points.x, points.y, points.curvature, apertures, frame, work.values and not points.lifted)
        return work.compute(task, **rest)
    operands = points.operands()
    exact = points.exact()
    if listed:
        return made(*operands, aperture, exact, *rest.values())
    return made(*[part for (part,) in operands], aperture, *(exact or (None, None, None)), *rest.values())


def _sides(points: Sequence[Sequence[Tensor]], exact: Sequence[Tensor]) -> tuple[list[Polar], list[Polar]]:
    ux, rx, uy, ry = points[:4]
    x, y = list(map(Polar, ux, rx)), list(map(Polar, uy, ry))
    if exact:
        vx, vy, origins = thirds(exact)
        return list(map(Exact.of, x, vx, origins)), list(map(Exact.of, y, vy, origins))
    return x, y


def _frame(
    points: Sequence[Sequence[Tensor]],
    apertures: Sequence[Tensor],
    exact: Sequence[Tensor],
    listed: bool,
    quantity: str = "energy",
    swap: bool = False,
    **_: Any,
) -> PairFrame:
    """The frame of leading operands; InputError for those that do not fit each other or the quantity."""
    checks.check_factors(*map(len, points))
    checks.check_exact(exact, points[0], points[2])
    x, y = _sides(points, exact)
    for a, b, curvature in zip(x, y, points[4], strict=True):
        checks.check_pair(a, b)
        checks.check_equal_batch(a.radius.shape[:-1], b.radius.shape[:-1])
        checks.check_curvature(curvature)
    checks.check_alike(x, y)
    law, factors = named(quantity), len(x)
    if factors > 1 and law.combine is None:
        raise InputError(f"quantity '{quantity}' has no value in a product of spaces.")
    wanted = factors if law.cone else 0
    if len(apertures) != wanted and (listed or law.cone):
        raise InputError(f"aperture must have {wanted} entries for the quantity '{quantity}', not {len(apertures)}.")
    for aperture, apex in zip(apertures, y if swap else x, strict=False):
        checks.check_floats("aperture", aperture, apex.radius.shape, apex.radius.device)
    first, other = x[0].direction, y[0].direction
    widths = [point.direction.shape[-1] for point in x]
    return PairFrame(first.shape, other.shape, pair_dtype(first, other), first.device, bool(apertures), widths)


def _empty(like: Tensor, size: Sequence[int | None], dtype: torch.dtype) -> Tensor:
    sizes = [torch.library.get_ctx().new_dynamic_size() if n is None else n for n in size]
    return like.new_empty(sizes, dtype=dtype)
