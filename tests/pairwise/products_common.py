"""What native searches by distance, ranks and products of spaces must agree with the reference on, on any device.

Scores may differ by the accuracy bars; the best k, ranks, counts and ladders only among scores that tie within them.
"""

import math
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from hiergeo import Polar
from hiergeo.pairwise.interface import Factor, PairBackend
from hiergeo.pairwise.quantity import QUANTITIES, Quantity
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.resolver import NATIVE
from hiergeo.testing.assertions import ANGLE_WORST, DISTANCE_WORST
from tests.pairwise.native_problems import Problem, products

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
    def operands(self) -> tuple[list[Factor], Quantity]:
        return self.factors, QUANTITIES[self.quantity]

    def stored(self, backend: PairBackend) -> Tensor:
        out = torch.full_like(self.scores, 7.0)
        backend.store(*self.operands, out)
        return out

    def smallest(self, k: int) -> tuple[Tensor, Tensor]:
        return NATIVE.smallest(*self.operands, k, self.swap)


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


@st.composite
def searches(draw: st.DrawFn, parts: st.SearchStrategy[list[Problem]] | None = None) -> Whole:
    """What a search may order by, the apex on either side."""
    quantity = draw(st.sampled_from((*DISTANCES, "cone_margin", "exterior_angle")))
    swap = quantity not in DISTANCES and draw(st.booleans())
    return whole(draw(products() if parts is None else parts), quantity, swap)


def assert_stored(problem: Whole) -> None:
    native, reference = (problem.stored(backend) for backend in (NATIVE, REFERENCE))
    assert torch.equal(native.isnan(), reference.isnan())
    assert not bool(((native - reference).abs() > problem.slack).any())


def assert_smallest(problem: Whole, k: int) -> None:
    b, n, m = problem.scores.shape
    values, indices = problem.smallest(k)
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


def assert_ranks(problem: Whole, seed: int) -> None:
    """The rank of any target is its place among the best, exactly, and its place by the reference up to ties."""
    b, n, m = problem.scores.shape
    target = torch.randint(m, (b, n), generator=torch.Generator().manual_seed(seed)).to(problem.scores.device)
    rank = NATIVE.rank(*problem.operands, target, problem.swap)
    _, indices = problem.smallest(min(m, 1024))
    own, allowed = (part.gather(-1, target.unsqueeze(-1)) for part in (problem.scores, problem.slack))
    assert torch.equal(rank < 0, own[..., 0].isnan())
    slack = problem.slack + allowed
    assert not bool((rank < (problem.scores < own - slack).sum(-1))[rank >= 0].any())
    assert not bool((rank > (problem.scores <= own + slack).sum(-1))[rank >= 0].any())
    listed = (rank >= 0) & (rank < indices.shape[-1])
    place = indices.gather(-1, rank.clamp(0, indices.shape[-1] - 1).unsqueeze(-1))[..., 0]
    assert torch.equal(place[listed], target[listed]), "the same order as that of the best k"


def assert_counts(problem: Whole, share: float) -> None:
    """Margins >= 0, or distances within a share of the largest; the k nearest are within the distance of the last."""
    b, n, m = problem.scores.shape
    reach = None
    if problem.quantity in DISTANCES:
        reach = problem.scores.nan_to_num().amax(-1) * share if m else problem.scores.new_ones(b, n)
        reach[..., n // 2 :] = reach[..., n // 2 :].float().double()
        few = max(1, min(m // 2, 1024))
        values, _ = problem.smallest(few)
        last = values[..., -1].double()
        number = ~last.isnan()
        within, short = (
            NATIVE.count(*problem.operands, at) for at in (last, last.nextafter(torch.full_like(last, -math.inf)))
        )
        assert not bool((within < few)[number].any())
        assert torch.equal(short[number], (values < values[..., -1:]).sum(-1)[number]), "a reach is not rounded"
        assert not bool(within[~number].any())
    count = NATIVE.count(*problem.operands, reach)
    bound = problem.scores.new_zeros(b, n, 1) if reach is None else reach.unsqueeze(-1)
    assert not bool((count < (problem.scores < bound - problem.slack).sum(-1)).any())
    assert not bool((count > (problem.scores <= bound + problem.slack).sum(-1)).any())


def assert_ladders(problem: Whole, seed: int) -> None:
    """Of some of the columns in any order, and ends that may repeat or be 0."""
    _, n, m = problem.scores.shape
    generator = torch.Generator().manual_seed(seed)
    listed, steps = (int(torch.randint(most + 1, (), generator=generator)) for most in (m, 6))
    order = torch.randperm(m, generator=generator)[:listed]
    ends = torch.randint(listed + 1, (steps,), generator=generator).sort().values
    order, ends = (part.to(problem.scores.device) for part in (order[: int(ends[-1]) if steps else 0], ends))
    (native, values), (reference, expected) = (
        backend.nearest_ladder(*problem.operands, order, ends) for backend in (NATIVE, REFERENCE)
    )
    assert native.shape == values.shape == (n, steps)
    assert torch.equal(native < 0, reference < 0)
    if m:
        widest = problem.slack[0].amax(-1, keepdim=True)
        chosen = problem.scores[0].gather(-1, native.clamp_min(0))
        assert not bool(((chosen - expected.double()).abs() > widest)[native >= 0].any())
        assert not bool(((values.double() - chosen).abs() > widest)[native >= 0].any())
    admitted = order.new_full((m + 1,), m + 1)
    admitted[order] = torch.arange(1, len(order) + 1, device=order.device)
    assert not bool((admitted[native] > ends)[native >= 0].any())


def assert_order_of_copies(device: str, count: int) -> None:
    """Many copies of few points: the best k, ranks and ladders keep the order of the copies."""
    generator = torch.Generator().manual_seed(0)
    origin = torch.randint(5, (count,), generator=generator).to(device)

    def points(size: int, dim: int) -> Polar:
        return Polar(
            torch.randn(1, size, dim, generator=generator).to(device),
            torch.rand(1, size, generator=generator).to(device),
        )

    few = [points(5, dim) for dim in (24, 9)]
    factors = [
        Factor(points(9, p.direction.shape[-1]), Polar(p.direction[:, origin], p.radius[:, origin]), k)
        for p, k in zip(few, (-0.3, 0.2), strict=True)
    ]
    order = torch.randperm(count, generator=generator).to(device)
    ends = torch.tensor([count], device=device)
    first = torch.stack([torch.nonzero(origin == group)[0, 0] for group in range(5)])
    x, y, k, _ = factors[0]
    _, least = NATIVE.energy_min(x, y, k, torch.zeros_like(x.radius))
    best, _ = NATIVE.ladder(x.direction[0], y.direction[0], None, order, ends)
    for index in (least[0], best[:, 0]):
        assert torch.equal(index, first[origin[index]])
    for quantity in ("exterior_angle", *DISTANCES):
        law = QUANTITIES[quantity]
        parts = factors[:1] if law.combine is None else factors
        _, indices = NATIVE.smallest(parts, law, min(1024, count // 2), False)
        ranks = NATIVE.rank(parts, law, indices[..., 137], False)
        assert bool((ranks == 137).all())
        if quantity in DISTANCES:
            assert torch.equal(NATIVE.nearest_ladder(parts, law, order, ends)[0][:, 0], indices[0, :, 0])
        for row in indices[0]:
            for group in origin[row].unique():
                chosen = row[origin[row] == group]
                assert torch.equal(chosen, torch.nonzero(origin == group)[: len(chosen), 0])
