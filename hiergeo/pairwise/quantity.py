"""Quantities of a pair: a law of the triangle each, and for those of a cone the use of its half aperture.

Some have a value in a product of spaces too, combined from those in its factors.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import methodcaller
from typing import Literal

import torch
from torch import Tensor

from hiergeo._core.errors import unknown_name
from hiergeo._core.numerics import compute_dtype, readable, wide
from hiergeo.pairwise.checks import as_number, check_min_radius
from hiergeo.pairwise.triangle import Law, Partials


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
    """`half_aperture` without a check of the value of the curvature, which would wait for the device."""
    check_min_radius(min_radius)
    finite = torch.isfinite(radius)
    r = torch.where(finite, wide(radius), 1.0)
    k = curvature.to(r) if isinstance(curvature, Tensor) else r.new_full((), curvature)
    a = r * torch.where(k == 0, 1.0, k.abs()).sqrt()
    inside = torch.where(k < 0, a < math.asinh(2 * min_radius), torch.where(k > 0, torch.sin(a), a) < 2 * min_radius)
    safe = torch.where(inside, 1.0, a)
    hyperbolic = -2 * torch.exp(-safe) / torch.expm1(-2 * safe)
    inverse_sine = torch.where(k < 0, hyperbolic, 1 / torch.where(k > 0, torch.sin(safe), safe))
    ratio = 2 * min_radius * inverse_sine
    wide_open = inside | (ratio >= 1)
    psi = torch.where(wide_open, math.pi / 2, torch.asin(torch.where(wide_open, 0.0, ratio)))
    unknown = torch.where(finite, 0.0, wide(radius)).sin()  # NaN with a NaN gradient where the radius is NaN or Inf
    return torch.where(finite, psi, unknown).to(compute_dtype(radius.dtype))


@dataclass(frozen=True)
class Cone:
    """A function of an exterior angle and the half aperture at x: its value, and its derivative by the angle.

    The derivative by the aperture is the negative of the one by the angle.
    """

    value: Callable[[Tensor, Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Quantity:
    """A function of a triangle and its first derivatives.

    Attributes:
        code: its number in the native kernels.
        law: the value on a triangle, before any cone.
        partials: the first derivatives of the law.
        cone: how the half aperture at x enters; None where it does not.
        combine: how the values in the factors of a product become one; None where a product has no such quantity.
        shares: the derivatives of that by the values in the factors, stacked.
        largest_first: whether searches order by it from the largest value down.
    """

    code: int
    law: Callable[[Law], Tensor]
    partials: Callable[[Law], Partials]
    cone: Cone | None = None
    combine: Callable[[Sequence[Tensor]], Tensor] | None = None
    shares: Callable[[Tensor], Tensor] | None = None
    largest_first: bool = False

    def value(self, triangle: Law, aperture: Tensor | None) -> Tensor:
        """The quantity of every pair of a triangle; `aperture` broadcasts against them and is None without a cone."""
        law = self.law(triangle)
        return law if self.cone is None or aperture is None else self.cone.value(law, aperture)

    def of_product(self, values: Sequence[Tensor]) -> Tensor:
        """The quantity in a product from its values in the factors; itself where there is one factor."""
        if len(values) == 1:
            return values[0]
        assert self.combine is not None, "operators refuse quantities that products do not have"
        return self.combine(values)


def combined(lengths: Sequence[Tensor], how: Literal["l1", "l2"]) -> Tensor:
    """One length from the lengths in the factors of a product: their l1 or l2 norm, without overflow or underflow.

    Args:
        lengths: tensors of one shape, >= 0, geodesic units.
        how: "l2" for the Riemannian product, "l1" for the sum.
    """
    stacked = _stacked(lengths)
    longest = stacked.detach().amax(0)
    longest = torch.where(longest > 0, longest, 1.0)
    return longest * torch.linalg.vector_norm(stacked / longest, ord=1 if how == "l1" else 2, dim=0)


def least(margins: Sequence[Tensor]) -> Tensor:
    """The smallest margin over the factors of a product: x entails y when it does in every factor."""
    return margins[0] if len(margins) == 1 else _stacked(margins).amin(0)


def _stacked(values: Sequence[Tensor]) -> Tensor:
    """The values in all factors; where one of them is NaN or Inf, none passes a gradient on."""
    stacked = torch.stack(list(values))
    return torch.where(torch.isfinite(stacked).all(0), stacked, stacked.detach())


def of_factors(quantity: Quantity, values: Sequence[Tensor], upstream: Tensor) -> list[Tensor]:
    """Gradients of `upstream` times a quantity of a product by its values in the factors; 0 where one is NaN or Inf."""
    assert quantity.shares is not None, "operators refuse quantities that products do not have"
    stacked = torch.stack(list(values))
    return list(torch.where(torch.isfinite(stacked).all(0), quantity.shares(stacked) * upstream, 0.0))


def _shares_of_length(values: Tensor) -> Tensor:
    length = combined(list(values), "l2")
    return torch.where(length > 0, values / length, 0.0)


def _shares_of_least(values: Tensor) -> Tensor:
    least_of = values == values.amin(0)
    return least_of / least_of.sum(0).clamp_min(1).to(values.dtype)


MARGIN = Cone(lambda angle, aperture: aperture - angle, lambda angle, _: torch.full_like(angle, -1.0))
ENERGY = Cone(lambda angle, aperture: (angle - aperture).clamp_min(0), lambda angle, aperture: angle > aperture)


def hinge(margin: float) -> Cone:
    """max(0, margin - energy): by how much a pair is less than `margin` radians outside the cone."""

    def slope(angle: Tensor, aperture: Tensor) -> Tensor:
        return -((angle > aperture) & (angle - aperture < margin)).to(angle.dtype)

    return Cone(lambda angle, aperture: (margin - ENERGY.value(angle, aperture)).clamp_min(0), slope)


ANGLE = methodcaller("exterior_angle"), methodcaller("exterior_angle_partials")
DISTANCE = methodcaller("distance"), methodcaller("distance_partials")

QUANTITIES = {
    "exterior_angle": Quantity(0, *ANGLE),
    "distance": Quantity(1, *DISTANCE, None, partial(combined, how="l2"), _shares_of_length),
    "cone_margin": Quantity(2, *ANGLE, MARGIN, least, _shares_of_least, True),
    "energy": Quantity(3, *ANGLE, ENERGY),
    "distance_l1": Quantity(4, *DISTANCE, None, partial(combined, how="l1"), torch.ones_like),
}
"""Every quantity by its name in the operators."""


def named(name: str) -> Quantity:
    """The quantity of that name; InputError for an unknown one."""
    if name not in QUANTITIES:
        raise unknown_name("quantity", name, QUANTITIES)
    return QUANTITIES[name]
