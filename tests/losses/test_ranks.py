"""Losses over the batch that several processes hold together: value and gradient are those of one process."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from hiergeo import Lorentz, Product, Space, losses
from hiergeo.geometry import Euclidean
from tests.losses.losses_common import normal
from tests.tools import warm

ROWS, WIDTH = 12, 6
LABELS = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 4, 5])


class Model(nn.Module):
    """Two towers and what a loss learns beside them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.image, self.text = (nn.Linear(WIDTH, WIDTH, dtype=torch.float64) for _ in range(2))
        self.temperature = nn.Parameter(torch.tensor(-1.0, dtype=torch.float64))
        self.bias = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))
        self.space = Space(Product([(Lorentz(-0.7, learnable=True), 3), (Euclidean(), 3)]), "none")

    def forward(self, name: str, rows: slice) -> Tensor:
        x, y = self.image(normal(ROWS, WIDTH)[rows]), self.text(normal(ROWS, WIDTH, seed=1)[rows])
        temperature, unused = self.temperature.exp(), 0 * sum(p.sum() for p in self.parameters())
        return LOSSES[name](self.space, x, y, temperature, self.bias, LABELS[rows]) + unused


LOSSES: dict[str, Any] = {
    "contrastive": lambda space, x, y, t, b, labels: losses.contrastive_loss(space, x, y, t),
    "labelled": lambda space, x, y, t, b, labels: losses.contrastive_loss(space, x, y, t, labels),
    "cosine": lambda space, x, y, t, b, labels: losses.contrastive_loss(space, x, y, t, by="cosine"),
    "sum": lambda space, x, y, t, b, labels: losses.contrastive_loss(space, x, y, t, reduction="sum"),
    "levels": lambda space, x, y, t, b, labels: losses.contrastive_loss(space, x, y, t, labels, levels=labels // 2),
    "siglip": lambda space, x, y, t, b, labels: losses.siglip_loss(space, x, y, t, b),
    "siglip, labelled": lambda space, x, y, t, b, labels: losses.siglip_loss(space, x, y, t, b, labels, by="cosine"),
    "max_margin": lambda space, x, y, t, b, labels: losses.max_margin_loss(space, x, y, 0.7),
    "hard": lambda space, x, y, t, b, labels: hard(x, y),
    "rows": lambda space, x, y, t, b, labels: losses.contrastive_loss(space, x, y, t, labels, sides="rows"),
    "hycoclip": lambda space, x, y, t, b, labels: losses.hycoclip_loss(space, x, y, x / 2, y / 3, t, 0.0).total,
    "uncha": lambda space, x, y, t, b, labels: uncha(space, x, y, t),
}


def hard(x: Tensor, y: Tensor) -> Tensor:
    """The mined term of chains of three tiers; the other terms are a rank's own."""
    positive, negative = torch.stack((x, y, x + y), 1), torch.stack((y, x, y), 1)
    root = torch.zeros(WIDTH, dtype=torch.float64)
    return losses.re_loss(positive, negative, root, weights=(0, 0, 1), mine=losses.batch_hard_over_ranks).total


def uncha(space: Space, x: Tensor, y: Tensor, temperature: Tensor) -> Tensor:
    """Two parts of some rows, one of the others; without cones, which are a rank's own."""
    every = torch.arange(len(x))
    whole = torch.cat((every, every[x[:, 0] > 0]))
    parts = (x / 2)[whole] + (y / 5)[whole], (y / 3)[whole]
    return losses.uncha_loss(space, x, y, *parts, whole, (temperature, 0.2, 2 * temperature), 0.0).total


def measured(model: nn.Module, rows: slice) -> dict[str, dict[str, Tensor]]:
    """By loss, its value and its gradients by parameter."""
    found = {}
    for name in LOSSES:
        model.zero_grad()
        value = model(name, rows)
        value.backward()
        inner = model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model
        gradients = {key: p.grad.clone() for key, p in inner.named_parameters() if p.grad is not None}
        found[name] = {"value": value.detach()} | gradients
    return found


def work(rank: int, folder: str, ranks: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    block = ROWS // ranks
    model = nn.parallel.DistributedDataParallel(Model())
    torch.save(measured(model, slice(rank * block, (rank + 1) * block)), Path(folder) / f"{rank}.pt")
    dist.barrier()
    os._exit(0)  # the destructor of gloo joins threads that wait for the interpreter, which it holds


def test_an_upstream_gradient_that_others_read_too_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    monkeypatch.setattr(dist, "all_gather", lambda parts, x: [part.copy_(x) for part in parts])
    monkeypatch.setattr(dist, "all_reduce", lambda x: x.mul_(2))
    x, beside, upstream = torch.ones(2, 3, requires_grad=True), torch.ones(4, 3, requires_grad=True), torch.ones(4, 3)
    (losses.ranks.gathered(x, [2, 2]) + beside).backward(upstream)
    assert torch.equal(upstream, torch.ones(4, 3))
    assert beside.grad is not None
    assert torch.equal(beside.grad, torch.ones(4, 3))
    assert x.grad is not None
    assert torch.equal(x.grad, torch.full((2, 3), 2.0))


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.skipif(not dist.is_gloo_available(), reason="needs torch.distributed with gloo")
def test_processes_with_a_share_of_the_batch_give_the_losses_and_gradients_of_one(ranks: int, tmp_path: Path) -> None:
    warm.ranks(work, ranks, str(tmp_path), ranks)
    whole = measured(Model(), slice(None))
    for rank in range(ranks):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, wanted in whole.items():
            assert found[name].keys() == wanted.keys()
            for key, value in wanted.items():
                torch.testing.assert_close(found[name][key], value, rtol=1e-6, atol=1e-9, msg=f"{name}, {key}")
