"""Every refusal of the pair operations is one sentence that names the argument and says what is wrong."""

import math
import re
from collections.abc import Callable

import pytest
import torch

from hiergeo import Polar, pairwise
from hiergeo._core.errors import InputError
from hiergeo.pairwise import rows
from tests.tools.kernel_settings import setenv


@pytest.fixture(autouse=True, params=["whichever backend serves here", "the reference"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "the reference":
        setenv(monkeypatch, "HIERGEO_NATIVE", "0")


def good() -> Polar:
    return Polar(torch.eye(4)[:3], torch.ones(3))


def changed(direction: torch.Tensor | None = None, radius: torch.Tensor | None = None) -> Polar:
    point = good()
    return Polar(point.direction if direction is None else direction, point.radius if radius is None else radius)


OPERATIONS: list[Callable[..., object]] = [
    pairwise.exterior_angle,
    pairwise.distance,
    pairwise.cone_margin,
    pairwise.energy,
    pairwise.energy_mean,
    pairwise.energy_sum,
    pairwise.energy_total,
    lambda x, y, k: pairwise.hinge_total(x, y, k, 1.0),
    pairwise.energy_min,
    pairwise.cone_count,
    pairwise.cone_members,
    lambda x, y, k: pairwise.cone_topk(x, y, k, 1),
]
ONE_ZERO = torch.eye(4)[:3] * torch.tensor([1.0, 0.0, 1.0])[:, None]
BAD_POINTS = [
    (
        changed(torch.ones(3, 4, dtype=torch.int64)),
        "direction must be a float64, float32, bfloat16 or float16 tensor, not torch.int64.",
    ),
    (
        changed(radius=torch.ones(3, dtype=torch.int32)),
        "radius must be a float64, float32, bfloat16 or float16 tensor, not torch.int32.",
    ),
    (Polar(torch.ones(4), torch.tensor(1.0)), "needs directions (..., N, D) and radii (..., N), not (4,) and ()."),
    (changed(torch.ones(2, 4)), "needs directions (..., N, D) and radii (..., N), not (2, 4) and (3,)."),
    (changed(radius=torch.tensor([1.0, 1.0, -0.5])), "radius must not be negative: entry 2 is -0.5."),
    (changed(ONE_ZERO), "direction 1 is zero but its radius is not: only the root has no direction."),
    (changed(radius=torch.ones(3, device="meta")), "direction is on cpu and"),
]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("side", ["x", "y"])
@pytest.mark.parametrize(("point", "words"), BAD_POINTS)
def test_points(operation: Callable[..., object], side: str, point: Polar, words: str) -> None:
    ends = (point, good()) if side == "x" else (good(), point)
    with pytest.raises(InputError, match=rf"^{side}[ .]{re.escape(words)}") as caught:
        operation(*ends, -0.3)
    assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize("operation", OPERATIONS)
def test_pairs(operation: Callable[..., object]) -> None:
    with pytest.raises(InputError, match=r"x has dimension 4 and y has dimension 3: they must be equal\."):
        operation(good(), changed(torch.eye(3)), -0.3)
    elsewhere = Polar(*(t.to("meta") for t in good()))
    with pytest.raises((InputError, RuntimeError)):
        operation(good(), elsewhere, -0.3)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("learnable", [False, True])
def test_beyond_the_antipode(operation: Callable[..., object], learnable: bool) -> None:
    radius = torch.tensor([1.0, 3.7, 3.8], requires_grad=learnable)
    for side in ("x", "y"):
        ends = (changed(radius=radius), good()) if side == "x" else (good(), changed(radius=radius))
        with pytest.raises(
            InputError, match=rf"^the radius of {side} 2 is 3\.8, beyond the antipode .*pi/sqrt\(K\).*3\.755"
        ):
            operation(*ends, 0.7)
    limit = math.pi / math.sqrt(0.7)
    operation(changed(radius=torch.full((3,), limit)), good(), 0.7)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_curvature(operation: Callable[..., object]) -> None:
    for bad in (math.nan, math.inf, torch.tensor(math.nan)):
        with pytest.raises(InputError, match=r"^curvature must be finite, not (nan|inf)\.$"):
            operation(good(), good(), bad)
    with pytest.raises(
        InputError, match=r"^curvature must be a float or a 0-dim tensor, not a tensor of shape \(1,\)\.$"
    ):
        operation(good(), good(), torch.tensor([-1.0]))


@pytest.mark.parametrize("bad", [0.0, -0.1, math.nan, math.inf])
def test_min_radius(bad: float) -> None:
    for operation in (pairwise.cone_margin, pairwise.energy, pairwise.energy_mean, pairwise.cone_count):
        with pytest.raises(InputError, match=r"^min_radius must be a positive number, not"):
            operation(good(), good(), -0.3, bad)
    with pytest.raises(InputError, match="min_radius"):
        pairwise.half_aperture(torch.ones(2), -0.3, bad)


@pytest.mark.parametrize("bad", [0.0, -0.1, math.nan, math.inf])
def test_margin(bad: float) -> None:
    with pytest.raises(InputError, match=r"^margin must be a number > 0, radians, not"):
        pairwise.hinge_total(good(), good(), -0.3, bad)


def test_leading_dimensions() -> None:
    x, y = (Polar(torch.ones(n, 3, 4), torch.ones(n, 3)) for n in (2, 5))
    with pytest.raises(InputError, match=r"leading dimensions \(2,\) of x and \(5,\) of y do not broadcast"):
        pairwise.distance(x, y, -0.3)
    with pytest.raises(InputError, match=r"^x\.direction must be \(N, D\) here, not \(2, 3, 4\)"):
        pairwise.cone_members(x, good(), -0.3)
    with pytest.raises(InputError, match=r"^y\.direction must be \(N, D\) here, not \(2, 3, 4\)"):
        pairwise.cone_members(good(), x, -0.3)


def test_rows_that_do_not_broadcast() -> None:
    with pytest.raises(InputError, match=r"x of shape \(3, 4\) and y of shape \(2, 4\) do not broadcast row by row"):
        rows.distance(good(), Polar(torch.ones(2, 4), torch.ones(2)), -0.3)


def test_a_point_at_the_root_needs_no_direction() -> None:
    root = Polar(torch.zeros(1, 4), torch.zeros(1))
    assert pairwise.distance(root, good(), -0.3).tolist() == [[pytest.approx(1.0)] * 3]
