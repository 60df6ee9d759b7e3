r"""How good an item can be of which only a shell of radii and the largest possible cosine with the query are known.

A store gives the items of a shell that have the largest inner product with a query. Of all others in that shell two
things are known: their radius lies in [low, high], and their cosine is at most that of the last candidate, so that the
*opening* q = 1 - cos(theta) of the angle at the root is at least some q0. The functions here give the least angle,
distance or negated margin that such an item can have. If that is worse than the k-th item found so far, the shell holds
nothing that belongs in the answer.

**Angle.** With the apex at radius a and the far point at radius f (apex = query and far = item for children, the other
way round for parents), write sn, cs and tn = sn/cs as in the triangle law. For 0 < theta < pi

    cot Xi = (cs_a cos(theta) - sn_a / tn_f) / sin(theta).

*In theta:* the derivative of cot Xi has the sign of (sn_a / tn_f) cos(theta) - cs_a. Where f >= a it is never positive:
Xi grows with theta, and is least at q0. Where f < a it changes sign once, at cos(theta*) = tn_f / tn_a, where the
geodesic from the apex touches the circle of radius f: there Xi = pi - asin(sn_f / sn_a), and with q0 beyond theta* it
is least at q0 again. *In f:* 1 / tn_f falls, so Xi falls as the far point moves outwards: a child is best at `high`.
*In a:* for K <= 0 Xi grows with a by the theorem of the exterior angle, and -psi(a) does so too: a parent is best at
`low`, by angle and by margin.

**K > 0.** Where s (a + f) > pi the far point can be seen across the antipode at theta = pi, where Xi = 0: there is no
bound. Otherwise all of the above holds but the growth with a. The numerator is R cos(s a + d), whose largest values on
an interval lie at its ends, or where it equals R > 0. For a far point within the equator, tn_f > 0, and any theta the
latter does not happen inside (0, pi): a parent is best at one of the ends of the shell. For a far point beyond the
equator there is no bound. psi falls up to the equator and grows beyond it, so it is largest at one of the ends.

**Distance** grows with theta in every space. Along the ray at q0 it is least at the foot of the perpendicular from the
query, tn(foot) = tn(r) cos(theta), or at the end of the shell that is nearest to it.
"""

import math

import torch
from torch import Tensor

from hiergeo import pairwise
from hiergeo._core.polar import Polar
from hiergeo.geometry.space import By, Side
from hiergeo.pairwise import rows

ANGLE_ERROR = 2e-4
"""Radians by which an angle or margin of the engine may be wrong, of float16 directions included."""

DISTANCE_ERROR = 2e-5
"""Relative error of a distance of the engine."""

ANTIPODE = 1e-6
"""Distance to the antipode, times s, within which angles are not bounded."""


def least_cost(
    radius: Tensor,
    low: Tensor,
    high: Tensor,
    opening: Tensor,
    curvature: float,
    by: By,
    side: Side,
    min_radius: float,
) -> Tensor:
    """The least angle, distance or negated margin of any item of a shell, less the errors of the engine.

    Queries are at `radius`, the items at radii in [`low`, `high`], geodesic units, with 1 - cos of the angle between
    both at least `opening`, in [0, 2]; all broadcast. `curvature` is the signed K; `by` and `side` are as for
    `Space.topk`. Float64.
    """
    radius, low, high, opening = (part.double() for part in (radius, low, high, opening))
    if by == "distance":
        return least_distance(radius, low, high, opening, curvature) * (1 - DISTANCE_ERROR)
    if side == "children":
        angle, apex = least_angle(radius, high, opening, curvature), radius
    elif curvature > 0:
        ends = least_angle(low, radius, opening, curvature), least_angle(high, radius, opening, curvature)
        beyond = radius * math.sqrt(curvature) > math.pi / 2
        angle, apex = torch.where(beyond, 0.0, torch.minimum(*ends)), low
    else:
        angle, apex = least_angle(low, radius, opening, curvature), low
    if by == "angle":
        return angle - ANGLE_ERROR
    psi = pairwise.half_aperture(apex, curvature, min_radius)
    if side == "parents" and curvature > 0:
        psi = torch.maximum(psi, pairwise.half_aperture(high, curvature, min_radius))
    return angle - psi - ANGLE_ERROR


def least_angle(apex: Tensor, far: Tensor, opening: Tensor, curvature: float) -> Tensor:
    """The least exterior angle at radius `apex` to a point at radius `far` whose opening is at least `opening`.

    Float64 radians; arguments broadcast.
    """
    apex, far, opening = torch.broadcast_tensors(apex.double(), far.double(), opening.double())
    angle = rows.exterior_angle(_ray(apex, torch.zeros_like(opening)), _ray(far, opening), curvature)
    touching, sine = _tangent(apex, far, curvature)
    angle = torch.where(opening <= touching, math.pi - torch.asin(sine), angle)
    if curvature > 0:
        across = (apex + far) * math.sqrt(curvature) > math.pi - ANTIPODE
        angle = torch.where(across, 0.0, angle)
    return torch.where(apex == 0, 0.0, angle)


def least_distance(radius: Tensor, low: Tensor, high: Tensor, opening: Tensor, curvature: float) -> Tensor:
    """The least distance of a point at `radius` and one of radius in [low, high] whose opening is at least `opening`.

    Float64 geodesic units; arguments broadcast.
    """
    radius, low, high, opening = torch.broadcast_tensors(*(part.double() for part in (radius, low, high, opening)))
    query = _ray(radius, torch.zeros_like(opening))
    foot = torch.minimum(torch.maximum(_foot(radius, opening, curvature), low), high)
    at = torch.stack([low, high, foot])
    query = Polar(query.direction.expand(3, *query.direction.shape), query.radius.expand(3, *query.radius.shape))
    return rows.distance(query, _ray(at, opening.expand_as(at)), curvature).amin(0)


def _ray(radius: Tensor, opening: Tensor) -> Polar:
    """Points of a plane with that opening from its first axis, (..., 2) and (...)."""
    sine = (opening * (2 - opening)).sqrt()
    return Polar(torch.stack([1 - opening, sine], dim=-1), radius)


def _tangent(apex: Tensor, far: Tensor, curvature: float) -> tuple[Tensor, Tensor]:
    """The opening at which the geodesic from the apex touches the circle of radius `far`, and sn(far) / sn(apex).

    The opening is 1 - tn(far) / tn(apex) = sn(apex - far) / (sn(apex) cs(far)); -1 where the geodesic touches nothing.
    """
    inside = far < apex
    a = torch.where(inside, apex, 1.0)
    f = torch.where(inside, far, 0.0)
    if curvature == 0:
        opening, sine = (a - f) / a, f / a
    elif curvature < 0:
        s = math.sqrt(-curvature)
        shrink = -torch.expm1(-2 * s * a)
        opening = -2 * torch.exp(-2 * s * f) * torch.expm1(-2 * s * (a - f)) / (shrink * (1 + torch.exp(-2 * s * f)))
        sine = torch.exp(s * (f - a)) * -torch.expm1(-2 * s * f) / shrink
    else:
        s = math.sqrt(curvature)
        opening = torch.sin(s * (a - f)) / (torch.sin(s * a) * torch.cos(s * f))
        sine = (torch.sin(s * f) / torch.sin(s * a)).clamp(0, 1)
        inside = inside & (s * f < math.pi / 2) & (s * (a + f) < math.pi)
    return torch.where(inside, opening, -1.0), sine


def _foot(radius: Tensor, opening: Tensor, curvature: float) -> Tensor:
    """Radius of the foot of the perpendicular from a point to a ray of that opening; 0 where it is the root."""
    cosine = 1 - opening
    if curvature == 0:
        return radius * cosine.clamp_min(0)
    s = math.sqrt(abs(curvature))
    if curvature > 0:
        return torch.atan2(torch.sin(s * radius) * cosine, torch.cos(s * radius)).clamp_min(0) / s
    short = 2 * torch.exp(-2 * s * radius) / (1 + torch.exp(-2 * s * radius))  # 1 - tanh(s r)
    short = short + opening * (1 - short)
    foot = torch.log((2 - short) / short) / (2 * s)
    return torch.where(opening == 0, radius, foot.clamp_min(0))
