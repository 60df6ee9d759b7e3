"""Length as a confound: against loops over pairs, and what must hold of any radii."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics import tau_d
from hiergeo.evaluation.metrics.length import chain_lengths, tau_d_equal_length

SHAPE = (7, 4)
radii = arrays(np.float64, SHAPE, elements=st.integers(0, 6).map(float))
lengths = arrays(np.int64, SHAPE, elements=st.integers(1, 4))


def selected(radius, length, sign):
    """Signs of the radius over the pairs of tiers whose length difference has that sign."""
    return [
        np.sign(r[j] - r[i])
        for r, w in zip(radius.tolist(), length.tolist(), strict=True)
        for i, j in combinations(range(len(r)), 2)
        if np.sign(w[j] - w[i]) == sign
    ]


@given(radii, lengths)
def test_pairs_of_tiers_against_a_loop(radius, length):
    equal = selected(radius, length, 0)
    expected = np.mean(equal) if equal else float("nan")
    assert tau_d_equal_length(radius, length) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(radii, lengths)
def test_where_all_lengths_are_equal_it_is_tau_d(radius, length):
    level = np.broadcast_to(length[:, :1], SHAPE)
    assert tau_d_equal_length(radius, level) == pytest.approx(tau_d(radius), abs=1e-12)


def test_lengths_of_captions():
    assert chain_lengths([["a  b", "é"], ["", "one two\tthree"]]).tolist() == [[2, 1], [0, 3]]
    assert chain_lengths([["a  b", "é"]], "characters").tolist() == [[4, 1]]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: chain_lengths([]), "at least one chain"),
        (lambda: chain_lengths([["a"], ["a", "b"]]), "equally many"),
        (lambda: tau_d_equal_length([[1, np.nan]], [[1, 2]]), "NaN"),
    ],
)
def test_bad_input(call, named):
    with pytest.raises(InputError, match=named):
        call()
