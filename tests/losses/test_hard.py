"""Batch-hard mining: by hand, with ties, and over two processes exactly as in one."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from hiergeo.losses import batch_hard, batch_hard_over_ranks, re_loss
from tests.losses.losses_common import DIM, chains
from tests.tools import warm

ITEMS = 6


def test_by_hand() -> None:
    """The largest P is 3 at (1, 0), whose N is -2; the largest N is -0.5 at (0, 1), whose P is 1."""
    positive = torch.tensor([[2.0, 1.0], [3.0, 0.0]], requires_grad=True)
    negative = torch.tensor([[-1.0, -0.5], [-2.0, -3.0]], requires_grad=True)
    value = batch_hard(positive, negative)
    assert float(value.detach()) == (3 - 2) + (1 - 0.5)
    for gradient in torch.autograd.grad(value, (positive, negative)):
        assert gradient.tolist() == [[0, 1], [1, 0]]


def test_one_triplet_may_be_both_and_counts_twice() -> None:
    positive = torch.tensor([[2.0, 1.0]], requires_grad=True)
    value = batch_hard(positive, torch.tensor([[-1.0, -1.5]]))
    assert float(value.detach()) == 2
    assert torch.autograd.grad(value, positive)[0].tolist() == [[2, 0]]


def test_of_equal_values_the_first_in_tier_major_order_counts() -> None:
    positive = torch.tensor([[1.0, 3.0, 0.0], [3.0, 0.0, 3.0]])
    negative = torch.tensor([[-9.0, -4.0, -1.0], [-5.0, -1.0, -6.0]])
    assert float(batch_hard(positive, negative)) == (3 - 4) + (0 - 1)


def test_without_processes_it_is_that_of_the_one_there_is() -> None:
    positive, negative = torch.rand(2, 3, 5)
    assert torch.equal(batch_hard_over_ranks(positive, -negative), batch_hard(positive, -negative))


def mined(rows: slice, tied: bool) -> tuple[Tensor, Tensor]:
    """Columns `rows` of P and N (3, ITEMS); when `tied`, their largest values occur in every block and tier."""
    generator = torch.Generator().manual_seed(4)
    positive, negative = (torch.rand(3, ITEMS, generator=generator, dtype=torch.float64) for _ in range(2))
    if tied:
        positive[1:, 1::2], negative[2, :] = 2.0, 1.0
        positive[0, -1], negative[1, -2:] = 2.0, 1.0
    return positive[:, rows], negative[:, rows]


def model_loss(model: nn.Module, rows: slice, mine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The RE loss of the items `rows` of one fixed batch, embedded by `model`."""
    batch = [chains(ITEMS, 4, seed) for seed in range(4)]
    positive, negative, *frozen = (chain[rows] for chain in batch)
    root = torch.zeros(1, DIM, dtype=torch.float64)
    embedded = model(torch.cat((positive.reshape(-1, DIM), negative.reshape(-1, DIM), root)))
    count = positive.numel() // DIM
    p, n = embedded[:count].view_as(positive), embedded[count:-1].view_as(negative)
    return re_loss(p, n, embedded[-1], (frozen[0], frozen[1]), weights=(10, 1, 3), mine=mine).total


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(DIM, DIM, dtype=torch.float64)


def gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad


def work(rank: int, folder: str, ranks: int) -> None:
    """One rank: its block of a batch, its gradients averaged by DistributedDataParallel; results go to a file."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    block = ITEMS // ranks
    rows = slice(rank * block, (rank + 1) * block)
    model = nn.parallel.DistributedDataParallel(linear())
    loss = model_loss(model, rows, batch_hard_over_ranks)
    loss.backward()
    mean = loss.detach().clone()
    dist.all_reduce(mean)
    result: dict[str, Tensor] = {name: p.grad for name, p in model.module.named_parameters()}
    result["loss"] = mean / ranks
    for tied in (False, True):
        p, n = (t.clone().requires_grad_() for t in mined(rows, tied))
        value = batch_hard_over_ranks(p, n)
        value.backward()
        result |= {f"value {tied}": value.detach(), f"p {tied}": gradient(p), f"n {tied}": gradient(n)}
    torch.save(result, Path(folder) / f"{rank}.pt")
    dist.barrier()
    os._exit(0)  # the destructor of gloo joins threads that wait for the interpreter, which it holds


@pytest.mark.slow
@pytest.mark.skipif(not dist.is_gloo_available(), reason="needs torch.distributed with gloo")
def test_two_processes_with_half_a_batch_each_give_the_losses_and_gradients_of_one(tmp_path: Path) -> None:
    warm.ranks(work, 2, str(tmp_path), 2)
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    model, whole = linear(), slice(None)
    loss = model_loss(model, whole, batch_hard)
    loss.backward()
    for rank in found:
        torch.testing.assert_close(rank["loss"], loss.detach(), rtol=1e-13, atol=0)
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(rank[name], parameter.grad, rtol=1e-11, atol=1e-13)
    for tied in (False, True):
        p, n = (t.clone().requires_grad_() for t in mined(whole, tied))
        value = batch_hard(p, n)
        value.backward()
        assert all(torch.equal(rank[f"value {tied}"], value.detach()) for rank in found)
        for name, tensor in (("p", p), ("n", n)):
            assert torch.equal(torch.cat([rank[f"{name} {tied}"] for rank in found], -1) / 2, gradient(tensor))
