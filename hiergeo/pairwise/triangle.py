"""The triangle law: what (r_x, r_y, theta) determine in a space of constant curvature K, with all first derivatives.

Points x and y and the root O form a geodesic triangle; theta is its angle at O. Everything here is elementwise on
broadcast tensors and knows no geometry, only the signed curvature. With the generalised sine sn and cosine cs,

    opposite = sn_y sin(theta)        adjacent = cs_x sn_y cos(theta) - sn_x cs_y
    exterior angle at x = atan2(opposite, adjacent)        hypot(opposite, adjacent) = sn(d)

and for K < 0 both legs are divided by cs_x cs_y. The adjacent leg is the difference sn(r_y - r_x) of two points on one
ray, formed from r_y - r_x so that it does not cancel, minus sn_y cs_x (1 - cos theta). On the sphere y is
mirrored through O to its antipode first where theta > pi/2, for the same reason.

All of it is computed in float64 and rounded once.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from hiergeo._core.numerics import WAITED_FOR, largest_summed
from hiergeo.pairwise.sides import Opening, Profile

FAR = 40.0
"""Beyond s (r_x + r_y) = FAR hyperbolic distances are formed from logarithms, so that sinh cannot overflow."""

FLAT = 0.25
"""Where s r of a point is below this, its part of the derivative by K is computed by a series."""

HEIGHT = (1 / 6, 1 / 90, 1 / 945, 1 / 9450, 1 / 93555, 691 / 638512875, 2 / 18243225, 3617 / 325641566250)
"""zeta(2 n)/pi^(2 n), n = 1, 2, ...: (1 - r cs(r)/sn(r))/(2 K) = r^2/6 + K r^4/90 + ..."""


@dataclass(frozen=True)
class Partials:
    """First derivatives of a triangle quantity: by theta divided by sin(theta), by r_x, by r_y and by K."""

    theta_over_sine: Tensor
    x: Tensor
    y: Tensor
    curvature: Tensor


class Law(Protocol):
    """What quantities of a pair are made of: values and first derivatives, elementwise."""

    def exterior_angle(self) -> Tensor:
        """The exterior angle at x, in [0, pi] radians."""

    def distance(self) -> Tensor:
        """The geodesic distance of x and y, >= 0."""

    def exterior_angle_partials(self) -> Partials:
        """The derivatives of the exterior angle."""

    def distance_partials(self) -> Partials:
        """The derivatives of the distance."""


@dataclass(frozen=True)
class Triangle:
    """The triangle O-x-y, elementwise; `x` and `y` broadcast against `opening`.

    Values are rounded to `precision`, and derivatives bounded so that sums of them are finite in it.
    """

    opening: Opening
    x: Profile
    y: Profile
    curvature: float
    precision: torch.dtype

    @cached_property
    def scale(self) -> float:
        """s = sqrt(|K|)."""
        return math.sqrt(abs(self.curvature))

    @cached_property
    def sine(self) -> Tensor:
        """sin(theta) >= 0."""
        return torch.sqrt(self.opening.versine * self.opening.coversine)

    @cached_property
    def step(self) -> Tensor:
        """r_y - r_x."""
        return self.y.radius - self.x.radius

    @cached_property
    def girth(self) -> Tensor:
        """s (r_x + r_y)."""
        return self.scale * (self.x.radius + self.y.radius)

    @cached_property
    def mirrored(self) -> Tensor:
        """Where y is replaced by its antipode: on the sphere, for theta > pi/2."""
        return (self.opening.coversine < self.opening.versine) & (self.curvature > 0)

    @cached_property
    def around(self) -> Tensor:
        """sn(r_x + r_y), for K < 0 divided by cs_x cs_y; on the sphere from the nearest multiple of pi."""
        if self.curvature > 0:
            beyond = torch.minimum(self.x.gap, self.y.gap) - torch.minimum(self.x.radius, self.y.radius)
            arc = torch.where(self.girth < math.pi / 2, self.x.radius + self.y.radius, beyond)
            arc = torch.where(self.girth > 3 * math.pi / 2, -(self.x.gap + self.y.gap), arc)
            return torch.sin(self.scale * arc) / self.scale
        return self.x.sine + self.y.sine

    @cached_property
    def lead(self) -> Tensor:
        """sn(r_y - r_x), the adjacent leg of two points on one ray; where y is mirrored -sn(r_x + r_y).

        For K < 0 divided by cs_x cs_y.
        """
        if self.curvature < 0:
            span = -torch.expm1(-2 * self.scale * self.step.abs()) / self.scale
            near, far = torch.maximum(self.x.gap, self.y.gap), torch.minimum(self.x.gap, self.y.gap)
            return self.step.sign() * span * near * (1 - far / 2)
        if self.curvature == 0:
            return self.step
        return torch.where(self.mirrored, -self.around, torch.sin(self.scale * self.step) / self.scale)

    @cached_property
    def sway(self) -> Tensor:
        """cos(theta) - 1, which turns a ray away from the other; where y is mirrored cos(theta) + 1."""
        return torch.where(self.mirrored, self.opening.coversine, -self.opening.versine)

    @cached_property
    def legs(self) -> tuple[Tensor, Tensor]:
        """Opposite and adjacent leg of the exterior angle at x."""
        opposite = self.y.sine * self.x.shrink * self.sine
        return opposite, self.lead + self.y.sine * self.x.cosine * self.sway

    @cached_property
    def leg_at_y(self) -> Tensor:
        """The adjacent leg of the angle at y."""
        return torch.where(self.mirrored, -self.lead, self.lead) - self.x.sine * self.y.cosine * self.sway

    @cached_property
    def chord(self) -> Tensor:
        """sn(d), for K < 0 divided by cs_x cs_y."""
        return torch.hypot(*self.legs)

    @cached_property
    def antipodal(self) -> Tensor:
        """Where x and y are antipodes up to the roundings of `precision`."""
        tolerance = 4 * torch.finfo(self.precision).eps
        opposite = self.mirrored & ((self.girth - math.pi).abs() < 1)
        return opposite & (self.scale * self.chord <= tolerance)

    def exterior_angle(self) -> Tensor:
        """The exterior angle at x, in [0, pi] radians, with the conventions at the root, at x = y and at antipodes."""
        opposite, adjacent = self.legs
        angle = torch.atan2(opposite, torch.where(self.opening.versine == 0, self.step, adjacent))
        return torch.where(self.antipodal | (self.x.radius == 0), 0 * angle, angle).to(self.precision)

    def distance(self) -> Tensor:
        """The geodesic distance of x and y, >= 0."""
        return self._distance().to(self.precision)

    def _distance(self) -> Tensor:
        versine, coversine = self.opening
        if self.curvature == 0:
            return torch.hypot(self.step, torch.sqrt(2 * versine) * self.x.radius.sqrt() * self.y.radius.sqrt())
        a, b = self.scale * self.x.radius, self.scale * self.y.radius
        if self.curvature > 0:
            across = self.scale * (self.x.sine / 2).sqrt() * self.y.sine.sqrt()
            sine = torch.hypot(torch.sin(self.scale * self.step / 2), across * versine.sqrt())
            cosine = torch.hypot(torch.cos((a + b) / 2), across * coversine.sqrt())
            return 2 * torch.atan2(sine, cosine) / self.scale
        gap = self.scale * self.step.abs() / 2
        near = 2 * torch.asinh(torch.hypot(gap.sinh(), (versine / 2).sqrt() * a.sinh().sqrt() * b.sinh().sqrt()))
        if a.device.type in WAITED_FOR and bool((a + b <= FAR).all()):
            return near / self.scale
        radial = 2 * gap + 2 * torch.log(-torch.expm1(-2 * gap)) - math.log(4)
        angular = (a + b) + torch.log(torch.expm1(-2 * a) * torch.expm1(-2 * b)) + torch.log(versine / 8)
        log_sinh = torch.logaddexp(radial, angular) / 2
        far = torch.where(log_sinh > FAR / 2, 2 * (log_sinh + math.log(2)), 2 * torch.asinh(log_sinh.exp()))
        return torch.where(a + b <= FAR, near, far) / self.scale

    def exterior_angle_partials(self) -> Partials:
        """d Xi: by theta (sn_y/sn_d) cos(gamma), by r_x sin(Xi) cs_d/sn_d, by r_y -sin(gamma)/sn_d.

        gamma is the angle at y. 0 where the angle has a kink: at the root, on one line, at coincident points and at
        antipodes; and where a point is not a number.
        """
        opposite, _ = self.legs
        smooth = (self.sine > 0) & (self.chord > 0) & (self.x.radius > 0) & (self.y.radius > 0)
        smooth = smooth & ~self.antipodal
        chord = torch.where(smooth, self.chord, 1.0)
        sine = torch.where(smooth, self.sine, 1.0)
        sin_x, shrink = opposite / chord, self.x.shrink * self.y.shrink / chord
        to_x, to_y = self.x.sine * self.y.shrink / chord, self.y.sine * self.x.shrink / chord
        bow = self.x.bow * (self.y.sine / chord) - self.y.bow * (self.x.sine / chord)
        parts = (
            to_y * self._cosines[1] / sine,
            sin_x * self._distance_cosine / chord,
            -to_x * self.sine * shrink,
            (self.sine * shrink * bow - sin_x * self.x.radius * self._half_distance_tangent) / 2,
        )
        return self._partials(smooth, parts)

    def distance_partials(self) -> Partials:
        """d(distance): by theta sn_x sn_y sin(theta)/sn_d, by r_x -cos(Xi), by r_y cos(gamma).

        0 where x = y, by theta on one line, where tangents are 0 but for rounding, and where a point is not a number.
        """
        cos_x, cos_y = self._cosines
        by_x = torch.where(self.x.radius > 0, -cos_x, 0.0)
        by_y = torch.where(self.y.radius > 0, cos_y, 0.0)
        bent = (self.chord > 0) & (self.sine > 0)
        by_theta = torch.where(bent, self.x.sine * (self.y.sine / self.chord), 0.0)
        apart = (self.chord > 0) | ((self.step != 0) & ~self.chord.isnan())
        return self._partials(apart, (by_theta, by_x, by_y, self._distance_by_curvature()))

    def _partials(self, where: Tensor, parts: tuple[Tensor, ...]) -> Partials:
        ceiling = largest_summed(self.precision)
        by_theta, by_x, by_y, by_curvature = parts
        return Partials(
            torch.where(where, by_theta.clamp(-ceiling, ceiling), 0.0),
            torch.where(where, by_x.clamp(-ceiling, ceiling), 0.0),
            torch.where(where, by_y.clamp(-ceiling, ceiling), 0.0),
            torch.where(where, by_curvature.clamp(-ceiling, ceiling), 0.0),
        )

    @cached_property
    def _cosines(self) -> tuple[Tensor, Tensor]:
        """Cosines of the exterior angle at x and of the angle at y; on one ray exact, even where sn(d) underflows."""
        chord = torch.where(self.chord > 0, self.chord, 1.0)
        on_ray = self.opening.versine == 0
        along = self.step.sign()
        return torch.where(on_ray, along, self.legs[1] / chord), torch.where(on_ray, along, self.leg_at_y / chord)

    @cached_property
    def _distance_cosine(self) -> Tensor:
        """cs(d), for K < 0 divided by cs_x cs_y."""
        if self.curvature < 0:
            on_ray = self.x.gap + self.y.gap - self.x.gap * self.y.gap
        else:
            on_ray = torch.cos(self.scale * self.step)
        return on_ray - self.curvature * self.x.sine * self.y.sine * self.opening.versine

    @cached_property
    def _half_distance_tangent(self) -> Tensor:
        """sn(d/2)/cs(d/2)."""
        whole = self.x.shrink * self.y.shrink + self._distance_cosine
        return torch.where(whole > 0, self.chord / whole, 0.0)

    def _distance_by_curvature(self) -> Tensor:
        """-(1 - cos theta) (sn_x sn_y/sn_d) (h(r_x) - h(r_x - e) + h(r_y) - h(r_y - e)), without a sum that cancels.

        Here h(r) = (1 - r cs(r)/sn(r))/(2 K) grows with r, and e = (r_x + r_y - d)/2. It equals what homogeneity
        gives, (r_y d_y + r_x d_x - d)/(2 K): by the law of cosines that is a second divided difference of u sn(u) as
        a function of sn(u/2)^2, which the addition theorems of sn split.
        """
        chord = torch.where(self.chord > 0, self.chord, 1.0)
        rise = self.y.sine / chord * self._rise(self.x) + self.x.sine / chord * self._rise(self.y)
        return -self.opening.versine * rise

    @cached_property
    def _slack(self) -> tuple[Tensor, Tensor, Tensor]:
        """e = (r_x + r_y - d)/2 >= 0; tanh(s e) and 1 - tanh(s e), for K < 0.

        sn(e)/cs(e) = sn_x sn_y (1 + cos theta)/(sn(r_x + r_y) + sn_d).
        """
        product = self.x.sine * (self.y.sine * self.opening.coversine)
        if self.curvature > 0:
            angle = torch.atan2(self.scale * product, self.around.abs() + self.chord) / self.scale
            return torch.where(self.around > 0, angle, (self.x.radius - self.y.gap) + angle), angle, angle
        tangent = product / torch.where(self.around > 0, self.around + self.chord, 1.0)
        decay = (self._distance_cosine + self.scale * self.chord) / ((2 - self.x.gap) * (2 - self.y.gap))
        decay = decay.clamp_min(torch.finfo(decay.dtype).tiny)
        growth = self.scale * tangent * (1 + decay) / decay
        slack = torch.log1p(growth) / (2 * self.scale) if self.curvature else tangent
        return slack, self.scale * tangent, 2 * decay / (1 + decay)

    def _rise(self, point: Profile) -> Tensor:
        """sn(r) (h(r) - h(r - e)), for K < 0 divided by cs(r)."""
        slack, tangent, left = self._slack
        rest = (point.radius - slack).clamp_min(0)
        k, difference, value = self.curvature, torch.zeros_like(rest), torch.full_like(rest, HEIGHT[-1])
        for coefficient in reversed((0.0, *HEIGHT[:-1])):
            difference = difference * (k * rest.square()) + value
            value = value * (k * point.radius.square()) + coefficient
        near = point.sine * slack * (point.radius + rest) * difference
        if k == 0:
            return near
        a, e, b = self.scale * point.radius, self.scale * slack, self.scale * rest
        if k < 0:
            ratio = torch.where(b < 1e-8, 1.0, b / torch.tanh(torch.where(b < 1e-8, 1.0, b)))
            far = e - ratio * tangent * point.shrink.square() / (point.gap + left - point.gap * left)
        else:
            ratio = torch.where(torch.sin(b) > 0, b / torch.sin(b), 1.0)
            far = ratio * torch.sin(e) - e * point.cosine
        return torch.where(a < FLAT, near, far / (2 * self.scale**3))


def tangent(x: Tensor, y: Tensor, versine: Tensor, coversine: Tensor) -> Tensor:
    """y - cos(theta) x for unit rays (..., D) and (..., 1) of their opening, without cancellation at either end."""
    return torch.where(versine < coversine, (y - x) + versine * x, (y + x) - coversine * x)
