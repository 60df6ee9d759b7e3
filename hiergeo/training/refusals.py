"""Chains that nothing can be learnt from, and chains that must not be learnt from."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hiergeo.datasets import Hierarchy, Row
from hiergeo.datasets.hierarcaps import check_no_leakage
from hiergeo.errors import InputError


def check_chains(origin: str, texts: int, positive: Tensor, negative: Tensor) -> None:
    """Raise InputError unless (n, T) `positive` and `negative` are positions among `texts` that teach something."""
    if not len(positive):
        raise InputError(f"{origin} is empty: there is no chain to train on.")
    if positive.shape != negative.shape:
        raise InputError(
            f"{origin} has positive chains of shape {tuple(positive.shape)} and negative ones of shape "
            f"{tuple(negative.shape)}: both must be (n, T)."
        )
    if positive.shape[1] < 2:
        raise InputError(
            f"{origin} has chains of {positive.shape[1]} tier: at least 2 are needed, general to specific."
        )
    both = torch.cat((positive, negative))
    if int(both.min()) < 0 or int(both.max()) >= texts:
        raise InputError(f"{origin} has chains that point beyond its {texts} texts.")
    same = (positive == negative).any(1)
    if bool(same.any()):
        raise InputError(
            f"{origin} has {int(same.sum())} rows with a negative identical to its positive (the first is row "
            f"{int(same.nonzero()[0])}, counted from 0): leave them out."
        )
    if len(torch.unique(torch.cat((positive, negative), dim=1), dim=0)) == 1 and len(positive) > 1:
        raise InputError(f"{origin} is one and the same row {len(positive)} times: there is nothing to learn.")


def leakage(training: Hierarchy | Sequence[Row], *, force: bool) -> str | None:
    """None for rows that keep off the test images of HierarCaps; where forced, the sentence that refuses them.

    Rows that name no image and cannot be compared by their captions either are let pass, with a warning.

    Args:
        training: a hierarchy, or rows with what is known of them: the number of the image in MS-COCO, the captions.
        force: say it instead of raising it.

    Raises:
        InputError: rows describe test images, and it was not forced.
    """
    try:
        check_no_leakage(training)
    except InputError as error:
        if not force:
            raise
        return str(error)
    return None
