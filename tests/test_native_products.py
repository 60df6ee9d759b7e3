"""Native searches by distance, ranks and products of spaces against the reference, at every SIMD level of this machine.

Scores may differ by the accuracy bars; the best k, ranks, counts and ladders only among scores that tie within them.
"""

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from native_problems import MISSING, Problem, at, levels, products
from torch import Tensor

from hiergeo import Polar
from hiergeo.pairwise.backend import Backend, Factor
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.resolver import NATIVE, REFERENCE
from hiergeo.testing.bars import ANGLE_WORST, DISTANCE_WORST

pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}")

every_level = pytest.mark.parametrize("level", levels())
DISTANCES = ("distance", "distance_l1")


@dataclass(frozen=True)
class Whole:
    """A quantity in a product of spaces, with what the reference gives for every pair and how far kernels may be."""

    factors: list[Factor]
    quantity: str
    swap: bool
    scores: Tensor
    slack: Tensor

    @property
    def operands(self) -> tuple[list[Factor], object]:
        return self.factors, QUANTITIES[self.quantity]


def whole(parts: list[Problem], quantity: str, swap: bool = False) -> Whole:
    law = QUANTITIES[quantity]
    parts = parts if law.combine is not None else parts[:1]
    factors = [part.factor(quantity, swap) for part in parts]
    values = [-part.scores(quantity, swap) if law.largest_first else part.scores(quantity, swap) for part in parts]
    combined = law.of_product(values)
    if quantity in DISTANCES:
        reach = sum(p.x.radius.double().unsqueeze(-1) + p.y.radius.double().unsqueeze(-2) for p in parts)
        slack = DISTANCE_WORST * combined.double().nan_to_num() + 4e-7 * reach
    else:
        slack = torch.full_like(combined, ANGLE_WORST, dtype=torch.float64)
    return Whole(factors, quantity, swap, (-combined if law.largest_first else combined).double(), slack.nan_to_num())


def stored(backend: Backend, problem: Whole) -> Tensor:
    out = torch.full(problem.scores.shape, 7.0, dtype=torch.float64)
    backend.store(problem.factors, QUANTITIES[problem.quantity], out)
    return out


@every_level
@pytest.mark.parametrize("quantity", [*DISTANCES, "cone_margin"])
def test_stored(quantity: str, level: str) -> None:
    @given(products())
    @settings(max_examples=40)
    def agree(parts: list[Problem]) -> None:
        problem = whole(parts, quantity)
        with at(level):
            native, reference = (stored(backend, problem) for backend in (NATIVE, REFERENCE))
        assert torch.equal(native.isnan(), reference.isnan())
        assert not bool(((native - reference).abs() > problem.slack).any())

    agree()


def any_search(draw: st.DrawFn) -> Whole:
    quantity = draw(st.sampled_from((*DISTANCES, "cone_margin", "exterior_angle")))
    return whole(draw(products()), quantity, quantity not in DISTANCES and draw(st.booleans()))


searches = st.composite(any_search)()


@every_level
@given(problem=searches, data=st.data())
@settings(max_examples=60)
def test_smallest(level: str, problem: Whole, data: st.DataObject) -> None:
    b, n, m = problem.scores.shape
    k = data.draw(st.integers(1, m + 3))
    with at(level):
        values, indices = NATIVE.smallest(*problem.operands, k, problem.swap)  # type: ignore[arg-type]
    assert values.shape == indices.shape == (b, n, k)
    padded = torch.nn.functional.pad(problem.scores, (0, k), value=math.nan)
    slack = torch.nn.functional.pad(problem.slack, (0, k))
    best = padded.nan_to_num(nan=math.inf).sort(-1).values[..., :k]
    assert torch.equal(indices < 0, best == math.inf)
    found, allowed = (part.gather(-1, indices.clamp_min(0)) for part in (padded, slack))
    number = indices >= 0
    assert not bool(((found - values.double()).abs() > allowed)[number].any())
    widest = problem.slack.amax(-1, keepdim=True) if m else problem.scores.new_zeros(b, n, 1)
    assert not bool(((values.double() - best).abs() > widest)[number].any())
    assert bool((values.diff(dim=-1).nan_to_num(nan=0.0) >= 0).all())
    for row in indices.flatten(0, 1).tolist():
        chosen = [index for index in row if index >= 0]
        assert len(set(chosen)) == len(chosen)


@every_level
@given(problem=searches, seed=st.integers(0, 2**32))
@settings(max_examples=60)
def test_ranks(level: str, problem: Whole, seed: int) -> None:
    b, n, m = problem.scores.shape
    assume(m > 0)
    target = torch.randint(m, (b, n), generator=torch.Generator().manual_seed(seed))
    with at(level):
        rank = NATIVE.rank(*problem.operands, target, problem.swap)  # type: ignore[arg-type]
        _, indices = NATIVE.smallest(*problem.operands, m, problem.swap)  # type: ignore[arg-type]
    own, allowed = (part.gather(-1, target.unsqueeze(-1)) for part in (problem.scores, problem.slack))
    assert torch.equal(rank < 0, own[..., 0].isnan())
    slack = problem.slack + allowed
    assert not bool((rank < (problem.scores < own - slack).sum(-1))[rank >= 0].any())
    assert not bool((rank > (problem.scores <= own + slack).sum(-1))[rank >= 0].any())
    place = indices.gather(-1, rank.clamp_min(0).unsqueeze(-1))[..., 0]
    assert torch.equal(place[rank >= 0], target[rank >= 0]), "the same order as that of the best k"


@every_level
@given(parts=products(), quantity=st.sampled_from((*DISTANCES, "cone_margin")), share=st.sampled_from((0.0, 0.3, 1.0)))
@settings(max_examples=60)
def test_counts(level: str, parts: list[Problem], quantity: str, share: float) -> None:
    problem = whole(parts, quantity)
    b, n, m = problem.scores.shape
    reach = None
    if quantity in DISTANCES:
        reach = problem.scores.nan_to_num().amax(-1) * share if m else torch.ones(b, n, dtype=torch.float64)
        reach[..., n // 2 :] = reach[..., n // 2 :].float().double()
    with at(level):
        count = NATIVE.count(*problem.operands, reach)  # type: ignore[arg-type]
    bound = torch.zeros(b, n, 1, dtype=torch.float64) if reach is None else reach.unsqueeze(-1)
    assert not bool((count < (problem.scores < bound - problem.slack).sum(-1)).any())
    assert not bool((count > (problem.scores <= bound + problem.slack).sum(-1)).any())


@every_level
@given(parts=products(batches=(1,)), quantity=st.sampled_from(DISTANCES), data=st.data())
@settings(max_examples=60)
def test_ladders(level: str, parts: list[Problem], quantity: str, data: st.DataObject) -> None:
    problem = whole(parts, quantity)
    _, _, m = problem.scores.shape
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**32)))
    order = torch.randperm(m, generator=generator)[: data.draw(st.integers(0, m))]
    ends = torch.randint(len(order) + 1, (data.draw(st.sampled_from((0, 1, 5))),), generator=generator).sort().values
    order = order[: int(ends[-1]) if len(ends) else 0]
    with at(level):
        (native, values), (reference, expected) = (
            backend.nearest_ladder(*problem.operands, order, ends)  # type: ignore[arg-type]
            for backend in (NATIVE, REFERENCE)
        )
    assert native.shape == values.shape == (problem.scores.shape[1], len(ends))
    assert torch.equal(native < 0, reference < 0)
    if m:
        widest = problem.slack[0].amax(-1, keepdim=True)
        chosen = problem.scores[0].gather(-1, native.clamp_min(0))
        assert not bool(((chosen - expected.double()).abs() > widest)[native >= 0].any())
        assert not bool(((values.double() - chosen).abs() > widest)[native >= 0].any())
    admitted = torch.full((m + 1,), m + 1).index_put((order,), torch.arange(1, len(order) + 1))
    assert not bool((admitted[native] > ends)[native >= 0].any())


@every_level
def test_exact_ties_go_to_the_lower_index(level: str) -> None:
    """Many copies of few points: the best k, ranks and ladders keep the order of the copies."""
    generator = torch.Generator().manual_seed(0)
    place = torch.randint(5, (700,), generator=generator)
    few = [(torch.randn(1, 5, d, generator=generator), torch.rand(1, 5, generator=generator)) for d in (24, 9)]
    factors = [
        Factor(
            Polar(torch.randn(1, 9, u.shape[-1], generator=generator), torch.rand(1, 9, generator=generator)),
            Polar(u[:, place], r[:, place]),
            k,
        )
        for (u, r), k in zip(few, (-0.3, 0.2), strict=True)
    ]
    order = torch.randperm(700, generator=generator)
    for quantity in DISTANCES:
        law = QUANTITIES[quantity]
        with at(level):
            _, indices = NATIVE.smallest(factors, law, 300, False)
            ranks = NATIVE.rank(factors, law, indices[..., 137], False)
            rungs, _ = NATIVE.nearest_ladder(factors, law, order, torch.tensor([700]))
        assert bool((ranks == 137).all())
        for row, rung in zip(indices[0], rungs[:, 0], strict=True):
            assert int(rung) == int(row[0])
            for group in place[row].unique():
                chosen = row[place[row] == group]
                assert torch.equal(chosen, torch.nonzero(place == group)[: len(chosen), 0])
