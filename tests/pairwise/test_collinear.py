"""Values and gradients of pairs on common lines, by the reference and at every SIMD level, against 80 digits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo.pairwise.portable import PORTABLE
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.resolver import NATIVE
from tests.pairwise.collinear import (
    LAWS,
    Truth,
    assert_true,
    assert_turned,
    collinear_problems,
    nearly_on_one_line,
    upstreams,
)
from tests.pairwise.native_problems import MISSING, Problem, at, levels
from tests.tools.examples import examples


@pytest.mark.slow
@given(problem=collinear_problems(), quantity=st.sampled_from(sorted(LAWS)))
@examples(200)
def test_pairs_on_common_lines(problem: Problem, quantity: str) -> None:
    upstream = upstreams(problem)
    truth = Truth.of(problem, quantity, upstream)
    assert_true(REFERENCE, problem, quantity, truth, upstream)
    for level in levels() if MISSING is None else ():
        with at(level):
            assert_true(NATIVE, problem, quantity, truth, upstream)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("turn", [1e-4, 1e-8, 1e-12])
@pytest.mark.parametrize("curvature", [-1.0, 0.0, 0.25])
def test_pairs_nearly_on_common_lines(curvature: float, turn: float, reverse: bool) -> None:
    problem = nearly_on_one_line(curvature, turn, reverse)
    for backend in (REFERENCE, PORTABLE):
        assert_turned(backend, problem)
    for level in levels() if MISSING is None else ():
        with at(level):
            assert_turned(NATIVE, problem)
