"""Statistics of a ranking of positives and negatives under many weights at once."""

import numpy as np
import torch
from torch import Tensor

from hiergeo.pairwise.resolver import resolve


def ranked_items(level: tuple[np.ndarray, np.ndarray], row: tuple[np.ndarray, np.ndarray]) -> Tensor:
    """The items of `PairBackend.weigh`: positives and negatives of levels, 0 being the best, and rows, (n,) each."""
    levels, items = np.concatenate(level), np.concatenate(row) * 4
    items[: len(level[0])] += 2
    order = np.argsort(levels, kind="stable")
    items = items[order] + np.append(np.diff(levels[order]) > 0, True)
    return torch.from_numpy(items.astype(np.int32))


def weighed(
    items: Tensor, positive: np.ndarray, negative: np.ndarray, *, precision: bool, chance: float
) -> np.ndarray | None:
    """The area under the ROC curve or the average precision, (samples,); None where no kernels serve the CPU.

    Args:
        items: `ranked_items`.
        positive: (samples, rows) float64, weights of the rows of positives.
        negative: (samples, rows) those of negatives, the same array where they share their rows.
        precision: whether the average precision is asked for.
        chance: the value where no pair has a weight.
    """
    own = torch.from_numpy(positive)
    other = own if negative is positive else torch.from_numpy(negative)
    values = resolve(own.device).weigh(items, own, other, precision, chance)
    return None if values is None else values.numpy()
