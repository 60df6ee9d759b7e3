"""The Radial Embedding loss, its prior and the mining of the hardest triplets of a batch."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import compute_dtype, unit, wide
from hiergeo.geometry import Euclidean, Geometry, PairLaw, Space
from hiergeo.losses._checks import (
    Reduction,
    check_chains,
    check_different,
    check_embeddings,
    check_equal_shapes,
    check_reduction,
    check_weights,
    reduced,
)


def prior_loss(embeddings: Tensor, frozen: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """(1 - cos(e_i, f_i)) / 2 in [0, 1]; 0 where the embedding kept its direction.

    Args:
        embeddings: (..., D), of the model that is trained; need not be unit. A zero row has the cosine 0.
        frozen: (..., D), of the same inputs by the frozen model; no gradient reaches them.
        reduction: "mean" or "sum" over the embeddings, or "none".

    Returns:
        A 0-dim tensor, or with "none" (...), NaN at rows that hold NaN or Inf.

    Raises:
        InputError: shapes that differ, NaN or Inf unless `reduction` is "none", nothing at all.

    Source: Alper and Averbuch-Elor (ECCV 2024), the embedding prior of RE fine-tuning.
    """
    check_reduction(reduction)
    check_embeddings(embeddings=embeddings, frozen=frozen, finite=reduction != "none")
    check_equal_shapes(embeddings=embeddings, frozen=frozen)
    cosine = (unit(wide(embeddings))[0] * unit(wide(frozen.detach()))[0]).sum(-1)
    loss = (1 - cosine.mean()) / 2 if reduction == "mean" else reduced((1 - cosine) / 2, reduction)
    return loss.to(compute_dtype(embeddings.dtype))


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
    widest = sides.argmax(-1)
    return sides.sum(0)[widest], sides.gather(-1, widest[:, None])[:, 0], widest // positive.shape[-1]


class RELoss(NamedTuple):
    """The RE loss and its terms, 0-dim tensors; terms are not weighted, and 0 where they were not computed.

    Attributes:
        total: w_prior prior + w_mean mean + w_hard hard; the one to call `backward` on.
        prior: (1 - mean cos(e, e_frozen)) / 2 over all captions, in [0, 1].
        mean: mean P + mean N, radians in [-pi, pi].
        hard: (P + N)[argmax P] + (P + N)[argmax N], radians.
    """

    total: Tensor
    prior: Tensor
    mean: Tensor
    hard: Tensor


def re_loss(
    positive: Tensor,
    negative: Tensor,
    root: Tensor,
    frozen: tuple[Tensor, Tensor] | None = None,
    weights: Sequence[float] = (10, 1, 1),
    geometry: Geometry | None = None,
    *,
    mine: Callable[[Tensor, Tensor], Tensor] = batch_hard,
) -> RELoss:
    """The RE loss of a batch of chains with negatives.

    With P = [Xi(p_i, p_{i+1})] and N = [-Xi(p_i, n_i)] for i = 0..T-2 over the batch, flattened tier-major:
    total = w_prior prior + w_mean (mean P + mean N) + w_hard ((P + N)[argmax P] + (P + N)[argmax N]).
    The last tier of the negatives enters the prior alone. A term of weight 0 is not computed.

    Args:
        positive: (b, T, d), T >= 2, the chains p_0 (general) to p_{T-1} (specific), unit as the models give them.
        negative: (b, T, d), the chains n_0 to n_{T-1} that the positives at each tier do not entail.
        root: (d,), the embedding of the empty caption; the paper computes it with gradient in the same step.
        frozen: (positive, negative) of the same captions by the frozen model, shaped alike; None is no prior term.
        weights: (prior, mean, hard), each >= 0; the paper's are the default.
        geometry: where angles are taken, around `root`; None is Euclidean space, the paper's. In a `PairLaw`, which has
            none, minus the margin stands for Xi.
        mine: what makes one number of P and N, each (T - 1, b): `batch_hard`, or `batch_hard_over_ranks` for a batch
            that is spread over processes.

    Raises:
        InputError: chains of fewer than 2 tiers, shapes that differ, NaN or Inf, a negative identical to its positive
            (the first is named), weights that are not three numbers >= 0.

    Source: Alper and Averbuch-Elor (ECCV 2024), as their training code computes it.
    """
    check_weights(weights, ("prior", "mean", "hard"))
    _check_batch(positive, negative, frozen)
    prior_weight, mean_weight, hard_weight = weights
    prior = mean = hard = torch.zeros((), dtype=compute_dtype(positive.dtype), device=positive.device)
    if mean_weight or hard_weight:
        space = Space(Euclidean() if geometry is None else geometry, root)
        if isinstance(geometry, PairLaw):
            p, n = -space.margin(positive[:, :-1], positive[:, 1:]).mT, space.margin(positive, negative)[:, :-1].mT
        else:
            p = space.exterior_angle(positive[:, :-1], positive[:, 1:]).mT
            n = -space.exterior_angle(positive[:, :-1], negative[:, :-1]).mT
        mean = p.mean() + n.mean() if mean_weight else mean
        hard = mine(p, n) if hard_weight else hard
    if frozen is not None and prior_weight:
        prior = prior_loss(torch.cat((positive, negative)), torch.cat(tuple(frozen)))
    total = prior_weight * prior + mean_weight * mean + hard_weight * hard
    return RELoss(total, prior, mean, hard)


def _check_batch(positive: Tensor, negative: Tensor, frozen: tuple[Tensor, Tensor] | None) -> None:
    chains = {"positive": positive, "negative": negative}
    if frozen is not None:
        if len(frozen) != 2:
            raise InputError(
                f"frozen must be the pair (positive, negative) of the frozen model, not {len(frozen)} items."
            )
        chains |= {"frozen[0]": frozen[0], "frozen[1]": frozen[1]}
    check_chains(chains)
    check_equal_shapes(**chains)
    if positive.ndim != 3:
        raise InputError(
            f"positive and negative must be batches of chains (b, T, d), not shape {tuple(positive.shape)}."
        )
    check_different(positive, negative)
