"""Spaces: the lift around a root, the same radii in every geometry, and every refusal."""

import math
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from torch import Tensor

from hiergeo import Euclidean, Lorentz, PoincareBall, Product, Space, Sphere
from hiergeo._core.errors import InputError
from hiergeo.geometry import Geometry
from tests.tools.strategies import embeddings

GEOMETRIES = (Euclidean(), Lorentz(-0.3), PoincareBall(-2.3), Sphere(0.05))


def points(n: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@given(embeddings(5))
def test_radii_are_norms_and_the_same_in_every_geometry(v: Tensor) -> None:
    norms = torch.linalg.vector_norm(v.double(), dim=-1)
    for geometry in GEOMETRIES:
        radius = Space(geometry).radius(v)
        assert radius.dtype == torch.float32
        torch.testing.assert_close(radius.double(), norms, rtol=1e-6, atol=0)
        direction = Space(geometry).polar(v).direction
        torch.testing.assert_close(direction.norm(dim=-1), (norms > 0).float())
        assert torch.equal(Space(geometry).radius(v), Space(Euclidean()).radius(v))


@pytest.mark.slow
@given(embeddings(4))
def test_values_and_gradients_are_finite_for_any_embeddings(v: Tensor) -> None:
    for geometry in GEOMETRIES:
        space, x = Space(geometry), v.clone().requires_grad_()
        for measure in (space.distance, space.exterior_angle, space.pairwise_distance):
            value = measure(x, x.flip(0)) if measure != space.pairwise_distance else measure(x, x)
            (gradient,) = torch.autograd.grad(value.sum(), x)
            assert bool(value.isfinite().all())
            assert bool(gradient.isfinite().all())


def test_small_differences_to_the_root_keep_their_digits() -> None:
    """The tangent vector is taken in float64: float32 embeddings next to the root are not rounded again."""
    root = torch.tensor([1.0, 1.0])
    x = torch.nextafter(root, 2 * root)[None]
    expected = math.hypot(*(x[0].double() - 1).tolist())
    assert float(Space(Euclidean(), root).radius(x)) == pytest.approx(expected, rel=1e-7)


def test_leading_dimensions_and_broadcasting() -> None:
    x, y = points(6, 0).reshape(2, 3, 5), points(4, 1)
    space = Space(Sphere(0.05))
    assert space.pairwise_distance(x, y).shape == (2, 3, 4)
    assert space.distance(x[:, :, None], y).shape == (2, 3, 4)
    torch.testing.assert_close(space.distance(x[:, :, None], y), space.pairwise_distance(x, y))
    assert space.distance(x[0, 0], y).shape == (4,)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_empty_embeddings(geometry: Geometry) -> None:
    space, none = Space(geometry), torch.zeros(0, 5)
    for measure in (space.distance, space.exterior_angle, space.margin):
        assert measure(none, none).shape == (0,)
    assert space.pairwise_distance(none, points(3, 0)).shape == (0, 3)
    assert space.radius(none).shape == (0,)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(torch.float64, torch.float64), (torch.bfloat16, torch.float32), (torch.float16, torch.float32)],
)
def test_dtypes(dtype: torch.dtype, expected: torch.dtype) -> None:
    x = points(3, 0, dtype)
    space = Space(Lorentz(-0.3))
    assert {space.radius(x).dtype, space.distance(x, x).dtype, space.pairwise_margin(x, x).dtype} == {expected}


def test_nan_and_inf_are_not_the_root() -> None:
    x = points(3, 0)
    x[0, 1], x[1, 1] = math.nan, math.inf
    for geometry in GEOMETRIES[:3]:
        space = Space(geometry)
        assert float(space.radius(x)[0]) != 0
        assert space.distance(x, points(3, 1)).isnan().tolist() == [True, True, False]
        assert not space.entails(x, points(3, 1))[:2].any()


def test_refusals() -> None:
    x, (root,) = points(3, 0), points(1, 2)
    with pytest.raises(InputError, match="embeddings have dimension 5 and the root has 4"):
        Space(Euclidean(), root[:4]).radius(x)
    with pytest.raises(InputError, match="x has dimension 5 and y has dimension 4"):
        Space(Euclidean()).distance(x, x[:, :4])
    with pytest.raises(InputError, match=r"embeddings must be .* not torch.int64"):
        Space(Euclidean()).radius(torch.ones(3, 5, dtype=torch.int64))
    with pytest.raises(InputError, match=r"not torch.float32 of shape \(\)"):
        Space(Euclidean()).radius(torch.tensor(1.0))
    with pytest.raises(InputError, match=r"root must be .* shape \(1, 5\)"):
        Space(Euclidean(), root[None])
    for odd in (math.nan, math.inf):
        with pytest.raises(InputError, match="root holds NaN"):
            Space(Euclidean(), torch.tensor([1.0, odd]))
    far = torch.tensor([[1.0, 0.0], [3.0, 3.0]], requires_grad=True)
    with pytest.raises(InputError, match=r"embedding 1 is 4\.243, beyond the antipode"):
        Space(Sphere(0.7)).radius(far)


def test_wide_cones_beyond_the_equator_are_warned_of() -> None:
    x = torch.tensor([[2.0, 0.0]])
    for measure in (Space(Sphere(0.7)).margin, Space(Sphere(0.7)).pairwise_margin):
        with pytest.warns(UserWarning, match="beyond the equator"):
            measure(x, x)
    Space(Sphere(0.5)).margin(x, x)
    Space(Lorentz(-5.0)).margin(x, x)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Space(cast(Any, 1.0)), r"geometry must be "),
        (lambda: Space("lorenz:-1"), r"lorentz"),
        (lambda: Space("lorentz:-1", cast(Any, "origin")), r"root"),
        (lambda: Space(Euclidean(), cast(Any, ["a"])), "root must be a tensor .* not list"),
        (lambda: Space(Euclidean(), True), "root must be a tensor .* not bool"),
        (lambda: Space(Euclidean()).radius(cast(Any, [[1.0], [1.0, 2.0]])), "must be a tensor .* not list"),
        (lambda: Space(Euclidean()).radius(torch.eye(2).to_sparse()), "dense"),
        (lambda: Lorentz(cast(Any, "minus one")), "negative curvature, not 'minus one'"),
        (lambda: Product(cast(Any, ["euclidean"])), r"pairs \(geometry, dimension\)"),
        (lambda: Product(cast(Any, [(Product([(Euclidean(), 1)]), 1)])), "no product among them"),
    ],
)
def test_arguments_of_the_wrong_kind_get_one_sentence(make, said):
    with pytest.raises(InputError, match=said):
        make()
