"""An independent float64 oracle of the triangle law, for tests: other formulas than the library's, and slower ones.

Angles come from Napier's analogies, distances from ambient coordinates (the flat space, the unit sphere of one more
dimension, the Poincare ball). Row by row; directions broadcast.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from hiergeo._core.polar import Polar


def opening(x: Polar, y: Polar) -> Tensor:
    """The angle theta at the root in [0, pi], 2 atan2(|u - v|, |u + v|) of the renormalised float64 directions."""
    u, v = _unit(x), _unit(y)
    return 2 * torch.atan2(torch.linalg.vector_norm(u - v, dim=-1), torch.linalg.vector_norm(u + v, dim=-1))


def exterior_angle(x: Polar, y: Polar, curvature: float) -> Tensor:
    """Exterior angle at x in [0, pi], float64, with the conventions at the root, at x = y and at antipodes.

    Napier: the interior angles A at x and B at y, opposite to the sides a = r_y and b = r_x, obey
    tan (A + B)/2 = cot(theta/2) cs((a - b)/2) / cs((a + b)/2),
    tan (A - B)/2 = cot(theta/2) sn((a - b)/2) / sn((a + b)/2).
    """
    theta, rx, ry = opening(x, y), x.radius.double(), y.radius.double()
    half, s = theta / 2, math.sqrt(abs(curvature))
    less, more = s * (ry - rx) / 2, s * (rx + ry) / 2
    if curvature > 0:
        total = torch.atan2(torch.cos(half) * torch.cos(less), torch.sin(half) * torch.cos(more))
        difference = torch.atan2(torch.cos(half) * torch.sin(less), torch.sin(half) * torch.sin(more))
    elif curvature < 0:
        total = torch.atan2(torch.cos(half) * _ratio(less, more, 1), torch.sin(half))
        difference = torch.atan2(torch.cos(half) * _ratio(less, more, -1), torch.sin(half))
    else:
        total = math.pi / 2 - half
        difference = torch.atan2(torch.cos(half) * (ry - rx), torch.sin(half) * (rx + ry))
    angle = math.pi - total - difference
    same = (theta == 0) & (rx == ry)
    antipodal = (curvature > 0) & ((math.pi - theta).abs() < 1e-6) & ((2 * more - math.pi).abs() < 1e-6)
    angle = torch.where((rx > 0) & (ry == 0), math.pi, angle)
    return torch.where((rx == 0) | same | antipodal, 0.0, angle)


def distance(x: Polar, y: Polar, curvature: float) -> Tensor:
    """Geodesic distance, float64, from ambient coordinates. Good for s r <= 30 where K < 0."""
    u, v, rx, ry = _unit(x), _unit(y), x.radius.double().unsqueeze(-1), y.radius.double().unsqueeze(-1)
    if curvature == 0:
        return torch.linalg.vector_norm(rx * u - ry * v, dim=-1)
    s = math.sqrt(abs(curvature))
    a, b = s * rx, s * ry
    if curvature > 0:
        p, q = torch.cat((torch.cos(a), torch.sin(a) * u), -1), torch.cat((torch.cos(b), torch.sin(b) * v), -1)
        return 2 * torch.atan2(torch.linalg.vector_norm(p - q, dim=-1), torch.linalg.vector_norm(p + q, dim=-1)) / s
    apart = torch.linalg.vector_norm(torch.tanh(a / 2) * u - torch.tanh(b / 2) * v, dim=-1)
    return 2 * torch.asinh(apart * (torch.cosh(a / 2) * torch.cosh(b / 2)).squeeze(-1)) / s


def half_aperture(radius: Tensor, curvature: float, min_radius: float = 0.1) -> Tensor:
    """Half aperture of the cone in [0, pi/2], float64."""
    r = radius.double()
    s = math.sqrt(abs(curvature))
    sine = torch.sin(s * r).clamp_min(0) if curvature > 0 else torch.sinh((s * r).clamp_max(700)) if curvature else r
    return torch.asin((2 * min_radius / sine).clamp(max=1.0))


def margin(x: Polar, y: Polar, curvature: float, min_radius: float = 0.1) -> Tensor:
    """Cone margin psi(x) - Xi(x, y), float64."""
    return half_aperture(x.radius, curvature, min_radius) - exterior_angle(x, y, curvature)


def every_pair(measure: Callable[..., Tensor], x: Polar, y: Polar, *arguments: float) -> Tensor:
    """`measure(x_i, y_j, *arguments)` of all pairs, (N), (M) -> (N, M), one row at a time to spare memory."""
    rows = [measure(Polar(x.direction[i, None], x.radius[i, None]), y, *arguments) for i in range(len(x.radius))]
    return torch.stack(rows) if rows else torch.empty(0, len(y.radius), dtype=torch.float64)


def _unit(point: Polar) -> Tensor:
    u = point.direction.double()
    norm = torch.linalg.vector_norm(u, dim=-1, keepdim=True)
    return u / torch.where(norm == 0, 1.0, norm)


def _ratio(p: Tensor, q: Tensor, sign: int) -> Tensor:
    """cosh(p) / cosh(q) for sign 1 and sinh(p) / sinh(q) for sign -1, |p| <= q, without overflow."""
    top, bottom = (1 + torch.exp(-2 * t) if sign > 0 else -torch.expm1(-2 * t) for t in (p.abs(), q))
    ratio = torch.exp(p.abs() - q) * top / torch.where(bottom == 0, 1.0, bottom)
    return ratio if sign > 0 else ratio * p.sign()
