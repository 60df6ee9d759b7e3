"""Arrays as the metrics take them: of the right shape, without NaN."""

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from hiergeo._core.errors import InputError, reason


def checked(name: str, values: ArrayLike, ndim: int | None = None) -> np.ndarray:
    """`values` as a non-empty float64 array of `ndim` dimensions without NaN; InputError otherwise."""
    raw = values.detach().cpu().double().numpy() if isinstance(values, Tensor) else values
    try:
        array = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be an array of numbers ({reason(error)}).") from error
    if array.size == 0:
        raise InputError(f"{name} is empty: nothing to measure.")
    if ndim is not None and array.ndim != ndim:
        raise InputError(f"{name} must have {ndim} dimension(s), not shape {array.shape}.")
    if np.isnan(array).any():
        position = tuple(int(i) for i in np.argwhere(np.isnan(array))[0])
        raise InputError(f"{name} holds {int(np.isnan(array).sum())} NaN, the first at {position}.")
    return array
