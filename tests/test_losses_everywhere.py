"""What holds of every loss in every geometry: finite in float32, the same under rotation, gradients to what learns."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from losses_common import DIM, EVERY, PRODUCT, chains, normal, rotation
from torch import Tensor

from hiergeo import Lorentz, Space, Sphere, losses
from hiergeo.testing.strategies import embeddings

Loss = Callable[[Tensor, Tensor, Space], Tensor]

LOSSES: dict[str, Loss] = {
    "radius_order": lambda x, y, space: losses.radius_order_loss(torch.stack((x, y), -2), space),
    "entailment": losses.entailment_loss,
    "compositional": lambda x, y, space: (
        losses.compositional_entailment_loss(
            [losses.Relation("one", x, y), losses.Relation("other", y, x, losses.INTRA_MODAL)], space
        ).total
    ),
    "adaptive_entailment": losses.adaptive_entailment_loss,
    "transitivity": lambda x, y, space: losses.transitivity_loss(
        torch.stack((x, y, x.roll(1, -1), y.roll(2, -1)), -2) / 4, space, 0.5
    ),
    "contrastive": losses.contrastive_loss,
}
"""Losses of two point sets (N, D) in a space; the RE loss has a root of its own and tests of its own."""


@pytest.mark.filterwarnings("ignore:points lie beyond the equator")
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@given(embeddings(DIM, rows=8))
@settings(max_examples=20)
def test_values_and_gradients_are_finite_in_float32(loss: Loss, points: Tensor) -> None:
    """Points at the root, coincident, opposite and tiny ones."""
    for geometry in EVERY:
        x, y = (part.clone().requires_grad_() for part in points.chunk(2))
        root = torch.zeros(DIM, requires_grad=True)
        value = loss(x, y, Space(geometry, root))
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
        value = loss(x, y, space)
        torch.testing.assert_close(loss(x[order], y[order], space), value)
        if geometry is not PRODUCT and loss is not LOSSES["transitivity"]:
            torch.testing.assert_close(loss(root + (x - root) @ turn, root + (y - root) @ turn, space), value)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_gradients_reach_the_root_and_a_learnable_curvature(loss: Loss) -> None:
    (x,), (y,) = chains(1, 5, dtype=torch.float32), chains(1, 5, seed=1, dtype=torch.float32)
    for geometry in (Lorentz(-0.7, learnable=True), Sphere(0.05, learnable=True)):
        root = torch.nn.Parameter(normal(DIM, seed=2, dtype=torch.float32) / 9)
        loss(x, y, Space(geometry, root)).backward()
        assert bool((root.grad != 0).all())
        if loss is not LOSSES["radius_order"]:
            assert float(geometry.log_magnitude.grad) != 0


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("geometry", EVERY)
def test_narrow_embeddings_are_computed_in_float32(loss: Loss, geometry: torch.nn.Module) -> None:
    (x,), (y,) = chains(1, 5), chains(1, 5, seed=1)
    narrow = [t.to(torch.bfloat16) for t in (x, y)]
    space = Space(geometry)
    value = loss(*narrow, space)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), loss(*(t.double() for t in narrow), space), rtol=1e-5, atol=1e-6)


def test_losses_are_reached_by_attribute_and_by_name() -> None:
    import hiergeo

    assert hiergeo.losses is losses
    assert all(hasattr(losses, name) for name in losses.__all__)
