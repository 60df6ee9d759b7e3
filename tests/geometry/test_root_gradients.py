"""Gradients of a root of 16 bits: what all points contribute is summed in float64 and rounded once."""

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hiergeo import Space, losses

GEOMETRIES = ("euclidean", "lorentz:-1", "sphere:0.3", "product:lorentz:-1x16,euclidean:x16")
DTYPES = (torch.bfloat16, torch.float16)

Loss = Callable[[Space, Tensor, Tensor], Tensor]


def embeddings(dtype: torch.dtype, count: int = 300) -> tuple[Tensor, Tensor, Tensor]:
    """x and y (count, 32) and a root of the dtype."""
    generator = torch.Generator().manual_seed(0)
    x, y = (0.3 * torch.randn(count, 32, generator=generator) for _ in range(2))
    return x.to(dtype), (x + 0.1 * y).to(dtype), (0.05 * torch.randn(32, generator=generator)).to(dtype)


def radii(space: Space, x: Tensor, y: Tensor) -> Tensor:
    return (space.radius(x) - space.radius(y)).sum()


def measured(space: Space, x: Tensor, y: Tensor) -> Tensor:
    return (space.exterior_angle(x, y) if len(space.points(x).factors) == 1 else space.distance(x, y)).sum()


def contrasted(space: Space, x: Tensor, y: Tensor) -> Tensor:
    return losses.contrastive_loss(space, x, y) + losses.entailment_loss(space, x, y)


def by_root(loss: Loss, spec: str, x: Tensor, y: Tensor, root: Tensor) -> Tensor:
    root = root.clone().requires_grad_()
    loss(Space(spec, root), x, y).backward()
    assert root.grad is not None
    return root.grad


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", GEOMETRIES)
@pytest.mark.parametrize("loss", [radii, measured, contrasted])
def test_gradients_of_a_root_are_rounded_once(loss: Loss, spec: str, dtype: torch.dtype) -> None:
    x, y, root = embeddings(dtype)
    exact = by_root(loss, spec, *(part.double() for part in (x, y, root)))
    error = (by_root(loss, spec, x, y, root).double() - exact).abs()
    assert bool((error <= torch.finfo(dtype).eps / 2 * exact.abs() + 2e-6 * exact.abs().max()).all())


@pytest.mark.parametrize("dtype", DTYPES)
def test_contributions_that_cancel_leave_nothing(dtype: torch.dtype) -> None:
    """Flat distances do not depend on the root, though every row does."""
    x, y, root = embeddings(dtype, count=9_000)
    one = by_root(lambda space, x, _: space.radius(x).sum(), "euclidean", x, y, root)
    both = by_root(lambda space, x, y: space.distance(x, y).sum(), "euclidean", x, y, root)
    assert float(both.abs().max()) < 1e-5 * float(one.abs().max())


def test_a_root_is_read_as_it_is_now() -> None:
    """After writes that torch does not count, in copies, and without gradients."""
    x, y, root = embeddings(torch.bfloat16)
    space = Space("lorentz:-1", torch.nn.Parameter(root.clone()))
    measured(space, x, y).backward()
    space.root.data.mul_(2)
    moved = Space("lorentz:-1", 2 * root)
    for other in (space, copy.deepcopy(space), pickle.loads(pickle.dumps(space)), space.to(torch.float64)):
        loss = measured(other, x, y)
        torch.testing.assert_close(loss, measured(moved, x, y))
        other.zero_grad()
        loss.backward()
        assert other.root.grad is not None
    with torch.no_grad():
        assert not measured(space, x, y).requires_grad


def test_a_root_that_is_written_to_in_place_passes_its_gradient_on() -> None:
    x, y, root = embeddings(torch.bfloat16)
    start = root.clone().requires_grad_()
    moving = start.clone()
    space = Space("lorentz:-1", moving)
    radii(space, x, y)
    moving.mul_(2)
    radii(space, x, y).backward()
    assert start.grad is not None
    assert torch.equal(start.grad, 2 * by_root(radii, "lorentz:-1", x, y, 2 * root))


def test_gradients_of_several_losses_add_up() -> None:
    x, y, root = embeddings(torch.bfloat16)
    space = Space("lorentz:-1", torch.nn.Parameter(root.clone()))
    for _ in range(2):
        radii(space, x, y).backward()
    assert space.root is not None
    assert space.root.grad is not None
    assert torch.equal(space.root.grad, 2 * by_root(radii, "lorentz:-1", x, y, root))
