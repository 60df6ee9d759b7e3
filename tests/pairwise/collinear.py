"""Points on common lines through the root, and the triangle law of their pairs at 80 digits.

The law is the law of cosines and the four-part formula, which the library does not use, and derivatives are theirs.
Where a function has a kink the library documents what it takes: rays within 6e-16 rad are one ray, derivatives are 0
at coincident points and, of the exterior angle, on a line.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import mpmath
import torch
from hypothesis import strategies as st
from mpmath import mpf
from torch import Tensor

from hiergeo import Polar
from hiergeo.pairwise.interface import PairBackend
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.testing.assertions import ANGLE_MOST, DISTANCE_WORST
from hiergeo.testing.samples import bar_radii, frame, reach
from tests.pairwise.native_problems import NARROW, Problem

CURVATURES = (-4.0, -1.0, -0.25, 0.0, 0.25)
DIMS = (2, 3, 16, 48, 300)
DTYPES = ((torch.float32, torch.float64), (torch.float32, torch.float32), (torch.float64, torch.float64))
"""Of directions and radii."""

GRADIENT_WORST = 5e-6
"""Largest error of a gradient, relative to the sum of the sizes of what pairs contribute."""

DIGITS = 80
SAME_RAY = mpf(2) ** -102
RAY_ERROR = 1e-9
"""A pull along a unit ray, which is known to 1e-16, counts for so much where it is perpendicular to the tangents."""

ANTIPODE = 1e-5
"""Pairs whose distance is this close to pi/s, in units of 1/s, are near a kink of everything and are left out."""


@st.composite
def collinear_problems(draw: st.DrawFn, most: int = 6, narrow: bool = False) -> Problem:
    """Points on two lines through the root, but for angles of 1e-8 to 1e-3; those of y are gaps of 0 to 1e-2 off."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    k, dim = draw(st.sampled_from(CURVATURES)), draw(st.sampled_from(DIMS))
    of_ray, of_radius = draw(st.sampled_from([both for both in DTYPES if not narrow or both[0] in NARROW]))
    lines, radii = frame(2, dim, generator), bar_radii(k, 2, generator)[0]
    x, y = (_on_lines(draw(st.integers(1, most)), lines, radii, generator) for _ in range(2))
    y = Polar(y.direction, (y.radius * (1 + _gaps(len(y.radius), generator))).clamp_max(reach(k)))
    x, y = (Polar(p.direction[None].to(of_ray), p.radius[None].to(of_radius)) for p in (x, y))
    return Problem(x, y, k)


def _on_lines(count: int, lines: tuple[Tensor, Tensor], radii: Tensor, generator: torch.Generator) -> Polar:
    """Rays of several lengths, so that some are equal in float32 and some but for its roundings; half are reversed."""

    def one_of(*numbers: float) -> Tensor:
        return torch.tensor(numbers)[torch.randint(len(numbers), (count, 1), generator=generator)]

    turn = one_of(0, 0, 1) * 10 ** (-8 + 5 * torch.rand(count, 1, generator=generator, dtype=torch.float64))
    line = torch.randint(2, (count,), generator=generator)
    rays = (lines[0][line] + turn * lines[1][line]).float() * one_of(0.5, 1, 3) * one_of(-1, 1)
    return Polar(rays, radii[torch.randint(2, (count,), generator=generator)])


def _gaps(count: int, generator: torch.Generator) -> Tensor:
    size = 10 ** (-9 + 7 * torch.rand(count, generator=generator, dtype=torch.float64))
    return size * (torch.randint(3, (count,), generator=generator) - 1)


class Law(NamedTuple):
    """A quantity of a pair, its derivatives, and how large the numbers are that these may cancel from.

    Attributes:
        value: of the quantity.
        by: derivatives by cos(theta), r_x and r_y.
        sizes: of the derivatives by theta, r_x and r_y, less the cosines of angles that they are multiplied by.
    """

    value: mpf
    by: tuple[mpf, mpf, mpf] = (mpf(0),) * 3
    sizes: tuple[mpf, mpf, mpf] = (mpf(0),) * 3


def _sine_and_cosine(r: mpf, k: float) -> tuple[mpf, mpf]:
    s = mpmath.sqrt(abs(k))
    if k < 0:
        return mpmath.sinh(s * r) / s, mpmath.cosh(s * r)
    return (mpmath.sin(s * r) / s, mpmath.cos(s * r)) if k > 0 else (r, mpf(1))


def distance(rx: mpf, ry: mpf, cosine: mpf, k: float) -> Law:
    """By the law of cosines."""
    if rx == ry and cosine == 1:
        return Law(mpf(0))
    (sx, cx), (sy, cy) = _sine_and_cosine(rx, k), _sine_and_cosine(ry, k)
    if k == 0:
        d = mpmath.sqrt(rx * rx + ry * ry - 2 * rx * ry * cosine)
    else:
        of_d = cx * cy + k * sx * sy * cosine
        d = (mpmath.acosh(of_d) if k < 0 else mpmath.acos(of_d)) / mpmath.sqrt(abs(k))
    across, sine = mpmath.sqrt((1 - cosine) * (1 + cosine)), _sine_and_cosine(d, k)[0]
    by_radii = (sx * cy - cx * sy * cosine) / sine, (sy * cx - cy * sx * cosine) / sine
    return Law(d, (-sx * sy / sine, *by_radii), (sx * sy * across / sine, mpf(1), mpf(1)))


def exterior_angle(rx: mpf, ry: mpf, cosine: mpf, k: float) -> Law:
    """By the four-part formula: cot Xi = (cs_x cos(theta) - sn_x cs_y / sn_y) / sin(theta)."""
    (sx, cx), (sy, cy) = _sine_and_cosine(rx, k), _sine_and_cosine(ry, k)
    across, along = mpmath.sqrt((1 - cosine) * (1 + cosine)), cx * cosine - sx * cy / sy
    if across == 0:
        return Law(mpmath.pi if (rx > ry if cosine == 1 else along < 0) else mpf(0))
    square = across * across + along * along
    by_theta = (across * cx * across + along * cosine) / square
    by_x, by_y = across * (k * sx * cosine + cx * cy / sy) / square, -across * sx / (sy * sy) / square
    sizes = 1 / mpmath.sqrt(square), across / sy / square, abs(by_y)
    return Law(mpmath.atan2(across, along), (-by_theta / across, by_x, by_y), sizes)


LAWS = {"distance": distance, "exterior_angle": exterior_angle}


@dataclass(frozen=True)
class _Ray:
    numbers: list[mpf]
    norm: mpf

    @classmethod
    def of(cls, row: Tensor) -> "_Ray":
        numbers = [mpf(number) for number in row.tolist()]
        norm = mpmath.sqrt(mpmath.fdot(numbers, numbers))
        return cls([number / norm for number in numbers], norm)

    def cosine(self, other: "_Ray") -> mpf:
        cosine = mpmath.fdot(self.numbers, other.numbers)
        return mpf(1) if 1 - cosine < SAME_RAY else mpf(-1) if 1 + cosine < SAME_RAY else cosine

    def tangent(self, other: "_Ray", cosine: mpf) -> Tensor:
        """The derivative of the cosine by this direction, float64; 0 where both are on one line."""
        if abs(cosine) == 1:
            return torch.zeros(len(self.numbers), dtype=torch.float64)
        pairs = zip(self.numbers, other.numbers, strict=True)
        return torch.tensor([float((b - cosine * a) / self.norm) for a, b in pairs], dtype=torch.float64)


@dataclass(frozen=True)
class Truth:
    """A quantity of all pairs of a problem of one batch, and gradients of the sum of an upstream gradient times it.

    Attributes:
        values: (N, M) float64.
        counted: (N, M), all pairs but antipodes; the gradients are without these.
        gradients: by the directions and radii of x, then of y, float64.
        sizes: (N,), (N,), (M,), (M,): the sum of the sizes of what pairs contribute to each.
    """

    values: Tensor
    counted: Tensor
    gradients: list[Tensor]
    sizes: list[Tensor]

    @classmethod
    def of(cls, problem: Problem, quantity: str, upstream: Tensor) -> "Truth":
        """The truth of `upstream` (N, M)."""
        points = (problem.x, problem.y)
        truth = cls(
            torch.zeros_like(upstream, dtype=torch.float64),
            torch.ones_like(upstream, dtype=torch.bool),
            [torch.zeros_like(field[0], dtype=torch.float64) for point in points for field in point],
            [torch.zeros_like(point.radius[0], dtype=torch.float64) for point in points for _ in point],
        )
        with mpmath.workdps(DIGITS):
            xs, ys = (
                [(_Ray.of(u), mpf(r)) for u, r in zip(point.direction[0], point.radius[0].tolist(), strict=True)]
                for point in points
            )
            for i, (u, rx) in enumerate(xs):
                for j, (v, ry) in enumerate(ys):
                    cosine, k = u.cosine(v), problem.curvature
                    law = LAWS[quantity](rx, ry, cosine, k)
                    truth.values[i, j] = float(law.value)
                    if k > 0 and mpmath.pi - mpmath.sqrt(k) * distance(rx, ry, cosine, k).value < ANTIPODE:
                        truth.counted[i, j] = False
                        continue
                    up = float(upstream[i, j])
                    truth._add(0, i, up, law, u, u.tangent(v, cosine))
                    truth._add(2, j, up, law, v, v.tangent(u, cosine))
        return truth

    def _add(self, side: int, index: int, up: float, law: Law, ray: _Ray, tangent: Tensor) -> None:
        by_cosine, *by_radii = map(float, law.by)
        by_theta, *of_radii = (float(size) for size in law.sizes)
        self.gradients[side][index] += up * by_cosine * tangent
        self.gradients[side + 1][index] += up * by_radii[side // 2]
        of_ray = RAY_ERROR * abs(by_cosine) if bool(tangent.any()) else 0.0
        self.sizes[side][index] += abs(up) * (by_theta + of_ray) / float(ray.norm)
        self.sizes[side + 1][index] += abs(up) * max(of_radii[side // 2], abs(by_radii[side // 2]))


def on_one_line(curvature: float, whole: bool, dtype: torch.dtype = torch.float32) -> tuple[Polar, Polar]:
    """Points of one line through the root, on both sides of it; radii of equal index differ by 1e-9 of themselves.

    Directions are exact multiples of one row: by powers of two, or by any number where those of the row are whole.
    """
    generator = torch.Generator().manual_seed(int(whole))
    ray = torch.randint(-9, 9, (48,), generator=generator) if whole else torch.randn(48, generator=generator)
    multiples = torch.tensor([1.0, 3.0, -7.0, 0.75] if whole else [1.0, 1.0, -2.0, 0.5])
    directions = (multiples[:, None] * ray).to(dtype).repeat(5, 1)
    radii = reach(curvature) * torch.tensor([1e-4, 0.1, 0.4, 0.65, 1.0], dtype=torch.float64).repeat_interleave(4)
    return Polar(directions, radii), Polar(directions.roll(1, 0), radii * (1 - 1e-9))


def assert_none_turns(measure: Callable[..., Tensor], x: Polar, y: Polar, curvature: float) -> None:
    """Assert that the gradients of a measure of points on one line are exactly 0 by their directions."""
    directions = [point.direction.detach().requires_grad_() for point in (x, y)]
    points = [Polar(ray, point.radius) for ray, point in zip(directions, (x, y), strict=True)]
    value = measure(*points, curvature)
    weights = torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype, device=value.device).view_as(value)
    for gradient in torch.autograd.grad((weights * value).sum(), directions):
        assert not bool(gradient.any()), f"turned by {float(gradient.norm(dim=-1).max())}"


def nearly_on_one_line(curvature: float, turn: float, reverse: bool) -> Problem:
    """Two points of nearly equal radii, whose rays are `turn` radians apart or, reversed, from being opposite."""
    ray = torch.randn(48, generator=torch.Generator().manual_seed(0))
    ray[0] = 0
    other = 2 * ray  # of another length, whose square the first number does not change
    other[0] = turn * float(other.norm())
    radius = torch.tensor([[0.4 * reach(curvature)]], dtype=torch.float64)
    x, y = Polar(ray[None, None], radius), Polar(other[None, None] * (-1 if reverse else 1), radius * (1 + 1e-9))
    return Problem(x, y, curvature)


def assert_turned(backend: PairBackend, problem: Problem) -> None:
    """Assert that the gradients of a distance by two directions are right to a share of themselves."""
    one = torch.ones_like(problem.x.direction[..., :1])
    truth = Truth.of(problem, "distance", one[0].cpu())
    found = backend.backward(one, problem.x, problem.y, problem.curvature, QUANTITIES["distance"], None)
    for gradient, true in zip((found.ux, found.uy), truth.gradients[::2], strict=True):
        error = (gradient[0].cpu().double() - true).norm() / true.norm()
        assert float(error) <= GRADIENT_WORST


def upstreams(problem: Problem) -> Tensor:
    """An upstream gradient for every pair, (N, M), of either sign."""
    shape = problem.x.radius.shape[1], problem.y.radius.shape[1]
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def assert_true(backend: PairBackend, problem: Problem, quantity: str, truth: Truth, upstream: Tensor) -> None:
    """Assert that values and gradients of a backend are the true ones."""
    values = problem.stored(backend, quantity)[0].cpu().double()
    error, limit = (values - truth.values).abs(), torch.full_like(values, ANGLE_MOST)
    if quantity == "distance":
        limit = DISTANCE_WORST * truth.values
    assert bool((error <= limit)[truth.counted].all()), f"{quantity}: {values} for {truth.values}"
    weights = torch.where(truth.counted, upstream, 0.0)[None].to(problem.x.direction)
    gradients = backend.backward(weights, problem.x, problem.y, problem.curvature, QUANTITIES[quantity], None)
    for field, true, size in zip(gradients._fields, truth.gradients, truth.sizes, strict=False):
        error = (getattr(gradients, field)[0].cpu().double() - true).abs()
        error = error if error.ndim == 1 else error.norm(dim=-1)
        assert bool((error <= GRADIENT_WORST * size).all()), f"{quantity} by {field}: off by {error} of {size}"
