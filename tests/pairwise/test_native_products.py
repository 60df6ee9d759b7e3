"""Native searches by distance, ranks and products of spaces against the reference, at every SIMD level of a machine."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.pairwise.native_problems import MISSING, Problem, at, levels, products
from tests.pairwise.products_common import (
    DISTANCES,
    Whole,
    assert_counts,
    assert_ladders,
    assert_order_of_copies,
    assert_ranks,
    assert_smallest,
    assert_stored,
    searches,
    whole,
)
from tests.tools.examples import examples

pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}")

every_level = pytest.mark.parametrize("level", levels())
conic = st.sampled_from((*DISTANCES, "cone_margin"))
seeds = st.integers(0, 2**32)


@pytest.mark.slow
@every_level
@given(parts=products(), quantity=conic)
@examples(120)
def test_stored(level: str, parts: list[Problem], quantity: str) -> None:
    with at(level):
        assert_stored(whole(parts, quantity))


@every_level
@given(problem=searches(), more=st.integers(-70, 3))
@examples(60)
def test_smallest(level: str, problem: Whole, more: int) -> None:
    with at(level):
        assert_smallest(problem, max(1, problem.scores.shape[-1] + more))


@every_level
@given(problem=searches(), seed=seeds)
@examples(60)
def test_ranks(level: str, problem: Whole, seed: int) -> None:
    assume(problem.scores.shape[-1] > 0)
    with at(level):
        assert_ranks(problem, seed)


@every_level
@given(parts=products(), quantity=conic, share=st.sampled_from((0.0, 0.3, 1.0)))
@examples(60)
def test_counts(level: str, parts: list[Problem], quantity: str, share: float) -> None:
    with at(level):
        assert_counts(whole(parts, quantity), share)


@every_level
@given(parts=products(batches=(1,)), quantity=st.sampled_from(DISTANCES), seed=seeds)
@examples(60)
def test_ladders(level: str, parts: list[Problem], quantity: str, seed: int) -> None:
    with at(level):
        assert_ladders(whole(parts, quantity), seed)


@every_level
def test_exact_ties_go_to_the_lower_index(level: str) -> None:
    with at(level):
        assert_order_of_copies("cpu", 700)
