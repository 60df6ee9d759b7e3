"""What holds of every loss in every geometry: finite in float32, the same under rotation, gradients to what learns."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hiergeo import Lorentz, Space, Sphere, losses
from hiergeo._core.errors import InputError
from hiergeo.geometry import Geometry
from tests.losses.losses_common import DIM, EVERY, LOSSES, PRODUCT, Loss, chains, normal, rotation
from tests.tools.strategies import embeddings


@pytest.mark.filterwarnings("ignore:points lie beyond the equator")
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@given(embeddings(DIM, rows=8))
@settings(max_examples=20)
def test_values_and_gradients_are_finite_in_float32(loss: Loss, points: Tensor) -> None:
    """Points at the root, coincident, opposite and tiny ones."""
    for geometry in EVERY:
        x, y = (part.clone().requires_grad_() for part in points.chunk(2))
        root = torch.zeros(DIM, requires_grad=True)
        value = loss(Space(geometry, root), x, y)
        assert value.dtype == torch.float32
        assert value.shape == ()
        assert bool(value.isfinite())
        for gradient in torch.autograd.grad(value, (x, y, root), allow_unused=True):
            assert gradient is None or bool(gradient.isfinite().all())


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@given(st.integers(0, 2**31), st.permutations(range(5)))
@settings(max_examples=10)
def test_the_order_of_rows_and_the_orientation_do_not_matter(loss: Loss, seed: int, order: list[int]) -> None:
    (x,), (y,), root = chains(1, 5, seed), chains(1, 5, seed + 1), normal(DIM, seed=seed + 2) / 9
    turn = rotation(seed)
    for geometry in EVERY:
        space = Space(geometry, root)
        value = loss(space, x, y)
        torch.testing.assert_close(loss(space, x[order], y[order]), value)
        if geometry is not PRODUCT and loss is not LOSSES["transitivity"]:
            torch.testing.assert_close(loss(space, root + (x - root) @ turn, root + (y - root) @ turn), value)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_gradients_reach_the_root_and_a_learnable_curvature(loss: Loss) -> None:
    (x,), (y,) = chains(1, 5, dtype=torch.float32), chains(1, 5, seed=1, dtype=torch.float32)
    for geometry in (Lorentz(-0.7, learnable=True), Sphere(0.05, learnable=True)):
        (learnt,) = geometry.parameters()
        root = torch.nn.Parameter(normal(DIM, seed=2, dtype=torch.float32) / 9)
        loss(Space(geometry, root), x, y).backward()
        assert root.grad is not None
        assert bool(root.grad.all())
        if loss is not LOSSES["radius_order"]:
            assert learnt.grad is not None
            assert float(learnt.grad) != 0


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("geometry", EVERY)
def test_narrow_embeddings_are_computed_in_float32(loss: Loss, geometry: Geometry) -> None:
    (x,), (y,) = chains(1, 5), chains(1, 5, seed=1)
    narrow = [t.to(torch.bfloat16) for t in (x, y)]
    space = Space(geometry, "none")
    value = loss(space, *narrow)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), loss(space, *(t.double() for t in narrow)), rtol=1e-5, atol=1e-6)


def without_space(name: str) -> Loss:
    """The loss of that name, the prior among them."""
    return (lambda _, x, y, **o: losses.prior_loss(x, y, **o)) if name == "prior" else LOSSES[name]


@pytest.mark.parametrize("name", [*LOSSES, "prior"])
@pytest.mark.parametrize("geometry", EVERY)
def test_reductions_are_of_the_values_without_one(name: str, geometry: Geometry) -> None:
    loss, space = without_space(name), Space(geometry, normal(DIM, seed=2) / 9)
    (x,), (y,) = chains(1, 5), chains(1, 5, seed=1)
    each = loss(space, x, y, reduction="none")
    assert each.shape[0] == 5
    assert bool((each > 0).any())
    torch.testing.assert_close(loss(space, x, y, reduction="sum"), each.sum())
    torch.testing.assert_close(loss(space, x, y, reduction="mean"), each.mean())
    assert torch.equal(loss(space, x, y), loss(space, x, y, reduction="mean"))
    with pytest.raises(InputError, match="reduction"):
        loss(space, x, y, reduction="median")


@pytest.mark.parametrize("name", sorted({*LOSSES, "prior"} - {"contrastive", "max_margin"}))
@pytest.mark.parametrize("geometry", EVERY)
def test_a_row_with_nan_spoils_its_own_gradients_where_nothing_is_reduced(name: str, geometry: Geometry) -> None:
    loss, root = without_space(name), torch.nn.Parameter(normal(DIM, seed=2) / 9)
    (x,), (y,) = chains(1, 5), chains(1, 5, seed=1)
    kept, odd = [0, 2, 4], [1, 3]
    spoiled = x.clone()
    spoiled[1, 2], spoiled[3, 0] = math.nan, math.inf
    results = []
    for rows in ((spoiled, y), (x[kept], y[kept])):
        leaves = [part.clone().requires_grad_() for part in rows]
        value = loss(Space(geometry, root), *leaves, reduction="none")
        results.append((value, *torch.autograd.grad(value.sum(), (*leaves, root), allow_unused=True)))
    (value, by_x, by_y, by_root), (alone, alone_x, alone_y, _) = results
    assert bool(value.flatten(1).isnan().any(1)[odd].all() if value.ndim > 1 else value[odd].isnan().all())
    torch.testing.assert_close(value[kept], alone)
    torch.testing.assert_close(by_x[kept], alone_x)
    if by_y is not None:
        torch.testing.assert_close(by_y[kept], alone_y)
    assert by_root is None or bool(by_root.isfinite().all())
    with pytest.raises(InputError, match="NaN or Inf, first in"):
        loss(Space(geometry, root), spoiled, y)
