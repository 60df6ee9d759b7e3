"""`vmap` over the operators of `torch.ops.hiergeo`, and what of it is refused."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo._core.errors import UnavailableError
from hiergeo.pairwise import ops
from tests.pairwise.operators_common import DIFFERENTIABLE, NONE, SEARCHES, operands, points


@pytest.mark.parametrize("name", [*DIFFERENTIABLE, *SEARCHES])
def test_vmap(name: str) -> None:
    measure = {**DIFFERENTIABLE, **SEARCHES}[name]
    x, y = points(3, 5, seed=0), points(3, 6, seed=1)
    each = torch.stack([measure(*(Polar(p.direction[i], p.radius[i]) for p in (x, y)), -0.3) for i in range(3)])
    assert torch.equal(torch.vmap(lambda x, y: measure(x, y, -0.3))(x, y), each)
    last = Polar(x.direction.movedim(0, -1), x.radius.movedim(0, -1))
    dims: tuple[Any, Any] = (-1, 0)
    in_dims = tuple(Polar(dim, dim) for dim in dims)
    mapped = torch.vmap(lambda x, y: measure(x, y, -0.3), in_dims=in_dims)(last, y)
    assert torch.equal(mapped, each)
    shared = torch.vmap(lambda radius: measure(Polar(x.direction[0], radius), Polar(y.direction[0], y.radius[0]), -0.3))
    one = Polar(x.direction[:1].expand(3, 5, 4), x.radius), Polar(y.direction[0], y.radius[0])
    expected = torch.stack([measure(Polar(one[0].direction[i], one[0].radius[i]), one[1], -0.3) for i in range(3)])
    assert torch.equal(shared(x.radius), expected)


def test_vmap_of_an_operator_over_any_dimension() -> None:
    ux, rx, uy, ry, k, aperture = operands(3)
    turned = (ux.movedim(0, 2), rx.mT, uy.movedim(0, 1), ry.mT, k, aperture.mT)
    mapped = torch.vmap(lambda *parts: ops.energy_sum(*parts, *NONE), in_dims=(2, 1, 1, 1, None, 1))(*turned)
    assert torch.equal(mapped, ops.energy_sum(ux, rx, uy, ry, k, aperture, *NONE))


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_pass_through_vmap(name: str) -> None:
    measure = DIFFERENTIABLE[name]
    y, gradients = points(6, seed=1), []
    for run in (torch.vmap(lambda x: measure(x, y, -0.3)), lambda x: measure(x, y, -0.3)):
        x = Polar(*(part.requires_grad_() for part in points(3, 5, seed=0)))
        gradients.append(torch.autograd.grad(run(x).square().sum(), x))
    for mapped, batched in zip(*gradients, strict=True):
        torch.testing.assert_close(mapped, batched)


def test_vmap_over_jacobian_rows() -> None:
    x, y = points(2, seed=0), points(3, seed=1)

    def measure(ux: Tensor) -> Tensor:
        return pairwise.exterior_angle(Polar(ux, x.radius), y, -0.3)

    rows = torch.autograd.functional.jacobian(measure, x.direction, vectorize=True)
    torch.testing.assert_close(rows, torch.autograd.functional.jacobian(measure, x.direction))


@pytest.mark.parametrize(
    ("mapped", "operator"),
    [
        (lambda x, y: pairwise.cone_members(x, y, -0.3)[0], "hiergeo::cone_members"),
        (lambda x, y: pairwise.ladder(x.direction, y.direction, y.radius, torch.ones(1)), "hiergeo::ladder"),
        (lambda x, y: pairwise.distance(x, y, -0.3, out=torch.empty(5, 6)), "hiergeo::pair_store_out"),
    ],
)
def test_vmap_without_a_meaning_is_refused(mapped: Callable[..., Tensor], operator: str) -> None:
    with pytest.raises(UnavailableError, match=rf"^vmap over {operator} is not available: loop instead\.$"):
        torch.vmap(mapped)(points(3, 5, seed=0), points(3, 6, seed=1))


def test_vmap_over_curvatures_is_refused() -> None:
    x, y = points(5, seed=0), points(6, seed=1)
    for measure in (pairwise.distance, pairwise.cone_margin, pairwise.cone_count):
        with pytest.raises(UnavailableError, match=r"^vmap over curvatures is not available: loop over them\.$"):
            torch.vmap(partial(measure, x, y))(torch.tensor([-0.3, -0.4]))
