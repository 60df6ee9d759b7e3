"""Tiles of a map, by their definition."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_points_that_coincide_are_all_in_the_deepest_tile():
    place = np.full(100, 0.3, np.float32)
    tree = tiles.pyramid(place, place, shuffled(np.arange(100)), CAPACITY)
    assert sorted(tree.order.tolist()) == list(range(100))
    *above, (level, _, _, last) = tree.counts
    assert [count for *_, count in above] == [CAPACITY] * tiles.DEEPEST
    assert (level, last) == (tiles.DEEPEST, 100 - CAPACITY * tiles.DEEPEST)
