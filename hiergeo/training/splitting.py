"""A validation set that shares no row, and no image, with what is trained on."""

import torch
from torch import Tensor

from hiergeo.errors import InputError
from hiergeo.training.chains import Chains


def chunks(rows: Tensor, size: int) -> list[Tensor]:
    """Rows in chunks of `size`; a single row that is left over joins the chunk before it, for it has none to be set
    against."""
    parts = list(rows.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def split_groups(chains: Chains, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Positions of training and of validation rows, int64, ascending, on the device of the chains.

    Whole groups go to one side. The split does not depend on the device.

    Args:
        chains: what is parted.
        share: of the groups, in (0, 1), that validate; at least one.
        seed: which.

    Raises:
        InputError: a share outside (0, 1), or fewer than two groups.
    """
    if not 0 < share < 1:
        raise InputError(f"the share of validation rows must be between 0 and 1, not {share:g}.")
    groups, member = torch.unique(chains.group, return_inverse=True)
    if len(groups) < 2:
        raise InputError(f"{chains.origin} describes a single image: nothing would be left to validate on.")
    count = min(len(groups) - 1, max(1, round(share * len(groups))))
    order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed)).to(groups.device)
    validates = torch.zeros(len(groups), dtype=torch.bool, device=groups.device)
    validates[order[:count]] = True
    return (~validates[member]).nonzero()[:, 0], validates[member].nonzero()[:, 0]
