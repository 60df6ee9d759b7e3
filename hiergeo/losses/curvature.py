"""Keep learnable curvatures within bounds: a projection after each optimiser step."""

import torch
from torch import nn

from hiergeo._core.errors import InputError
from hiergeo.geometry import Curved

LEAST, MOST = 0.1, 10.0
"""The default bounds of |K|."""

ROUNDING = 1e-6
"""The relative rounding of a bound in float32."""


def check_curvature(module: nn.Module, least: float = LEAST, most: float = MOST) -> None:
    """Raise InputError for a learnable curvature that starts outside the bounds of `clamp_curvature`."""
    for part in module.modules():
        if not isinstance(part, Curved) or part.log_magnitude is None:
            continue
        if not least * (1 - ROUNDING) <= abs(part.value) <= most * (1 + ROUNDING):
            raise InputError(f"a learnable |K| must begin within [{least:g}, {most:g}], unlike that of {part.spec}.")


def clamp_curvature(module: nn.Module, least: float = LEAST, most: float = MOST) -> tuple[float, ...]:
    """Clamp the magnitude of every learnable curvature in `module` to [least, most], in place.

    Call it after each optimiser step. The logarithm of |K| is the parameter and is projected in place, so that its
    gradient does not vanish at a bound. A curvature that stays at `least` means that the data prefer a flat space.

    Args:
        module: a geometry, product, space or model that holds some; each learnable one counts once.
        least: > 0, the smallest |K|; MERU's, for a start at 1, is the default.
        most: >= `least`, the largest |K|.

    Returns:
        The signed K of every learnable curvature, in the order of `module.modules()`; empty where there is none.

    Raises:
        InputError: bounds that are not 0 < least <= most < inf.

    Source: Desai et al., MERU (ICML 2023).
    """
    if not 0 < least <= most < float("inf"):
        raise InputError(f"the bounds of a curvature must be 0 < least <= most, not {least} and {most}.")
    curved = ((part, part.log_magnitude) for part in module.modules() if isinstance(part, Curved))
    learnt = [(part, magnitude) for part, magnitude in curved if magnitude is not None]
    with torch.no_grad():
        low, high = torch.tensor([least, most], dtype=torch.float32).log().tolist()
        for _, magnitude in learnt:
            magnitude.clamp_(low, high)
    return tuple(part.value for part, _ in learnt)
