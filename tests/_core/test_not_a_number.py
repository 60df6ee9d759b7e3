"""A point that is not a number spoils its own row and column of values and its own gradients alone, everywhere."""

import math
from types import ModuleType

import pytest
import torch
from torch import Tensor

from hiergeo import Polar, Sphere, pairwise
from hiergeo.geometry import Space
from hiergeo.losses import entailment_loss
from hiergeo.pairwise import rows
from hiergeo.pairwise.interface import Gradients
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.resolver import NATIVE
from tests.pairwise.native_problems import MISSING, at, levels
from tests.tools.kernel_settings import setenv

CURVATURES = (-0.7, 0.0, 0.4)
BACKENDS = {"reference": REFERENCE} if MISSING else {"reference": REFERENCE, **dict.fromkeys(levels(), NATIVE)}
SPOILED_X, SPOILED_Y = (1, 4), (0, 6)

every_backend = pytest.mark.parametrize("backend", BACKENDS)


def points(n: int, seed: int) -> Polar:
    generator = torch.Generator().manual_seed(seed)
    return Polar(torch.randn(1, n, 5, generator=generator), 0.3 + torch.rand(1, n, generator=generator))


def spoiled(point: Polar, by_direction: int, by_radius: int) -> Polar:
    direction, radius = point.direction.clone(), point.radius.clone()
    direction[0, by_direction, 2], radius[0, by_radius] = math.nan, math.inf
    return Polar(direction, radius)


def gradients(backend: str, x: Polar, y: Polar, curvature: float, quantity: str, upstream: Tensor) -> Gradients:
    law, chosen = QUANTITIES[quantity], BACKENDS[backend]
    cone = pairwise.half_aperture(x.radius, curvature) if law.cone else None
    if backend == "reference":
        return chosen.backward(upstream, x, y, curvature, law, cone)
    with at(backend):
        return chosen.backward(upstream, x, y, curvature, law, cone)


@every_backend
@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("curvature", CURVATURES)
def test_other_gradients_are_as_if_the_rows_were_absent(curvature: float, quantity: str, backend: str) -> None:
    x, y = points(7, 0), points(9, 1)
    y.direction[0, 3], y.radius[0, 3] = 1.0001 * x.direction[0, 2], 2 * x.radius[0, 2]
    odd_x, odd_y = spoiled(x, *SPOILED_X), spoiled(y, *SPOILED_Y)
    kept_x, kept_y = ([i for i in range(n) if i not in odd] for n, odd in ((7, SPOILED_X), (9, SPOILED_Y)))
    upstream = torch.rand(1, 7, 9, generator=torch.Generator().manual_seed(2))
    upstream[0, SPOILED_X[0]], upstream[0, :, SPOILED_Y[1]] = math.nan, math.nan
    found = gradients(backend, odd_x, odd_y, curvature, quantity, upstream)
    rest = Polar(*(part[:, kept_x] for part in x)), Polar(*(part[:, kept_y] for part in y))
    alone = gradients(backend, *rest, curvature, quantity, upstream[:, kept_x][:, :, kept_y])
    kept = {"ux": kept_x, "rx": kept_x, "uy": kept_y, "ry": kept_y, "aperture": kept_x}
    for name, one, other in zip(found._fields, found, alone, strict=True):
        there = one[:, kept[name]] if name in kept else one
        torch.testing.assert_close(there, other, rtol=1e-5, atol=1e-6, msg=name)
    for name, odd in (("ux", SPOILED_X), ("rx", SPOILED_X), ("uy", SPOILED_Y), ("ry", SPOILED_Y)):
        assert bool(getattr(found, name)[:, list(odd)].isnan().all()), name
    assert not bool(found.aperture[:, list(SPOILED_X)].any()), "the half aperture gets none, so that K stays clean"


@every_backend
@pytest.mark.parametrize("quantity", ["distance", "energy"])
def test_rows_of_nothing_but_nan_and_zeros(quantity: str, backend: str) -> None:
    x, y = points(5, 0), points(6, 1)
    x.direction[0, 1], x.direction[0, 3] = math.nan, torch.tensor([0.0, 0.0, math.nan, 0.0, 0.0])
    found = gradients(backend, x, y, -0.7, quantity, torch.ones(1, 5, 6))
    assert bool(found.ux[0, [1, 3]].isnan().all())
    assert bool(found.rx[0, [1, 3]].isnan().all())
    assert all(bool(part.isfinite().all()) for part in (found.uy, found.ry, found.curvature, found.ux[0, [0, 2, 4]]))


@pytest.mark.parametrize("setting", ["0", "1"][: 1 if MISSING else 2])
@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize(
    "name", ["energy", "energy_sum", "energy_total", "hinge_total", "energy_min", "cone_margin", "distance"]
)
def test_through_autograd(name: str, curvature: float, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The half aperture passes nothing on either: only rows that are not numbers have gradients of NaN."""
    setenv(monkeypatch, "HIERGEO_NATIVE", setting)
    x, y = (Polar(*(part[0] for part in spoiled(point, 1, 4))) for point in (points(7, 0), points(9, 1)))
    inputs = [part.requires_grad_() for part in (*x, *y, torch.tensor(curvature, requires_grad=True))]
    margin = (1.3,) if name == "hinge_total" else ()
    value = getattr(pairwise, name)(Polar(*inputs[:2]), Polar(*inputs[2:4]), inputs[4], *margin)
    value = value[0] if name == "energy_min" else value
    (ux, rx, uy, ry, k) = torch.autograd.grad(value.sum(), inputs)
    assert bool(k.isfinite())
    sides = ((ux, rx),) if name == "energy_min" else ((ux, rx), (uy, ry))
    for u, r in sides:
        assert torch.nonzero(u.isnan().all(-1)).flatten().tolist() == [1, 4]
        assert torch.nonzero(r.isnan()).flatten().tolist() == [1, 4]
        assert int(u.isnan().sum()) == 2 * u.shape[-1]
    assert bool(uy[[0, 2, 3, 5, 6, 7, 8]].isfinite().all())


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("measure", [rows.exterior_angle, rows.distance])
def test_row_by_row(measure, curvature: float) -> None:
    x, y = (Polar(*(part[0] for part in point)) for point in (spoiled(points(7, 0), 1, 4), points(7, 1)))
    inputs = [part.requires_grad_() for part in (*x, *y)]
    value = measure(Polar(*inputs[:2]), Polar(*inputs[2:]), curvature)
    assert torch.nonzero(value.isnan()).flatten().tolist() == [1, 4]
    ux, rx, uy, ry = torch.autograd.grad(value.sum(), inputs)
    assert (
        torch.nonzero(ux.isnan().all(-1)).flatten().tolist() == torch.nonzero(rx.isnan()).flatten().tolist() == [1, 4]
    )
    assert not bool(uy[[1, 4]].any())
    assert not bool(ry[[1, 4]].any())
    assert bool(uy.isfinite().all())


@every_backend
@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("curvature", CURVATURES)
def test_a_zero_direction_has_no_gradient(curvature: float, quantity: str, backend: str) -> None:
    """The public functions refuse one with a radius; operators may meet it, at pi/2 to every ray."""
    x, y = points(3, 0), points(4, 1)
    x.direction[0, 1], y.direction[0, 2] = 0, 0
    found = gradients(backend, x, y, curvature, quantity, torch.ones(1, 3, 4))
    assert all(bool(part.isfinite().all()) for part in found)
    assert not bool(found.ux[0, 1].any())
    assert not bool(found.uy[0, 2].any())
    assert bool(found.ux[0, 0].any())


@pytest.mark.parametrize("law", [rows, pairwise])
def test_an_infinite_radius_is_not_a_number_in_any_space(law: ModuleType) -> None:
    x, y = (Polar(*(part[0] for part in point)) for point in (spoiled(points(7, 0), 1, 4), points(7, 1)))
    for curvature in CURVATURES:
        value = law.distance(x, y, curvature)
        assert bool(value[[1, 4]].isnan().all())
        assert not bool(value[[0, 2, 3, 5, 6]].isnan().any())
    embeddings = torch.eye(3)
    embeddings[1, 1] = math.inf
    assert torch.nonzero(Space(Sphere(0.5)).radius(embeddings).isnan()).tolist() in ([], [[1]])
    assert bool(Space(Sphere(0.5)).pairwise_distance(embeddings, embeddings)[1].isnan().all())


def test_the_half_aperture_of_what_is_no_number() -> None:
    radius = torch.tensor([0.5, math.nan, math.inf, 0.9], requires_grad=True)
    curvature = torch.tensor(-0.7, requires_grad=True)
    psi = pairwise.half_aperture(radius, curvature)
    by_radius, by_curvature = torch.autograd.grad(psi.sum(), (radius, curvature))
    assert psi.isnan().tolist() == by_radius.isnan().tolist() == [False, True, True, False]
    assert bool(by_curvature.isfinite())


@pytest.mark.filterwarnings("ignore:points lie beyond the equator")
def test_the_curvature_of_a_sphere_learns_at_the_antipode_of_the_root() -> None:
    space = Space(Sphere(1.0, learnable=True))
    for parent, child in (([[math.pi, 0.0]], [[1.0, 0.0]]), ([[1.0, 0.2]], [[math.pi, 0.0]])):
        loss = entailment_loss(space, torch.tensor(parent), torch.tensor(child))
        (gradient,) = torch.autograd.grad(loss, list(space.parameters()))
        assert bool(gradient.isfinite())
