"""The prior: what a model knew is kept by staying close to its frozen self."""

from torch import Tensor

from hiergeo._numerics import compute_dtype, unit, wide
from hiergeo.losses._checks import check_embeddings, check_equal_shapes


def prior_loss(embeddings: Tensor, frozen: Tensor) -> Tensor:
    """(1 - mean cos(e_i, f_i)) / 2 in [0, 1], a 0-dim tensor; 0 where every embedding kept its direction.

    Args:
        embeddings: (..., D), of the model that is trained; need not be unit. A zero row has the cosine 0.
        frozen: (..., D), of the same inputs by the frozen model; no gradient reaches them.

    Raises:
        InputError: shapes that differ, NaN or Inf, nothing at all.

    Source: Alper and Averbuch-Elor (ECCV 2024), the embedding prior of RE fine-tuning.
    """
    check_embeddings(embeddings=embeddings, frozen=frozen)
    check_equal_shapes(embeddings=embeddings, frozen=frozen)
    cosine = (unit(wide(embeddings))[0] * unit(wide(frozen.detach()))[0]).sum(-1)
    return ((1 - cosine.mean()) / 2).to(compute_dtype(embeddings.dtype))
