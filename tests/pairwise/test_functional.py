"""Transforms of `torch.func` and `torch.compile` over spaces and pair operations.

Oracles are central differences in float64 and derivatives of 50 digits by mpmath.
"""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from hiergeo import Lorentz, Polar, Product, Space, Sphere, pairwise
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.geometry import Geometry
from hiergeo.pairwise import search_ops
from tests.losses.losses_common import PRODUCT, SINGLE, normal
from tests.pairwise.functional_common import ROOT, TANGENT, X, Y, central, close

Measure = Callable[[Space, Tensor, Tensor], Tensor]


def of_points(measure: Callable[..., Tensor], **options: float) -> Measure:
    """A pair operation of one space as a function of embeddings."""

    def of(space: Space, x: Tensor, y: Tensor) -> Tensor:
        return measure(space.polar(x), space.polar(y), space.geometry.curvature, **options)

    return of


EVERYWHERE: dict[str, Measure] = {
    "radius": lambda s, x, _: s.radius(x),
    "exterior_angle": lambda s, x, y: s.exterior_angle(x, y),
    "distance": lambda s, x, y: s.distance(x, y),
    "margin": lambda s, x, y: s.margin(x, y),
    "energy": lambda s, x, y: s.energy(x, y),
    "pairwise_exterior_angle": lambda s, x, y: s.pairwise_exterior_angle(x, y),
    "pairwise_distance": lambda s, x, y: s.pairwise_distance(x, y),
    "pairwise_margin": lambda s, x, y: s.pairwise_margin(x, y),
    "energy_sum": lambda s, x, y: s.energy_sum(x, y),
    "energy_min": lambda s, x, y: s.energy_min(x, y)[0],
}
OF_ONE_SPACE: dict[str, Measure] = {
    "half_aperture": lambda s, x, _: s.half_aperture(x),
    "pairwise.energy": of_points(pairwise.energy),
    "pairwise.energy_total": of_points(pairwise.energy_total),
    "pairwise.hinge_total": of_points(pairwise.hinge_total, margin=0.7),
}
ROW_BY_ROW = ("radius", "exterior_angle", "distance", "margin", "energy", "half_aperture")
CASES = [
    *((geometry, name) for geometry in SINGLE for name in {**EVERYWHERE, **OF_ONE_SPACE}),
    *((PRODUCT, name) for name in EVERYWHERE),
]
COMPILED = [
    (geometry, name)
    for geometry, name in CASES
    if isinstance(geometry, Lorentz | Product) or name in ("radius", "margin", "pairwise_distance")
]
"""The cases that differ for a compiler: geometries give other radii and curvatures to the same pair operations."""

every_case = pytest.mark.parametrize(("geometry", "name"), CASES, ids=lambda part: getattr(part, "spec", part))


def measured(geometry: Geometry, name: str) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """A measure as a function of x, and of y."""
    space, measure = Space(geometry, ROOT), {**EVERYWHERE, **OF_ONE_SPACE}[name]
    return lambda x: measure(space, x, Y), lambda y: measure(space, X, y)


@every_case
def test_derivatives_are_central_differences(geometry: Geometry, name: str) -> None:
    for f, at in zip(measured(geometry, name), (X, Y), strict=True):
        expected = central(f, at, TANGENT)
        weight = normal(*expected.shape, seed=5)
        pull = torch.func.vjp(f, at)[1]
        close((pull(weight)[0] * TANGENT).sum(), (weight * expected).sum())
        (gradient,) = torch.autograd.functional.vjp(f, at, weight)[1:]
        close(torch.func.grad(lambda x, f=f, w=weight: (f(x) * w).sum())(at), gradient)


@every_case
def test_jacobians_and_vmap(geometry: Geometry, name: str) -> None:
    f, _ = measured(geometry, name)
    close((torch.func.jacrev(f)(X) * TANGENT).sum((-1, -2)), central(f, X, TANGENT))
    batch = torch.stack((X, X + 0.1 * TANGENT))
    close(torch.vmap(f)(batch), torch.stack([f(x) for x in batch]))
    each = torch.vmap(torch.func.grad(lambda x: f(x).sum()))(batch)
    whole = torch.func.grad(lambda x: torch.vmap(f)(x).sum())(batch)
    for found in (each, whole):
        close(found, torch.stack([torch.func.grad(lambda x: f(x).sum())(x) for x in batch]))
    for row in (0, 1):
        jacobian = torch.vmap(torch.func.jacrev(f))(batch)[row]
        close((jacobian * TANGENT).sum((-1, -2)), central(f, batch[row], TANGENT))


@pytest.mark.slow
@pytest.mark.parametrize(("geometry", "name"), COMPILED, ids=lambda part: getattr(part, "spec", part))
def test_compiles_without_breaks(geometry: Geometry, name: str) -> None:
    f, _ = measured(geometry, name)
    torch.compiler.reset()
    graph = torch.compile(f, fullgraph=True, backend="aot_eager")
    results = []
    for run in (f, graph):
        x = X.clone().requires_grad_()
        value = run(x)
        results.append((value, *torch.autograd.grad(value.sum(), x)))
    for one, other in zip(*results, strict=True):
        close(one, other)


@pytest.mark.parametrize("name", sorted({*EVERYWHERE, *OF_ONE_SPACE} - {"radius", "half_aperture"}))
def test_second_derivatives_are_refused_by_every_transform(name: str) -> None:
    """Radii and apertures are made of torch's own operators, which have second derivatives."""
    f, _ = measured(Lorentz(-0.7), name)

    def total(x: Tensor) -> Tensor:
        return f(x).square().sum()

    def summed(x: Tensor) -> Tensor:
        return gradient(x).sum()

    def row(x: Tensor) -> Tensor:
        return total(x.expand(4, -1))

    gradient = torch.func.grad(total)
    for transformed in (
        torch.func.grad(summed),
        torch.func.jacrev(gradient),
        torch.vmap(torch.func.jacrev(torch.func.grad(row))),
    ):
        with pytest.raises(UnavailableError, match=r"^second derivatives"):
            transformed(X)


STEPS = torch.linspace(0.5, 1, 4)
"""Radii of four candidates."""

RADII = torch.ones(4, dtype=torch.float64)

Search = Callable[[Polar, Polar], Tensor]

every_search = pytest.mark.parametrize(
    ("name", "search"),
    [
        ("pair_smallest", lambda x, y: pairwise.topk(x, y, -0.7, 2)[0]),
        ("pair_smallest", lambda x, y: pairwise.cone_topk(x, y, -0.7, 2)[0]),
        ("pair_ladder", lambda x, y: pairwise.nearest_ladder(x, y, -0.7, STEPS, STEPS[:1])[0]),
        ("ladder", lambda x, y: search_ops.ladder(x.direction, y.direction, STEPS, STEPS[:1], None, None)[1]),
    ],
)


def searched(search: Search) -> Callable[[Tensor], Tensor]:
    """The sum of the values of a search, as a function of the directions of x."""
    return lambda x: search(Polar(x, RADII), Polar(Y, RADII)).sum()


@every_search
def test_searches_refuse_derivatives(name: str, search: Search) -> None:
    """Also beside terms that have one: a gradient is refused rather than 0."""
    of = searched(search)

    def beside(x: Tensor) -> Tensor:
        return of(x) + x.square().sum()

    def backward(of: Callable[[Tensor], Tensor]) -> Callable[[Tensor], object]:
        return lambda x: of(x.clone().requires_grad_()).backward()

    compiled = torch.compile(beside, backend="aot_eager")
    for differentiate in (torch.func.grad(beside), torch.func.jacrev(beside), backward(beside), backward(compiled)):
        with pytest.raises(UnavailableError, match=rf"^hiergeo::{name} has no derivative"):
            differentiate(X)
    gradient = torch.func.grad(lambda x: of(x.detach()) + x.square().sum())(X)
    close(gradient, 2 * X)


def test_indices_of_a_search_compile_beside_gradients() -> None:
    """As hard negatives are mined: distances to what a search returned have a gradient."""
    space = Space(Lorentz(-0.7), ROOT)

    def mined(x: Tensor) -> Tensor:
        return space.distance(x, Y[space.topk(x, Y, 1)[1][:, 0]]).sum()

    results: list[Tensor] = []
    for run in (mined, torch.compile(mined, fullgraph=True, backend="aot_eager")):
        x = X.clone().requires_grad_()
        results.append(*torch.autograd.grad(run(x), x))
    close(*results)


def test_results_in_out_refuse_derivatives() -> None:
    out = torch.empty(4, 4, dtype=torch.float64)

    def of(x: Tensor) -> Tensor:
        return pairwise.distance(Polar(x, RADII), Polar(Y, RADII), -0.7, out=out).sum()

    with pytest.raises(InputError, match=r"^out carries no gradient"):
        torch.func.grad(of)(X)
    with pytest.raises(InputError, match=r"^out carries no gradient"):
        of(X.clone().requires_grad_())
    with pytest.raises(UnavailableError, match=r"^vmap over hiergeo::pair_store_out is not available"):
        torch.func.grad(lambda x: torch.vmap(of)(x).sum())(torch.stack((X, X)))


FORWARD = pytest.mark.parametrize("name", sorted({*EVERYWHERE, *OF_ONE_SPACE} - {"radius", "half_aperture"}))


@FORWARD
def test_forward_mode_is_refused(name: str) -> None:
    """Rather than a tangent of 0. Radii and apertures are made of torch's own operators, which have tangents."""
    f, _ = measured(Lorentz(-0.7), name)
    with pytest.raises(UnavailableError, match=r"^forward-mode"):
        torch.func.jvp(f, (X,), (TANGENT,))
    with pytest.raises(UnavailableError, match=r"^forward-mode"):
        torch.func.jacfwd(f)(X)
    with forward_ad.dual_level(), pytest.raises(UnavailableError, match=r"^forward-mode"):
        f(forward_ad.make_dual(X, TANGENT))


@every_search
def test_searches_and_out_refuse_forward_mode(name: str, search: Search) -> None:
    of, out = searched(search), torch.empty(4, 4, dtype=torch.float64)
    for run in (of, lambda x: pairwise.distance(Polar(x, RADII), Polar(Y, RADII), -0.7, out=out)):
        with pytest.raises(UnavailableError, match=r"^forward-mode"):
            torch.func.jvp(run, (X,), (TANGENT,))
        with forward_ad.dual_level(), pytest.raises(UnavailableError, match=r"^forward-mode"):
            run(forward_ad.make_dual(X, TANGENT))


def test_points_beyond_the_antipode_are_refused_where_python_cannot_look() -> None:
    space = Space(Sphere(1.0))
    far = torch.tensor([[9.0, 0.0], [1.0, 0.0]])
    for run in (
        torch.compile(lambda x: space.distance(x, x.flip(0)), fullgraph=True, backend="aot_eager"),
        torch.vmap(lambda x: space.distance(x, x.flip(0))),
        torch.func.grad(lambda x: space.margin(x, x.flip(0)).sum()),
    ):
        with pytest.raises(InputError, match="beyond the antipode"):
            run(far)


NO_NUMBER = (1, 3)


@every_case
def test_a_row_with_nan_spoils_its_own_gradients_only(geometry: Geometry, name: str) -> None:
    root = torch.nn.Parameter(ROOT.clone())
    space, measure = Space(geometry, root), {**EVERYWHERE, **OF_ONE_SPACE}[name]
    kept = [i for i in range(len(X)) if i not in NO_NUMBER]
    by_row = name in ROW_BY_ROW
    results = []
    for odd in (True, False):
        x, y = X.clone(), Y.clone()
        if odd:
            x[NO_NUMBER[0], 2], x[NO_NUMBER[1], 0] = math.nan, math.inf
        else:
            x, y = x[kept], y[kept] if by_row else y
        x.requires_grad_(), y.requires_grad_()
        value = measure(space, x, y)
        found = torch.autograd.grad(value.sum(), (x, y, root), allow_unused=True)
        results.append([torch.zeros(1) if part is None else part for part in found])
    (by_x, by_y, by_root), (alone_x, alone_y, _) = results
    assert bool(by_x[list(NO_NUMBER)].isnan().any(-1).all())
    close(by_x[kept], alone_x)
    if by_y.ndim == 2:
        close(by_y[kept] if by_row else by_y, alone_y)
        assert bool(by_y.isfinite().all())
    assert bool(by_root.isfinite().all())
