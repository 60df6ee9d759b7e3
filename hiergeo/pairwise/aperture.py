"""Entailment cones: the half aperture of the cone that a point spans, a function of its radius alone."""

import math

import torch
from torch import Tensor

from hiergeo._numerics import compute_dtype, scalar, wide
from hiergeo.pairwise.checks import as_number, check_min_radius


def half_aperture(radius: Tensor, curvature: float | Tensor, min_radius: float = 0.1) -> Tensor:
    """Half aperture psi of the entailment cone at points of the given radius.

    psi = asin(min(1, 2 k / sinh(s r))) for K < 0 (sin for K > 0), asin(min(1, 2 k / r)) for K = 0, with s = sqrt(|K|).
    It does not converge as K -> 0: k is dimensionless for K != 0 and a length at K = 0.

    Args:
        radius: any shape, geodesic units, >= 0.
        curvature: signed K, a float or 0-dim tensor.
        min_radius: k > 0; points closer to the root than about 2 k entail the whole half-space.

    Returns:
        psi in [0, pi/2] radians, the shape of `radius`; pi/2 with gradient 0 where the cone is a half-space.

    Raises:
        InputError: `min_radius` that is not a positive number.

    Source: Desai et al., MERU (ICML 2023), eq. 5, after Ganea et al. (ICML 2018), eq. 26.
    """
    check_min_radius(min_radius)
    r = wide(radius)
    r = torch.where(torch.isfinite(r), r, math.nan)
    sign = as_number(curvature)
    a = r if sign == 0 else r * scalar(curvature, r.device).to(r.dtype).abs().sqrt()
    if sign < 0:
        inside = a < math.asinh(2 * min_radius)
        safe = torch.where(inside, 1.0, a)
        ratio = -4 * min_radius * torch.exp(-safe) / torch.expm1(-2 * safe)
    elif sign > 0:
        inside = torch.sin(a) < 2 * min_radius
        ratio = 2 * min_radius / torch.sin(torch.where(inside, math.pi / 2, a))
    else:
        inside = a < 2 * min_radius
        ratio = 2 * min_radius / torch.where(inside, 1.0, a)
    wide_open = inside | (ratio >= 1)
    psi = torch.where(wide_open, math.pi / 2, torch.asin(torch.where(wide_open, 0.0, ratio)))
    return psi.to(compute_dtype(radius.dtype))
