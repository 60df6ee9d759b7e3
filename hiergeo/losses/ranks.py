"""The batch that the processes of `torch.distributed` hold together: embeddings travel, pairs never.

A loss is computed by each rank for its own rows against all others. Its value is that of the whole batch on every rank;
its gradient is that of the rank's share times the number of ranks, so that the mean over ranks, which
DistributedDataParallel takes, is the gradient of one process with the whole batch.
"""

from typing import Any, final

import torch
import torch.distributed as dist
from torch import Tensor


def gathers(gather: bool) -> bool:
    """Whether there are other ranks whose rows are to be met."""
    return gather and dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


@final
class _Gathered(torch.autograd.Function):
    """The rows of all ranks; gradients return to the rank that gave them, summed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, counts: list[int]) -> Tensor:
        ctx.start, ctx.count = before(counts), len(x)
        padded = x.new_zeros(max(counts), *x.shape[1:])
        padded[: len(x)] = x.detach()
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        whole = upstream[0].clone(memory_format=torch.contiguous_format)  # others may read it
        dist.all_reduce(whole)
        return whole[ctx.start : ctx.start + ctx.count], None


def counts_of(x: Tensor) -> list[int]:
    """How many rows (N, ...) each rank has."""
    mine = torch.tensor([len(x)], device=x.device)
    counts = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, mine)
    return [int(count) for count in counts]


def before(counts: list[int]) -> int:
    """How many rows the ranks before this one have."""
    return sum(counts[: dist.get_rank()])


def count() -> int:
    """How many ranks there are."""
    return dist.get_world_size()


def gathered(x: Tensor, counts: list[int]) -> Tensor:
    """The rows (N_r, ...) of all ranks one after the other, with gradients."""
    whole: Tensor = _Gathered.apply(x, counts)
    return whole


def whole(share: Tensor) -> Tensor:
    """The sum of every rank's 0-dim share; its gradient is that of this rank's share times the number of ranks."""
    total = share.detach().clone()
    dist.all_reduce(total)
    ranks = dist.get_world_size()
    return total + ranks * (share - share.detach())
