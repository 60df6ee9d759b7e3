"""Batch-hard mining: the two hardest triplets of a batch, of one process or of all of them."""

import torch
import torch.distributed as dist
from torch import Tensor

from hiergeo._numerics import wide


def batch_hard(positive: Tensor, negative: Tensor) -> Tensor:
    """(P + N)[argmax P] + (P + N)[argmax N], a 0-dim tensor: hardest positive and hardest negative, with mates.

    Args:
        positive: (T - 1, b), P: Xi(p_i, p_{i+1}) in tier-major order; of equal values the first counts.
        negative: (T - 1, b), N: -Xi(p_i, n_i).

    Source: Alper and Averbuch-Elor (ECCV 2024), as their training code computes it.
    """
    return _hardest(positive, negative)[0].sum()


def batch_hard_over_ranks(positive: Tensor, negative: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    """`batch_hard` of the batch that all ranks of `group` hold together, each a consecutive block of it.

    The value is the same on every rank. Its gradient exists on the ranks that own the two triplets, times the number
    of ranks: averaged over ranks, as DistributedDataParallel does, it is the gradient of a single process with the
    whole batch. (The means of the other terms need blocks of equal size for that.) Only six numbers travel. Without
    torch.distributed it is `batch_hard`. Arguments as for `batch_hard`.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return batch_hard(positive, negative)
    both, key, tier = _hardest(positive, negative)
    mine = torch.stack((wide(key), wide(both), wide(tier))).detach()
    gathered = [torch.empty_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(gathered, mine, group=group)
    keys, sums, tiers = torch.stack(gathered, dim=1)
    owner = tiers.masked_fill(keys != keys.amax(0), torch.inf).argmin(0)
    value = sums.gather(0, owner[None])[0].to(both.dtype)
    share = (owner == dist.get_rank(group)).to(both.dtype) * len(gathered)
    return (value + share * (both - both.detach())).sum()


def _hardest(positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of the largest P and of the largest N: P + N there, the value itself and the tier; each of shape (2,)."""
    sides = torch.stack((positive.flatten(), negative.flatten()))
    place = sides.argmax(-1)
    return sides.sum(0)[place], sides.gather(-1, place[:, None])[:, 0], place // positive.shape[-1]
