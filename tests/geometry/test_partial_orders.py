"""The laws of the literature against formulas and minimisations that are not hiergeo's, in float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from torch import Tensor

import hiergeo
from hiergeo import Space, training
from hiergeo.errors import InputError

SPECS = ("order", "box", "box:0.2", "gaussian", "shadow", "shadow:0.5", "penumbral")


def rows(n: int, seed: int, dim: int = 4) -> Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pairs(spec: str, x: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray]:
    space = Space(spec, "none")
    return space.margin(x, y).numpy(), space.distance(x, y).numpy()


def test_boxes() -> None:
    x, y = rows(40, 0) / 2, rows(40, 1) / 2
    y[:20] = x[:20] + torch.tensor([0.0, 0.0, 0.3, 0.3])  # inside
    margin, _ = pairs("box", x, y)
    gumbel, _ = pairs("box:0.2", x, y)
    for n, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        out, both, own = 0.0, 1.0, 1.0
        for d in range(2):
            (low_a, high_a), (low_b, high_b) = (
                (c[d] - math.exp(-c[d + 2]) / 2, c[d] + math.exp(-c[d + 2]) / 2) for c in (a, b)
            )
            out += max(0, low_a - low_b) ** 2 + max(0, high_b - high_a) ** 2
            low = 0.2 * math.log(math.exp(low_a / 0.2) + math.exp(low_b / 0.2))
            high = -0.2 * math.log(math.exp(-high_a / 0.2) + math.exp(-high_b / 0.2))
            both *= 0.2 * math.log1p(math.exp((high - low) / 0.2 - 2 * np.euler_gamma))
            own *= 0.2 * math.log1p(math.exp((high_b - low_b) / 0.2 - 2 * np.euler_gamma))
        assert margin[n] == pytest.approx(-math.sqrt(out), abs=1e-6)
        assert gumbel[n] == pytest.approx(math.log(2 * both / own), abs=1e-6)
    assert (margin[:20] == 0).all()
    assert (margin[20:] < 0).any()
    far = torch.tensor([[9.0, 9.0, 0.0, 0.0]], dtype=torch.float64)
    assert np.isfinite(pairs("box:0.01", far, -far)[0]).all()


def test_gaussians() -> None:
    x, y = rows(6, 0, 2), rows(6, 1, 2)
    margin, distance = pairs("gaussian", x, y)
    for n, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        p, q = (norm(c[0], math.exp(-c[1] / 2)) for c in (a, b))
        inside, outside = (
            quad(lambda t, f=f, g=g: f.pdf(t) ** 2 * g.pdf(t), -30, 30, epsabs=1e-14, limit=400)[0]
            for f, g in ((q, p), (p, q))
        )
        assert margin[n] == pytest.approx(math.log(inside / outside), abs=1e-6)
        shares = np.linspace(0, 1, 200_001)[1:-1]
        transport = math.sqrt(((p.ppf(shares) - q.ppf(shares)) ** 2).mean())
        assert distance[n] == pytest.approx(transport, rel=1e-3)


def in_ball(point: np.ndarray) -> np.ndarray:
    """The point of the Poincare ball at the end of a vector of hyperbolic length."""
    length = np.linalg.norm(point)
    return point * (math.tanh(length / 2) / length)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return math.acosh(1 + 2 * ((a - b) ** 2).sum() / ((1 - a @ a) * (1 - b @ b)))


def test_umbral_cones() -> None:
    """The tangent ray by its distance from the ball, and the distance to it, both minimised; in the plane."""
    k, space = 0.3, Space("shadow:0.3", "none")

    def nearest(angle: float, point: np.ndarray, least: float = 0.0) -> float:
        ray = np.array([math.cos(angle), math.sin(angle)])
        return minimize_scalar(
            lambda t: apart(math.tanh(t / 2) * ray, point),
            bounds=(least, 12),
            method="bounded",
            options={"xatol": 1e-12},
        ).fun

    generator = np.random.default_rng(0)
    inside = 0
    for _ in range(12):
        of_x, of_y, alpha = generator.uniform(0.3, 1.5), generator.uniform(0.3, 3), generator.uniform(0, 0.9)
        vx, vy = of_x * np.array([1.0, 0]), of_y * np.array([math.cos(alpha), math.sin(alpha)])
        margin, distance = pairs("shadow:0.3", torch.tensor(vx), torch.tensor(vy))
        x, y = (in_ball(v * (1 + k / np.linalg.norm(v))) for v in (vx, vy))
        assert float(distance) == pytest.approx(apart(x, y), abs=1e-9)
        low, high = 0.0, math.pi / 2
        for _ in range(60):  # the angle whose ray is k away from x
            middle = (low + high) / 2
            low, high = (middle, high) if nearest(middle, x) < k else (low, middle)
        rim = nearest(low, y)
        signed = (rim if alpha > low else -rim) + k
        if margin >= 0:
            inside += 1
            assert float(margin) == pytest.approx(-signed, abs=1e-6)
        elif abs(float(margin) + apart(x, y)) > 1e-9:
            assert float(margin) == pytest.approx(-signed, abs=1e-6)
    assert 2 <= inside <= 10
    root, others = torch.zeros(2, dtype=torch.float64), rows(9, 3, 2)
    assert bool(space.entails(root, others).all())
    assert not bool(space.entails(others, root).any())


def test_penumbral_cones() -> None:
    """Angles as those of the gradient of the distance of the half-space, whose distance is written out."""
    space = Space("penumbral", "none")
    x, y = rows(50, 0, 3) / 2, rows(50, 1, 3)
    y[:25] = x[:25] + torch.tensor([0.02, 0.02, 0.0]) * y[:25]
    y[:25, 2] = x[:25, 2].abs() + y[:25, 2].abs()

    def place(v: Tensor) -> Tensor:
        return torch.cat((v[:, :2], (-v[:, 2:].abs()).exp()), dim=1)

    a, b = place(x).requires_grad_(), place(y)
    length = torch.acosh(1 + (a - b).square().sum(-1) / (2 * a[:, 2] * b[:, 2]))
    (away,) = torch.autograd.grad(length.sum(), a)
    angle = torch.acos(away[:, 2] / away.norm(dim=-1))  # of the geodesic to y and straight down
    turned = angle - torch.asin(a[:, 2])
    signed = torch.where(turned <= math.pi / 2, torch.asinh(length.sinh() * turned.sin()), length)
    torch.testing.assert_close(space.distance(x, y), length.detach(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(space.margin(x, y), -signed.detach(), rtol=1e-6, atol=1e-6)
    inside = space.entails(x, y)
    assert bool(inside[:25].any())
    assert not bool(inside.all())
    assert torch.equal(inside, turned.detach() <= 0)


@pytest.mark.parametrize("spec", SPECS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.sampled_from([1e-9, 1e-3, 0.3, 1.0, 3.0]))
def test_values_and_gradients_are_finite_and_rows_are_pairs(spec: str, seed: int, scale: float) -> None:
    x, y = (scale * rows(n, seed + n) for n in (5, 7))
    x[1], y[2], y[3] = 0, x[2], 0
    x.requires_grad_()
    for dtype in (torch.float64, torch.float32):
        space, a, b = Space(spec, "none"), x.to(dtype), y.to(dtype)
        for measure, every in ((space.margin, space.pairwise_margin), (space.distance, space.pairwise_distance)):
            value = every(a, b)
            torch.testing.assert_close(value, measure(a[:, None], b))
            (gradient,) = torch.autograd.grad(value.sum(), x, retain_graph=True)
            assert bool(value.isfinite().all() & gradient.isfinite().all())


@pytest.mark.parametrize("spec", SPECS)
def test_gradients(spec: str) -> None:
    space, x, y = Space(spec, "none"), rows(3, 5).requires_grad_(), rows(4, 6).requires_grad_()
    assert torch.autograd.gradcheck(space.pairwise_margin, (x, y))
    assert torch.autograd.gradcheck(space.pairwise_distance, (x, y))


@pytest.mark.slow
def test_a_law_of_sizes_is_made_by_a_head_which_is_trained_in_every_law() -> None:
    model, data = hiergeo.adapters.load("tiny"), hiergeo.datasets.load("scenes", split="test", count=20)
    with pytest.raises(InputError, match="train head"):
        hiergeo.evaluate(model, data, "box")
    with pytest.raises(InputError, match="even"):
        Space("gaussian", "none").points(rows(3, 0, 5))
    chains, recipe = (
        training.from_hierarchy(data, model),
        training.Recipe(losses={"entailment": 1.0}, steps=10, every=10),
    )
    for spec in SPECS:
        trained = training.train_head(chains, hiergeo.geometry.parse(spec), recipe)
        first, last = (look.validation["entailment"] for look in (trained.history[0], trained.history[-1]))
        assert last < first, spec
        head = training.HeadModel(model, trained.head, trained_in=spec)
        assert hiergeo.evaluate(head, data, None, "pairs", samples=10).settings["geometry"] == Space(spec).geometry.spec
