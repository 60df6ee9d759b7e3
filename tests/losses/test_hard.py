"""Batch-hard mining: by hand, with ties, and over two processes exactly as in one."""

import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from hiergeo.losses import batch_hard, batch_hard_over_ranks
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


def work(rank: int, folder: str, ranks: int) -> None:
    """One rank: its block of a batch; results go to a file."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    block = ITEMS // ranks
    rows = slice(rank * block, (rank + 1) * block)
    result: dict[str, Tensor] = {}
    for tied in (False, True):
        p, n = (t.clone().requires_grad_() for t in mined(rows, tied))
        value = batch_hard_over_ranks(p, n)
        by_p, by_n = torch.autograd.grad(value, (p, n))
        result |= {f"value {tied}": value.detach(), f"p {tied}": by_p, f"n {tied}": by_n}
    torch.save(result, Path(folder) / f"{rank}.pt")
    dist.barrier()
    os._exit(0)  # the destructor of gloo joins threads that wait for the interpreter, which it holds


@pytest.mark.slow
@pytest.mark.skipif(not dist.is_gloo_available(), reason="needs torch.distributed with gloo")
def test_two_processes_with_half_a_batch_each_mine_what_one_does(tmp_path: Path) -> None:
    warm.ranks(work, 2, str(tmp_path), 2)
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for tied in (False, True):
        p, n = (t.clone().requires_grad_() for t in mined(slice(None), tied))
        value = batch_hard(p, n)
        assert all(torch.equal(rank[f"value {tied}"], value.detach()) for rank in found)
        for name, expected in zip("pn", torch.autograd.grad(value, (p, n)), strict=True):
            assert torch.equal(torch.cat([rank[f"{name} {tied}"] for rank in found], -1) / 2, expected)
