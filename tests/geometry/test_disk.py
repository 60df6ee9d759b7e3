"""Points around the root drawn in a plane."""

import numpy as np
import pytest

from hiergeo.geometry.disk import placed_at, plane


def test_charts_of_the_disk():
    radius = np.array([0.0, 0.5, 2.0])
    assert placed_at(radius, 0.0) == pytest.approx(radius)
    assert placed_at(radius, -4.0) == pytest.approx(np.tanh(radius))
    assert placed_at(radius, 1.0) == pytest.approx(np.sin(radius) / (1 + np.cos(radius)))
    assert np.isfinite(placed_at(np.array([np.pi]), 1.0)).all()


def test_plane_takes_the_shared_direction_out_and_keeps_the_root_at_the_centre():
    generator = np.random.default_rng(0)
    circle = generator.uniform(0, 2 * np.pi, 400)
    tangents = np.zeros((400, 6))
    tangents[:, 1], tangents[:, 4] = np.cos(circle), np.sin(circle)
    tangents[:, 1:5] += 0.01 * generator.normal(size=(400, 4))
    tangents[:, 0] = 3
    found = plane(tangents * generator.uniform(0.5, 2, (400, 1)))
    assert found.axes.T @ found.axes == pytest.approx(np.eye(2), abs=1e-9)
    assert np.abs(found.axes[[0, 2, 3, 5]]).max() < 0.05
    assert found.share > 0.99
    assert found.mean == pytest.approx(3 / 10**0.5, abs=0.01)


def test_a_plane_needs_no_second_dimension():
    found = plane(np.array([[1.0], [-2.0], [0.0]]))
    assert found.axes.shape == (1, 2)
    assert np.isfinite(found.axes).all()


def test_directions_that_no_plane_tells_apart_get_one_place():
    vectors = np.tile(np.array([[0.6, 0.8, 0.0]]), (50, 1)) * np.linspace(0, 3, 50)[:, None]
    found = plane(vectors)
    assert found.share == 0
    assert found.shadows(vectors).tolist() == [[1.0, 0.0]] * 50


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_directions_have_orthonormal_axes(count):
    vectors = np.random.default_rng(count).normal(size=(count, 5))
    found = plane(vectors)
    assert found.axes.T @ found.axes == pytest.approx(np.eye(2), abs=1e-12)
    assert np.linalg.norm(found.shadows(vectors), axis=1) == pytest.approx(np.ones(count))


def test_shares_are_those_of_the_singular_values():
    vectors = np.random.default_rng(0).normal(size=(60, 7)) * np.arange(1, 8)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    mean = units.mean(0)
    values = np.linalg.svd(units - np.outer(units @ mean, mean) / (mean @ mean), compute_uv=False) ** 2
    assert plane(vectors).share == pytest.approx(values[:2].sum() / values.sum())
