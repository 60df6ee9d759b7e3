"""Losses under `torch.func` and `torch.compile`, against central differences."""

import pytest
import torch
from torch import Tensor

from hiergeo import Lorentz, Space, losses
from hiergeo.geometry import Geometry
from tests.losses.losses_common import DIM, EVERY, LOSSES, PRODUCT, Loss, chains, normal
from tests.pairwise.functional_common import ROOT, TANGENT, X, Y, central, close


def re_loss(space: Space, x: Tensor, y: Tensor) -> Tensor:
    positive, negative = (torch.stack((part[:2], part[2:]), 1) for part in (x, y))
    frozen = torch.stack((Y[:2], X[2:]), 1), torch.stack((X[:2], Y[2:]), 1)
    assert space.root is not None
    return losses.re_loss(positive, negative, space.root, frozen, geometry=space.geometry).total


def adaptive_with_weights_at_x(space: Space, x: Tensor, y: Tensor) -> Tensor:
    """The loss whose derivative the adaptive one has: its weights are numbers without gradient."""
    apart = Space(space.geometry, ROOT).distance(X, y)
    near = (0.2 - space.radius(x)).clamp_min(0)
    return (apart / (apart + 0.1) * space.exterior_angle(x, y) + near).mean()


FUNCTIONS: dict[str, Loss] = {
    **LOSSES,
    "rows without a reduction": lambda s, x, y: losses.entailment_loss(s, x, y, reduction="none").square().sum(),
    "parents without a reduction": lambda s, x, y: (
        losses.max_margin_loss(s, x, y, 0.7, reduction="none").square().sum()
    ),
    "prior": lambda _, x, y: losses.prior_loss(x, y),
    "re": re_loss,
}
every_loss = pytest.mark.parametrize("loss", FUNCTIONS.values(), ids=FUNCTIONS)


@every_loss
@pytest.mark.parametrize("geometry", EVERY, ids=lambda geometry: geometry.spec)
def test_derivatives_of_losses(loss: Loss, geometry: Geometry) -> None:
    """By x and by the root, at points of no kink: backward and mapped."""

    def of(x: Tensor, root: Tensor) -> Tensor:
        return loss(Space(geometry, root), x, Y)

    def differenced(x: Tensor, root: Tensor) -> Tensor:
        same = adaptive_with_weights_at_x if loss is losses.adaptive_entailment_loss else loss
        return same(Space(geometry, root), x, Y)

    at, along = (X, ROOT), (TANGENT, normal(DIM, seed=4))
    step = 1e-6
    with torch.no_grad():
        ahead, behind = ([p + s * d for p, d in zip(at, along, strict=True)] for s in (step, -step))
        expected = (differenced(*ahead) - differenced(*behind)) / (2 * step)
    gradients = torch.func.grad(of, argnums=(0, 1))(*at)
    close(sum((g * d).sum() for g, d in zip(gradients, along, strict=True)), expected)
    close(torch.func.jacrev(of, argnums=1)(*at), gradients[1])
    batch = torch.stack((X, X + 0.1 * TANGENT))
    close(torch.vmap(of, in_dims=(0, None))(batch, ROOT), torch.stack([of(x, ROOT) for x in batch]))
    mapped = torch.vmap(torch.func.grad(of), in_dims=(0, None))(batch, ROOT)
    close(mapped, torch.stack([torch.func.grad(of)(x, ROOT) for x in batch]))


@pytest.mark.slow
@every_loss
@pytest.mark.parametrize("geometry", [Lorentz(-0.7, learnable=True), PRODUCT], ids=lambda geometry: geometry.spec)
def test_losses_compile_without_breaks(loss: Loss, geometry: Geometry) -> None:
    space = Space(geometry, torch.nn.Parameter(ROOT.clone()))
    torch.compiler.reset()
    results = []
    for run in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        x = X.clone().requires_grad_()
        learnt = [x, *space.parameters()]
        value = run(space, x, Y)
        results.append([value, *torch.autograd.grad(value, learnt, allow_unused=True)])
    for one, other in zip(*results, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            close(one, other)


def test_a_learnt_temperature_compiles() -> None:
    space, (x,), (y,) = Space(Lorentz(-0.7), "none"), chains(1, 5), chains(1, 5, seed=1)

    def of(t: Tensor) -> Tensor:
        return losses.contrastive_loss(space, x, y, t.exp())

    t = torch.tensor(-0.4, dtype=torch.float64)
    expected = central(of, t, torch.ones_like(t))
    close(torch.func.grad(of)(t), expected)
    torch.compiler.reset()
    close(torch.compile(torch.func.grad(of), fullgraph=True, backend="aot_eager")(t), expected)
