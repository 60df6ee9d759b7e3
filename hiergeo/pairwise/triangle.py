"""The triangle law: what (r_x, r_y, theta) determine in a space of constant curvature K, with all first derivatives.

Points x and y and the root O form a geodesic triangle; theta is its angle at O. Everything here is elementwise on
broadcast tensors and knows no geometry, only the signed curvature. With the generalised sine sn and cosine cs,

    opposite = sn_y sin(theta)        adjacent = cs_x sn_y cos(theta) - sn_x cs_y
    exterior angle at x = atan2(opposite, adjacent)        hypot(opposite, adjacent) = sn(d)

and for K < 0 both legs are divided by cs_x cs_y. The adjacent leg is the difference sn(r_y - r_x) of two points on one
ray, formed from r_y - r_x so that it does not cancel, minus sn_y cs_x (1 - cos theta). On the sphere y is
mirrored through O to its antipode first where theta > pi/2, for the same reason.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from hiergeo._numerics import bounded
from hiergeo.pairwise.opening import Opening
from hiergeo.pairwise.profile import Profile

FAR = 40.0
"""Beyond s (r_x + r_y) = FAR hyperbolic distances are formed from logarithms, so that sinh cannot overflow."""

FLAT = {torch.float32: 0.5, torch.float64: 0.1}
"""Where s r of both points is below this, derivatives by K are summed as series: the closed form would cancel."""

HALF_TANGENT = (1 / 24, 1 / 240, 17 / 40320, 31 / 725760, 691 / 159667200, 5461 / 12454041600)
"""(2 tan(z/2) - z) / (2 z^3) in powers of z^2."""


@dataclass(frozen=True)
class Partials:
    """First derivatives of a triangle quantity: by theta divided by sin(theta), by r_x, by r_y and by K."""

    theta_over_sine: Tensor
    x: Tensor
    y: Tensor
    curvature: Tensor


@dataclass(frozen=True)
class Triangle:
    """The triangle O-x-y, elementwise; `x` and `y` broadcast against `opening`."""

    opening: Opening
    x: Profile
    y: Profile
    curvature: float

    @cached_property
    def scale(self) -> float:
        """s = sqrt(|K|)."""
        return math.sqrt(abs(self.curvature))

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
    def lead(self) -> Tensor:
        """The adjacent leg of two points on one ray: sn(r_y - r_x), for K < 0 divided by cs_x cs_y."""
        if self.curvature < 0:
            span = -torch.expm1(-2 * self.scale * self.step.abs()) / self.scale
            near, far = torch.maximum(self.x.gap, self.y.gap), torch.minimum(self.x.gap, self.y.gap)
            return self.step.sign() * span * near * (1 - far / 2)
        if self.curvature > 0:
            beyond = torch.minimum(self.x.gap, self.y.gap) - torch.minimum(self.x.radius, self.y.radius)
            around = torch.where(self.girth < math.pi / 2, self.x.radius + self.y.radius, beyond)
            around = torch.where(self.girth > 3 * math.pi / 2, -(self.x.gap + self.y.gap), around)
            return torch.sin(self.scale * torch.where(self.mirrored, around, self.step)) / self.scale
        return self.step

    @cached_property
    def sway(self) -> Tensor:
        """1 - cos(theta), or -(1 + cos(theta)) where y is mirrored."""
        return torch.where(self.mirrored, -self.opening.coversine, self.opening.versine)

    @cached_property
    def legs(self) -> tuple[Tensor, Tensor]:
        """Opposite and adjacent leg of the exterior angle at x."""
        opposite = self.y.sine * self.x.shrink * self.opening.sine
        adjacent = torch.where(self.mirrored, -self.lead, self.lead) - self.y.sine * self.x.cosine * self.sway
        return opposite, adjacent

    @cached_property
    def chord(self) -> Tensor:
        """sn(d), for K < 0 divided by cs_x cs_y."""
        return torch.hypot(*self.legs)

    def exterior_angle(self) -> Tensor:
        """The exterior angle at x, in [0, pi] radians, with the conventions at the root, at x = y and at antipodes."""
        opposite, adjacent = self.legs
        angle = torch.atan2(opposite, torch.where(self.opening.versine == 0, self.step, adjacent))
        if self.curvature > 0:
            tiny = 4 * torch.finfo(angle.dtype).eps / self.scale
            far_apart = self.mirrored & ((self.girth - math.pi).abs() < 1)
            angle = torch.where(far_apart & (self.chord <= tiny), 0 * angle, angle)
        return torch.where(self.x.radius == 0, 0 * angle, angle)

    def distance(self) -> Tensor:
        """The geodesic distance of x and y, >= 0."""
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
        if bool((a + b <= FAR).all()):
            return near / self.scale
        radial = 2 * gap + 2 * torch.log(-torch.expm1(-2 * gap)) - math.log(4)
        angular = (a + b) + torch.log(torch.expm1(-2 * a) * torch.expm1(-2 * b)) + torch.log(versine / 8)
        log_sinh = torch.logaddexp(radial, angular) / 2
        far = torch.where(log_sinh > FAR / 2, 2 * (log_sinh + math.log(2)), 2 * torch.asinh(log_sinh.exp()))
        return torch.where(a + b <= FAR, near, far) / self.scale

    def exterior_angle_partials(self) -> Partials:
        """d Xi: by theta (sn_y/sn_d) cos(gamma), by r_x sin(Xi) cs_d/sn_d, by r_y -sin(gamma)/sn_d.

        gamma is the angle at y. 0 where the angle has a kink: at the root, on one line, at coincident points.
        """
        opposite, _ = self.legs
        smooth = (self.opening.sine > 0) & (self.chord > 0) & (self.x.radius > 0) & (self.y.radius > 0)
        chord = torch.where(smooth, self.chord, 1.0)
        sine = torch.where(smooth, self.opening.sine, 1.0)
        sin_x = opposite / chord
        to_x, to_y = self.x.sine * self.y.shrink / chord, self.y.sine * self.x.shrink / chord
        by_curvature = (
            sin_x * (to_x * (self.x.excess - self.y.excess) - self.x.radius * self._half_distance_tangent) / 2
        )
        parts = (
            to_y * self._cosines[1] / sine,
            sin_x * self._distance_cosine / chord,
            -to_x * self.opening.sine * (self.x.shrink * self.y.shrink / chord),
            by_curvature,
        )
        return Partials(*(torch.where(smooth, bounded(part), 0.0) for part in parts))

    def distance_partials(self) -> Partials:
        """d(distance): by theta sn_x sn_y sin(theta)/sn_d, by r_x -cos(Xi), by r_y cos(gamma); 0 where x = y."""
        cos_x, cos_y = self._cosines
        by_x = torch.where(self.x.radius > 0, -cos_x, 0.0)
        by_y = torch.where(self.y.radius > 0, cos_y, 0.0)
        by_theta = torch.where(self.chord > 0, self.x.sine * self.y.sine / self.chord, 0.0)
        apart = (self.chord > 0) | (self.step != 0)
        parts = (by_theta, by_x, by_y, self._distance_by_curvature())
        return Partials(*(torch.where(apart, bounded(part), 0.0) for part in parts))

    @cached_property
    def _cosines(self) -> tuple[Tensor, Tensor]:
        """Cosines of the exterior angle at x and of the angle at y; on one ray exact, even where sn(d) underflows."""
        chord = torch.where(self.chord > 0, self.chord, 1.0)
        on_ray = self.opening.versine == 0
        at_x, at_y = self.legs[1], self.lead + self.x.sine * self.y.cosine * self.sway
        return tuple(torch.where(on_ray, self.step.sign(), leg / chord) for leg in (at_x, at_y))  # type: ignore[return-value]

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
        distance = self.distance()
        cos_x, cos_y = self._cosines
        flat = torch.maximum(self.x.radius, self.y.radius) * self.scale < FLAT[distance.dtype]
        third = torch.zeros_like(distance)
        for coefficient in reversed(HALF_TANGENT):
            third = third * (self.curvature * distance.square()) + coefficient
        third = third * distance**3
        halves = sum((p.sine / p.shrink / 2).square() * 2 / (1 + _cosine(p)) for p in (self.x, self.y))
        bend = (
            self.y.excess * (self.y.sine / self.y.shrink) * cos_y
            - self.x.excess * (self.x.sine / self.x.shrink) * cos_x
        )
        near = third - halves * self._half_distance_tangent + bend / 2
        if self.curvature == 0:
            return near
        far = (self.y.radius * cos_y - self.x.radius * cos_x - distance) / (2 * self.curvature)
        return torch.where(flat, near, far)


def _cosine(point: Profile) -> Tensor:
    return point.cosine / point.shrink
