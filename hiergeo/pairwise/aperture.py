"""Entailment cones: the half aperture of the cone that a point spans, a function of its radius alone."""

import math

import torch
from torch import Tensor

from hiergeo._numerics import compute_dtype, readable, wide
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
        InputError: `min_radius` that is not a positive number, a curvature that is not finite (the value of a tensor
            is not checked inside `torch.compile` and `torch.func`).

    Source: Desai et al., MERU (ICML 2023), eq. 5, after Ganea et al. (ICML 2018), eq. 26.
    """
    if readable(radius):
        as_number(curvature)
    return unchecked_aperture(radius, curvature, min_radius)


def unchecked_aperture(radius: Tensor, curvature: float | Tensor, min_radius: float) -> Tensor:
    """`half_aperture` without a look at the value of the curvature, so that nothing waits for a device."""
    check_min_radius(min_radius)
    known = torch.isfinite(radius)
    r = torch.where(known, wide(radius), 1.0)
    k = curvature.to(r) if isinstance(curvature, Tensor) else r.new_full((), curvature)
    a = r * torch.where(k == 0, 1.0, k.abs()).sqrt()
    inside = torch.where(k < 0, a < math.asinh(2 * min_radius), torch.where(k > 0, torch.sin(a), a) < 2 * min_radius)
    safe = torch.where(inside, 1.0, a)
    hyperbolic = -2 * torch.exp(-safe) / torch.expm1(-2 * safe)
    inverse_sine = torch.where(k < 0, hyperbolic, 1 / torch.where(k > 0, torch.sin(safe), safe))
    ratio = 2 * min_radius * inverse_sine
    wide_open = inside | (ratio >= 1)
    psi = torch.where(wide_open, math.pi / 2, torch.asin(torch.where(wide_open, 0.0, ratio)))
    unknown = torch.where(known, 0.0, wide(radius)).sin()  # NaN with a gradient of NaN where the radius is no number
    return torch.where(known, psi, unknown).to(compute_dtype(radius.dtype))
