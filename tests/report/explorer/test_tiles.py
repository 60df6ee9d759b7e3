"""Tiles of a map, by their definition; points in polygons, against winding numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo._core.errors import InputError
from hiergeo.evaluation.auditing.population import shuffled
from hiergeo.report.explorer import tiles

CAPACITY = 3

coordinates = st.one_of(st.floats(-1, 1, width=32), st.sampled_from([-1.0, 0.0, 0.5, 1.0]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(coordinates, coordinates), max_size=60), st.integers(0, 2**40))
def test_every_point_is_in_one_tile_of_its_square_below_full_ones(points, first):
    x, y = np.array(points, np.float32).reshape(-1, 2).T
    ids = np.arange(first, first + len(x))
    tree = tiles.pyramid(x, y, shuffled(ids), CAPACITY)
    assert sorted(tree.order.tolist()) == list(range(len(x)))
    ends = [0]
    for (level, column, row), (start, stop) in tree.spans.items():
        assert start == ends[-1] < stop
        ends.append(stop)
        assert stop - start <= CAPACITY or level == tiles.DEEPEST
        side = 2 / 2**level
        for point in tree.order[start:stop]:
            for value, place in ((x[point], column), (y[point], row)):
                low = -1 + place * side
                assert low <= value < low + side or (value == 1 and place == 2**level - 1)
        if level:
            above = tree.spans[level - 1, column // 2, row // 2]
            assert above[1] - above[0] == CAPACITY
    assert ends[-1] == len(x)
    assert tree.counts == [[*tile, stop - start] for tile, (start, stop) in tree.spans.items()]


def winding(point: tuple[float, float], polygon: list[tuple[float, float]]) -> int:
    """How often an outline turns around a point: the sum of the angles that its edges are seen at, over 2 pi."""
    seen = [math.atan2(y - point[1], x - point[0]) for x, y in polygon]
    turns = [math.remainder(b - a, 2 * math.pi) for a, b in zip(seen, seen[1:] + seen[:1], strict=True)]
    return round(sum(turns) / (2 * math.pi))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40))
def test_points_in_polygons_are_those_with_an_odd_winding_number(seed, corners):
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(2, 120)).astype(np.float32)
    polygon = generator.normal(size=(corners, 2))
    found = tiles.inside(x, y, polygon)
    outline = [tuple(corner) for corner in polygon.tolist()]
    truth = [i for i in range(120) if winding((float(x[i]), float(y[i])), outline) % 2]
    assert found.tolist() == truth


@pytest.mark.parametrize(
    "polygon",
    [[(0, 0), (1, 1)], [(0, 0)] * 513, [(0, 0), (1, math.nan), (1, 0)], [(0, 0), (1, 1e300), (1, 0)], [0, 1, 2]],
)
def test_polygons_that_are_none_are_refused(polygon):
    with pytest.raises(InputError, match="polygon"):
        tiles.inside(np.zeros(1, np.float32), np.zeros(1, np.float32), np.array(polygon, float))
