"""The numerics contract on embeddings, float32: points that a space lifts itself, from far apart to equal.

The oracle reads the same float32 numbers in float64 and forms every small quantity from the difference of the two
embeddings, with formulas of its own.
"""

import math
from contextlib import AbstractContextManager
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from hiergeo import Product, Space, pairwise
from hiergeo.geometry import Euclidean, Lorentz
from tests.pairwise.native_problems import MISSING, at, levels

CURVATURES = (-4.0, -1.0, -0.25, 0.0, 0.25)
GAPS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""|x - y|; embeddings have the length 1 and the root 0.9."""

COUNT, BLOCK = 1_000, 100


class Truth(NamedTuple):
    distance: Tensor
    angle: Tensor


def spec(curvature: float) -> str:
    return "euclidean" if curvature == 0 else f"{'lorentz' if curvature < 0 else 'sphere'}:{curvature}"


def truth(x: Tensor, y: Tensor, root: Tensor, curvature: float) -> Truth:
    """By the half angle: 4 r_x r_y sin^2(theta/2) = |w|^2 - (r_x - r_y)^2 with w = y - x."""
    x, y, root = (part.double() for part in (x, y, root))
    v, u, w = x - root, y - root, y - x
    r, q = v.norm(dim=-1), u.norm(dim=-1)
    step = (w * (v + u)).sum(-1) / (r + q)
    half = ((w.square().sum(-1) - step.square()).clamp_min(0) / (4 * r * q)).sqrt()
    s = math.sqrt(abs(curvature))

    def sn(t: Tensor) -> Tensor:
        return t if curvature == 0 else torch.sinh(s * t) / s if curvature < 0 else torch.sin(s * t) / s

    def cs(t: Tensor) -> Tensor:
        return torch.ones_like(t) if curvature == 0 else torch.cosh(s * t) if curvature < 0 else torch.cos(s * t)

    chord = torch.hypot(sn(step / 2), (sn(r) * sn(q)).sqrt() * half)
    distance = 2 * chord
    if curvature:
        distance = 2 * (torch.asinh(s * chord) if curvature < 0 else torch.asin(s * chord)) / s
    opposite = sn(q) * 2 * half * (1 - half.square()).sqrt()
    adjacent = sn(step) - 2 * sn(q) * cs(r) * half.square()
    return Truth(distance, torch.atan2(opposite, adjacent))


def drawn(gap: float, dim: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ways = [torch.nn.functional.normalize(torch.randn(COUNT, dim, generator=generator), dim=-1) for _ in range(2)]
    root = torch.nn.functional.normalize(torch.randn(dim, generator=generator), dim=0) * 0.9
    return ways[0], ways[0] + gap * ways[1], root


def assert_bars(distance: Tensor, angle: Tensor, exact: Truth) -> None:
    assert distance.dtype == angle.dtype == torch.float32
    relative = (distance.double() - exact.distance).abs() / exact.distance
    off = (angle.double() - exact.angle).abs()
    assert float(relative.max()) <= 1e-5
    assert float(off.kthvalue(math.ceil(0.999 * len(off))).values) <= 5e-6
    assert float(off.max()) <= 1e-4


def backends() -> list[str]:
    return ["reference", *(levels() if MISSING is None else ())]


def on(name: str) -> AbstractContextManager[object]:
    return pairwise.backend(native=False) if name == "reference" else at(name)


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("dim", [48, pytest.param(512, marks=pytest.mark.slow)])
@pytest.mark.parametrize("curvature", CURVATURES)
def test_row_by_row(curvature: float, dim: int, gap: float) -> None:
    x, y, root = drawn(gap, dim)
    space = Space(spec(curvature), root)
    assert_bars(space.distance(x, y), space.exterior_angle(x, y), truth(x, y, root, curvature))


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("dim", [48, pytest.param(512, marks=pytest.mark.slow)])
@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("backend", backends())
def test_every_pair(backend: str, curvature: float, dim: int, gap: float) -> None:
    x, y, root = drawn(gap, dim)
    space = Space(spec(curvature), root)
    with on(backend):
        blocks = list(zip(map(space.points, x.split(BLOCK)), map(space.points, y.split(BLOCK)), strict=True))
        distance, angle = (
            torch.cat([measure(*block).diagonal() for block in blocks])
            for measure in (space.pairwise_distance, space.pairwise_exterior_angle)
        )
    assert_bars(distance, angle, truth(x, y, root, curvature))


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize("curvature", CURVATURES)
def test_equal_embeddings_have_no_distance(curvature: float, backend: str) -> None:
    x, _, root = drawn(1.0, 48)
    space = Space(spec(curvature), root)
    with on(backend):
        assert bool((space.pairwise_distance(x[:BLOCK], x[:BLOCK].clone()).diagonal() == 0).all())
        assert bool((space.distance(x, x.clone()) == 0).all())


def largest_errors(curvature: float, gap: float, device: str, pairs: bool = True, dim: int = 48) -> list[float]:
    """Of distances and angles, of every pair or row by row, and of the gradients of both, relative to their norms."""
    x, y, root = drawn(gap, dim)
    wide_x, wide_y = wide = [part[:BLOCK].double().requires_grad_() for part in (x, y)]
    narrow = [part[:BLOCK].to(device, copy=True).requires_grad_() for part in (x, y)]
    space, off, gradients = Space(spec(curvature), root.to(device)), [], []
    for name, exact in truth(wide_x, wide_y, root, curvature)._asdict().items():
        verb = "distance" if name == "distance" else "exterior_angle"
        values = getattr(space, f"pairwise_{verb}")(*narrow).diagonal() if pairs else getattr(space, verb)(*narrow)
        off.append(float(((values.cpu().double() - exact).abs() / (exact if name == "distance" else 1)).detach().max()))
        wanted = torch.autograd.grad(exact.sum(), wide, retain_graph=True)
        for got, want in zip(torch.autograd.grad(values.sum(), narrow), wanted, strict=True):
            gradients.append(float(((got.cpu().double() - want).norm(dim=-1) / want.norm(dim=-1)).max()))
    return [*off, *gradients]


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("curvature", CURVATURES)
def test_gradients(curvature: float, gap: float, backend: str) -> None:
    """Of distances and angles by both embeddings, against autograd through the oracle."""
    for pairs in (False, True):
        with on(backend):
            _, _, *gradients = largest_errors(curvature, gap, "cpu", pairs)
        assert max(gradients) <= 1e-4


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize("curvature", CURVATURES)
def test_searches_find_near_points_in_their_order(curvature: float, backend: str) -> None:
    """Each query has eight neighbours at distances that differ by 2e-3 of themselves, around 1e-5."""
    generator = torch.Generator().manual_seed(3)
    x, _, root = drawn(1.0, 48)
    x = x[:20]
    ways = torch.nn.functional.normalize(torch.randn(20, 8, 48, generator=generator), dim=-1)
    y = (x[:, None] + 1e-5 * (1 + 2e-3 * torch.arange(8)[:, None]) * ways).flatten(0, 1)
    every = torch.stack([truth(x[i].expand_as(y), y, root, curvature).distance for i in range(20)])
    space = Space(spec(curvature), root)
    with on(backend):
        values, indices = space.topk(x, y, 8)
        ranks = space.rank(x, y, every.argmin(-1))
        within = space.count_within(x, y, every.sort(-1).values[:, 3:5].mean(-1))
    assert torch.equal(indices, every.argsort(-1)[:, :8])
    torch.testing.assert_close(values.double(), every.gather(1, indices), rtol=1e-5, atol=0)
    assert bool((ranks == 0).all())
    assert bool((within == 4).all())


@pytest.mark.parametrize("backend", backends())
def test_products(backend: str) -> None:
    x, y, root = drawn(1e-5, 48)
    space = Space(Product([(Lorentz(-1), 24), (Euclidean(), 24)]), root)
    parts = [truth(x[:, part], y[:, part], root[part], k) for part, k in ((slice(0, 24), -1.0), (slice(24, 48), 0.0))]
    exact = torch.hypot(parts[0].distance, parts[1].distance)
    with on(backend):
        pairs = space.pairwise_distance(x[:BLOCK], y[:BLOCK]).diagonal()
    for found, wanted in ((space.distance(x, y), exact), (pairs, exact[:BLOCK])):
        torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_embeddings_of_16_bits(dtype: torch.dtype) -> None:
    x, y, root = drawn(1e-1, 48)
    x, y = x.to(dtype), y.to(dtype)
    space = Space("lorentz:-1", root)
    assert_bars(space.distance(x, y), space.exterior_angle(x, y), truth(x, y, root, -1.0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("geometry", ["euclidean", "lorentz:-1", "sphere:1", "poincare:-1"])
def test_gradients_of_16_bits_are_finite(geometry: str, dtype: torch.dtype) -> None:
    y = (torch.tensor([0.0, 0.6, 0.8]) * 0.7).to(dtype)
    for radius in (1e-6, 1e-5, 1e-3):
        x = (torch.tensor([0.6, 0.8, 0.0]) * radius).to(dtype).requires_grad_()
        root = torch.zeros(3, dtype=dtype).requires_grad_()
        for space, wanted in ((Space(geometry, "none"), x), (Space(geometry, root), root)):
            for measure in (space.exterior_angle, space.distance, space.margin):
                (gradient,) = torch.autograd.grad(measure(x[None], y[None]).sum(), wanted)
                assert bool(gradient.isfinite().all())


def test_points_of_other_roots_are_measured_on_their_rays() -> None:
    x, y, root = drawn(1e-3, 48)
    first, second = Space("euclidean", root), Space("euclidean", root.clone())
    mixed = first.distance(first.points(x), second.points(y))
    torch.testing.assert_close(mixed, first.distance(x, y), rtol=1e-3, atol=0)
    assert bool((mixed > 0).all())


@pytest.mark.parametrize("part", [None, slice(0, 40), torch.arange(40)])
@pytest.mark.parametrize("backend", backends())
def test_points_stay_where_they_are_when_their_embeddings_are_written_to(
    backend: str, part: slice | torch.Tensor | None
) -> None:
    x, y, root = drawn(1e-1, 48)
    exact = truth(x, y, root, -1.0).distance
    space = Space("lorentz:-1", root)
    points, others = space.points(x), space.points(y)
    x.neg_()
    if part is not None:
        points, others, exact = points.rows(part), others.rows(part), exact[part]
    with on(backend):
        found = space.distance(points, others), space.pairwise_distance(points, others).diagonal()
    for each in found:
        torch.testing.assert_close(each.double(), exact, rtol=1e-4, atol=0)


@pytest.mark.parametrize("curvature", [-1.0, 0.0])
def test_vmap(curvature: float) -> None:
    """Over embeddings near points stay exact; over roots they are measured on their rays."""
    x, y, root = drawn(1e-5, 48)
    exact = truth(x, y, root, curvature).distance.view(50, 20)
    sets = x.view(50, 20, 48), y.view(50, 20, 48)
    space = Space(spec(curvature), root)
    for measure in (space.distance, lambda a, b: space.pairwise_distance(a, b).diagonal(dim1=-2, dim2=-1)):
        found = torch.vmap(measure)(*sets)
        torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=0)
    roots = torch.stack([root, root / 2])
    mapped = torch.vmap(lambda each: Space(spec(curvature), each).pairwise_distance(x[:5], y[:5]))(roots)
    each = torch.stack([Space(spec(curvature), each).pairwise_distance(x[:5], y[:5]) for each in roots])
    torch.testing.assert_close(mapped, each, rtol=1e-5, atol=1e-6)
