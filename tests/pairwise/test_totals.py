"""Sums over all pairs, with gradients formed in the same sweep: by the oracle, at every level, NaN, repeatable."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo._core.errors import InputError
from hiergeo.pairwise import ops
from hiergeo.pairwise.interface import Gradients
from hiergeo.pairwise.portable import PORTABLE
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.resolver import NATIVE
from hiergeo.testing import oracle
from tests.pairwise.native_problems import MISSING, at, levels
from tests.tools.kernel_settings import setenv

MARGINS = (None, 0.1, 1.3, 4.0)
CURVATURES = (-1.3, 0.0, 0.05)

NATIVE_LEVELS = [] if MISSING else levels()

every_level = pytest.mark.parametrize("level", ["reference", *NATIVE_LEVELS])


def points(n: int, seed: int, dtype: torch.dtype = torch.float64, dim: int = 24) -> Polar:
    generator = torch.Generator().manual_seed(seed)
    direction = 0.5 + torch.randn(n, dim, generator=generator, dtype=torch.float64)
    return Polar(direction.to(dtype), (0.3 + torch.rand(n, generator=generator, dtype=torch.float64)).to(dtype))


def naive(x: Polar, y: Polar, curvature: float, margin: float | None) -> Tensor:
    """The sum over the N x M energies of the oracle, in float64."""
    wide_x, wide_y = (Polar(p.direction.double(), p.radius.double()) for p in (x, y))
    angle = oracle.exterior_angle(Polar(wide_x.direction[:, None], wide_x.radius[:, None]), wide_y, curvature)
    energy = (angle - oracle.half_aperture(wide_x.radius, curvature, 0.1)[:, None]).clamp_min(0)
    return energy.sum() if margin is None else (margin - energy).clamp_min(0).sum()


def total(x: Polar, y: Polar, curvature: float | Tensor, margin: float | None) -> Tensor:
    if margin is None:
        return pairwise.energy_total(x, y, curvature)
    return pairwise.hinge_total(x, y, curvature, margin)


@every_level
@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("curvature", CURVATURES)
def test_values_and_gradients_by_the_oracle(level: str, curvature: float, margin: float | None) -> None:
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-5)):
        found: list[Tensor] = []
        expected: list[Tensor] = []
        for measure, results in ((total, found), (naive, expected)):
            parts = [part.requires_grad_() for part in (*points(70, 0, dtype), *points(131, 1, dtype))]
            with pytest.MonkeyPatch.context() as patch, at("" if level == "reference" else level):
                setenv(patch, "HIERGEO_NATIVE", "0" if level == "reference" else "1")
                value = measure(Polar(*parts[:2]), Polar(*parts[2:]), curvature, margin)
                results += [value.detach(), *torch.autograd.grad(3 * value, parts)]
        for one, other in zip(found, expected, strict=True):
            bar = tolerance * float(other.double().abs().max())
            torch.testing.assert_close(one.double(), other.double(), rtol=0, atol=bar)


def test_by_hand() -> None:
    """At r = 1 with k = 1/4 the half aperture is pi/6; turns of pi/2 exceed it by pi/3, on the ray there is none."""
    x = torch.eye(2, dtype=torch.float64)
    y = torch.tensor([[3.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    px, py = (Polar(p, p.norm(dim=-1)) for p in (x, y))
    behind = math.pi / 2 + math.atan2(1, 3) - math.pi / 6
    energies = [0, math.pi / 3, behind, math.pi / 3]
    assert float(pairwise.energy_total(px, py, 0.0, 0.25)) == pytest.approx(sum(energies), rel=1e-12)
    widened = sum(max(0.0, energy - 0.2) for energy in energies)
    assert float(pairwise.energy_total(px, py, 0.0, 0.25, widening=0.2)) == pytest.approx(widened, rel=1e-12)
    lacking = sum(max(0.0, 1.2 - energy) for energy in energies)
    assert float(pairwise.hinge_total(px, py, 0.0, 1.2, 0.25)) == pytest.approx(lacking, rel=1e-12)


@every_level
@pytest.mark.parametrize("margin", [None, 1.3])
def test_a_point_that_is_not_a_number_spoils_the_sum_and_its_own_gradients(level: str, margin: float | None) -> None:
    x, y = points(40, 0, torch.float32), points(50, 1, torch.float32)
    odd = Polar(x.direction.clone(), x.radius.clone()), Polar(y.direction.clone(), y.radius.clone())
    odd[0].direction[7, 3], odd[1].radius[11] = math.nan, math.inf
    aperture = pairwise.half_aperture(odd[0].radius, -0.7)
    aperture[9] = math.nan
    kept_x, kept_y = (torch.tensor([i for i in range(n) if i not in out]) for n, out in ((40, (7, 9)), (50, (11,))))
    rest = Polar(*(part[kept_x] for part in x)), Polar(*(part[kept_y] for part in y))
    backend = REFERENCE if level == "reference" else NATIVE
    results = []
    for (a, b), psi in ((odd, aperture), (rest, aperture[kept_x])):
        one, other = [Polar(p.direction[None], p.radius[None]) for p in (a, b)]
        with at("" if level == "reference" else level):
            results.append(backend.energy_total(one, other, -0.7, psi[None], margin, True))
    (value, found), (whole, alone) = results
    assert bool(value.isnan())
    assert bool(whole.isfinite())
    assert found is not None
    assert alone is not None
    for name, part, expected in zip(Gradients._fields, found, alone, strict=True):
        kept = {"ux": kept_x, "rx": kept_x, "uy": kept_y, "ry": kept_y, "aperture": kept_x}.get(name)
        torch.testing.assert_close(part if kept is None else part[:, kept], expected, rtol=1e-5, atol=1e-5, msg=name)
    assert bool(found.ux[0, 7].isnan().all())
    assert bool(found.ry[0, 11].isnan())
    assert not bool(found.ux[0, 9].any()), "a half aperture that is not a number leaves its point alone"
    assert not bool(found.aperture[0, [7, 9]].any())


def test_one_sweep_gives_value_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    whole = PORTABLE.energy_total
    setenv(monkeypatch, "HIERGEO_NATIVE", "0")

    def noted(*operands: Any) -> Any:
        asked.append(operands[-1])
        return whole(*operands)

    monkeypatch.setattr(PORTABLE, "energy_total", noted)
    parts = [part.requires_grad_() for part in (*points(5, 0), *points(6, 1))]
    ends = Polar(*parts[:2]), Polar(*parts[2:])
    pairwise.hinge_total(*ends, -0.3, 1.3).backward()
    assert asked == [True]
    with torch.no_grad():
        pairwise.hinge_total(*ends, -0.3, 1.3)
    assert asked == [True, False]


def test_gradients_that_were_not_asked_for_are_formed_when_they_are_needed() -> None:
    """As under a transform of functions, which tells the operator nothing of what it will want."""
    parts = [*points(5, 0), *points(6, 1)]
    k = torch.tensor(-0.3, dtype=torch.float64)
    results = []
    for asked in (False, True):
        learnt = [part.clone().requires_grad_() for part in (*parts, k, pairwise.half_aperture(parts[1], -0.3))]
        value = ops.energy_total(*learnt, None, None, None, 0.9, asked)[0]
        results.append(torch.autograd.grad(2 * value, learnt))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=0)


@every_level
def test_no_pairs_sum_to_nothing(level: str) -> None:
    x, none = points(5, 0), points(0, 1)
    with pytest.MonkeyPatch.context() as patch, at("" if level == "reference" else level):
        setenv(patch, "HIERGEO_NATIVE", "0" if level == "reference" else "1")
        for ends in ((x, none), (none, x)):
            parts = [part.clone().requires_grad_() for p in ends for part in p]
            value = pairwise.hinge_total(Polar(*parts[:2]), Polar(*parts[2:]), -0.3, 1.0)
            assert float(value.detach()) == 0
            assert not any(bool(g.any()) for g in torch.autograd.grad(value, parts))
        batches = Polar(x.direction.expand(2, 3, 5, 24), x.radius.expand(2, 3, 5))
        assert pairwise.energy_total(batches, none, -0.3).tolist() == [[0.0] * 3] * 2


def test_operators_refuse_gradients_that_do_not_fit() -> None:
    x, y = points(5, 0), points(6, 1)
    k, psi = torch.tensor(-0.3), pairwise.half_aperture(x.radius, -0.3)
    _, *found = ops.energy_total(*x, *y, k, psi, None, None, None, None, True)
    one = torch.ones((), dtype=torch.float64)
    for wrong in (found[:5], [*found[:5], found[5][1:]], [found[0].float(), *found[1:]]):
        with pytest.raises(InputError, match=r"^slopes must "):
            ops.energy_total_backward(*x, *y, k, psi, None, None, None, None, one, wrong)
    with pytest.raises(InputError, match=r"^upstream must have the shape \(\)"):
        ops.energy_total_backward(*x, *y, k, psi, None, None, None, None, torch.ones(5), found)
    with pytest.raises(InputError, match=r"^margin must be a number > 0"):
        ops.energy_total(*x, *y, k, psi, None, None, None, -1.0, True)
