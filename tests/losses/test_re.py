"""The RE loss against the authors' formulas rewritten in extended precision, by hand, and in every geometry."""

import math
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo.geometry import ConstantCurvature, Geometry
from hiergeo.losses import batch_hard, re_loss
from tests.losses.losses_common import DIM, EVERY, PRODUCT, SINGLE, chains, nested, normal, oracle_angle, rotation
from tests.tools.frames import frames_of
from tests.tools.strategies import embeddings


def turned(base: Tensor, root: Tensor, angle: np.ndarray, seed: int) -> Tensor:
    """Points (b, d) seen from `base` (b, d) at the given exterior angles around the root."""
    ahead = torch.nn.functional.normalize(base - root, dim=-1)
    side = normal(*base.shape, seed=seed)
    side = torch.nn.functional.normalize(side - (side * ahead).sum(-1, keepdim=True) * ahead, dim=-1)
    t = torch.as_tensor(angle)[:, None]
    return base + (0.2 + 0.1 * torch.arange(len(base), dtype=torch.float64)[:, None]) * (
        torch.cos(t) * ahead + torch.sin(t) * side
    )


def hostile_batch(items: int, tiers: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Chains whose exterior angles lie in [1e-3, pi - 1e-3], many of them close to either end."""
    rng = np.random.default_rng(seed)
    root = normal(DIM, seed=seed)
    positive, negative = [root + normal(items, DIM, seed=seed + 1)], []
    for tier in range(tiers):
        small = np.exp(rng.uniform(np.log(1.1e-3), 0, (2, items)))
        angle = np.where(rng.random((2, items)) < 0.5, small, math.pi - small)
        negative.append(turned(positive[-1], root, angle[0], seed + 10 * tier + 2))
        positive.append(turned(positive[-1], root, angle[1], seed + 10 * tier + 3))
    return torch.stack(positive[:-1], 1), torch.stack(negative, 1), root


def authors_loss(positive: Tensor, negative: Tensor, root: Tensor, frozen: Tensor | None) -> tuple[float, ...]:
    """(prior, mean, hard) as their training code has them, item by item in extended precision."""
    p, n, r = (np.asarray(t.detach(), dtype=np.longdouble) for t in (positive, negative, root))

    def angle(e: np.ndarray, other: np.ndarray) -> np.longdouble:
        a, b = e - r, other - e
        return np.arccos(np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b)))

    items, tiers = p.shape[:2]
    big_p = [angle(p[k, i], p[k, i + 1]) for i in range(tiers - 1) for k in range(items)]
    big_n = [-angle(p[k, i], n[k, i]) for i in range(tiers - 1) for k in range(items)]
    angles = np.array([*big_p, *(-value for value in big_n)])
    assert angles.min() >= 1e-3
    assert angles.max() <= math.pi - 1e-3
    i, j = int(np.argmax(big_p)), int(np.argmax(big_n))
    hard = (big_p[i] + big_n[i]) + (big_p[j] + big_n[j])
    prior = np.longdouble(0)
    if frozen is not None:
        f = np.asarray(frozen, dtype=np.longdouble)
        e = np.concatenate((p, n))
        cosines = (e * f).sum(-1) / np.sqrt((e * e).sum(-1) * (f * f).sum(-1))
        prior = (1 - cosines.mean()) / 2
    return prior, sum(big_p) / len(big_p) + sum(big_n) / len(big_n), hard


@pytest.mark.parametrize("tiers", [2, 3, 4, 7])
@pytest.mark.parametrize("seed", range(6))
def test_equals_the_authors_formulas(tiers: int, seed: int) -> None:
    positive, negative, root = hostile_batch(5, tiers, seed)
    frozen = normal(10, tiers, DIM, seed=seed + 99)
    prior, mean, hard = authors_loss(positive, negative, root, frozen)
    loss = re_loss(positive, negative, root, (frozen[:5], frozen[5:]), weights=(10, 2, 3))
    for value, expected in zip(loss, (10 * prior + 2 * mean + 3 * hard, prior, mean, hard), strict=True):
        assert abs(float(value) - float(expected)) <= 1e-12 * max(1, abs(float(expected)))


@pytest.mark.parametrize("geometry", SINGLE)
def test_in_every_geometry_it_is_made_of_its_exterior_angles(geometry: ConstantCurvature) -> None:
    positive, negative, root = chains(), chains(seed=1), normal(DIM, seed=2) / 9
    k = geometry.value
    p = oracle_angle(positive[:, :-1], positive[:, 1:], root, k).T.flatten()
    n = -oracle_angle(positive[:, :-1], negative[:, :-1], root, k).T.flatten()
    loss = re_loss(positive, negative, root, geometry=geometry)
    torch.testing.assert_close(loss.mean, p.mean() + n.mean())
    torch.testing.assert_close(loss.hard, (p + n)[p.argmax()] + (p + n)[n.argmax()])
    torch.testing.assert_close(loss.total, loss.mean + loss.hard)


def test_in_a_product_the_largest_angle_of_the_factors_counts() -> None:
    positive, negative, root = chains(), chains(seed=1), normal(DIM, seed=2) / 9
    worst = [
        torch.stack(
            [
                oracle_angle(positive[:, :-1, s], other[..., s], root[s], float(geometry.curvature))
                for geometry, s in PRODUCT.parts(DIM)
            ]
        ).amax(0)
        for other in (positive[:, 1:], negative[:, :-1])
    ]
    loss = re_loss(positive, negative, root, geometry=PRODUCT)
    torch.testing.assert_close(loss.mean, worst[0].mean() - worst[1].mean())
    torch.testing.assert_close(loss.hard, batch_hard(worst[0].T, -worst[1].T))


def test_one_triplet_by_hand() -> None:
    """Root (0, 0), p0 = (1, 0): p1 = (1, 1) turns by pi/2, n0 = (2, 0) lies straight behind, a turn of 0."""
    positive = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]], dtype=torch.float64)
    negative = torch.tensor([[[2.0, 0.0], [5.0, 5.0]]], dtype=torch.float64)
    frozen = (positive, -negative)
    loss = re_loss(positive, negative, torch.zeros(2, dtype=torch.float64), frozen)
    expected = (10 * 0.5 + math.pi / 2 + math.pi, 0.5, math.pi / 2, math.pi)
    assert [float(value) for value in loss] == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("term", ["prior", "mean", "hard"])
def test_a_term_of_weight_zero_is_not_computed(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = (chains(), chains(seed=1), normal(DIM, seed=2), (chains(seed=3), chains(seed=4)))
    whole = re_loss(*batch)
    names = ("prior", "mean", "hard")
    weights = tuple(0 if name == term else weight for name, weight in zip(names, (10, 1, 1), strict=True))

    def refuse(*_: Tensor) -> Tensor:
        raise AssertionError(f"{term} was computed")

    if term == "prior":
        monkeypatch.setattr("hiergeo.losses.re.prior_loss", refuse)
    loss = re_loss(*batch, weights=weights, mine=refuse if term == "hard" else batch_hard)
    assert float(getattr(loss, term)) == 0
    for name, weight in zip(names, weights, strict=True):
        assert weight == 0 or torch.equal(getattr(loss, name), getattr(whole, name))
    torch.testing.assert_close(
        loss.total,
        whole.total - {"prior": 10, "mean": 1, "hard": 1}[term] * getattr(whole, term),
        rtol=1e-12,
        atol=1e-12,
    )


@given(st.integers(0, 2**31), st.permutations(range(4)))
@settings(max_examples=25)
def test_the_order_of_items_and_the_orientation_do_not_matter(seed: int, order: list[int]) -> None:
    positive, negative, root = chains(4, 3, seed), chains(4, 3, seed + 1), normal(DIM, seed=seed + 2) / 9
    turn = rotation(seed)
    for geometry in EVERY:
        loss = re_loss(positive, negative, root, geometry=geometry)
        permuted = re_loss(positive[order], negative[order], root, geometry=geometry)
        torch.testing.assert_close(tuple(permuted), tuple(loss))
        if geometry is not PRODUCT:
            p, n = (root + (e - root) @ turn for e in (positive, negative))
            torch.testing.assert_close(tuple(re_loss(p, n, root, geometry=geometry)), tuple(loss))


@pytest.mark.parametrize("geometry", SINGLE)
def test_nested_chains_with_negatives_towards_the_root_reach_the_least_loss(geometry: Geometry) -> None:
    root = normal(DIM, seed=5)
    positive = nested(root=root)
    negative = root + 0.2 * (positive - root)
    loss = re_loss(positive, negative, root, geometry=geometry)
    assert float(loss.mean) == pytest.approx(-math.pi, abs=1e-6)
    assert float(loss.hard) == pytest.approx(-2 * math.pi, abs=1e-6)


@pytest.mark.slow
@given(embeddings(DIM, rows=12), st.integers(0, 2))
@settings(max_examples=40)
def test_values_and_gradients_are_finite_in_float32(points: Tensor, special: int) -> None:
    """Coincident tiers, points at the root, tiny and opposite ones; the root among the points."""
    positive, negative = points.reshape(2, 2, 3, DIM).clone()
    if special == 1:
        positive[0, 1] = positive[0, 0]
    if special == 2:
        negative[1, 0] = -positive[1, 0]
    assume(not bool((positive == negative).all(-1).any()))
    for geometry in EVERY:
        inputs = [t.clone().requires_grad_() for t in (positive, negative, torch.zeros(DIM))]
        p, n, root = inputs
        loss = re_loss(p, n, root, frozen=(negative, positive), geometry=geometry)
        assert all(term.dtype == torch.float32 and bool(term.isfinite()) for term in loss)
        for gradient in torch.autograd.grad(loss.total, inputs):
            assert bool(gradient.isfinite().all())


def altered(chain: Tensor, item: int, tier: int, value: Any) -> Tensor:
    other = chain.clone()
    other[item, tier] = value
    return other


def test_refusals() -> None:
    positive, negative, root = chains(), chains(seed=1), normal(DIM)
    refused = {
        r"^positive has 1 tier\(s\) of shape \(3, 1, 6\): .* at least 2": (positive[:, :1], negative[:, :1]),
        r"item 2, tier 1 .* identical": (positive, altered(negative, 2, 1, positive[2, 1])),
        r"item 0, tier 3 .* identical": (positive, altered(negative, 0, 3, positive[0, 3])),
        r"positive of shape \(3, 4, 6\) and negative": (positive, negative[:2]),
        r"positive holds NaN .* \(1, 2\)": (altered(positive, 1, 2, math.nan), negative),
        r"negative holds NaN .* \(0, 0\)": (positive, altered(negative, 0, 0, math.inf)),
        r"must be batches .* \(4, 6\)": (positive[0], negative[0]),
        "positive is empty": (positive[:0], negative[:0]),
        r"^positive must be a floating-point tensor": (positive.long(), negative.long()),
        r"^positive must be a tensor \(\.\.\., D\), not list: ": (positive.tolist(), negative),
    }
    for message, (p, n) in refused.items():
        with pytest.raises(InputError, match=message):
            re_loss(cast(Any, p), n, root)
    with pytest.raises(InputError, match="dimension 6 and the root has 5"):
        re_loss(positive, negative, root[:5])
    with pytest.raises(InputError, match=r"^root holds NaN or Inf"):
        re_loss(positive, negative, root * math.nan)
    for frozen, message in (
        ((positive, negative[:2]), r"frozen\[1\] of shape \(2, 4, 6\) must have the same shape"),
        ((positive, negative * math.nan), r"^frozen\[1\] holds NaN or Inf, first in place \(0, 0\)"),
        ((positive,), "frozen must be the pair"),
    ):
        with pytest.raises(InputError, match=message):
            re_loss(positive, negative, root, cast(Any, frozen))
    for weights in ((1, 1), (1, -1, 1), (math.nan, 1, 1), (1, math.inf, 1)):
        with pytest.raises(InputError, match="weights must be 3 numbers"):
            re_loss(positive, negative, root, weights=weights)


def test_a_step_runs_few_frames() -> None:
    """Forward and backward of a batch of the paper: what Python costs beside the operations."""
    positive, negative, frozen = (normal(8, 4, 64, seed=seed).float() for seed in range(3))
    root = normal(64, seed=3).float()
    for part in (positive, negative, root):
        part.requires_grad_()

    def step() -> None:
        re_loss(positive, negative, root, (frozen, frozen)).total.backward()

    assert len(frames_of(step)) <= 300
