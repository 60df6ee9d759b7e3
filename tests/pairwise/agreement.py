"""The error of a backend against the reference: one number for every kernel on a problem, to compare with a bar.

Values are compared directly. The error of a search is the difference between the scores that it found and the best
ones, or the distance of a misplaced pair from the threshold, so that ties and rounding count for little. Results that
are invalid, such as an index out of range, have an infinite error.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from hiergeo._core.polar import Exact, Polar, part_of
from hiergeo.pairwise.interface import FEW, Factor, LogitTerms, PairBackend
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.reference import REFERENCE
from tests.pairwise.case import CPU, DISTANCES, Case


def store(backend: PairBackend, case: Case, device: torch.device) -> float:
    """The largest error of a stored value; for distances relative to the distance."""
    errors = []
    for quantity in _offered(case):
        out = torch.full(case.shape, 7.0, dtype=case.dtype, device=device)
        backend.store(case.factors(quantity, device), QUANTITIES[quantity], out)
        expected = case.scores(quantity)
        unit = expected if quantity in DISTANCES else torch.ones_like(expected)
        errors.append(_worst((out.cpu().double() - expected.double()) / unit))
    return max(errors)


def backward(backend: PairBackend, case: Case, device: torch.device) -> float:
    """The largest error of a gradient, relative to the largest gradient by the same operand."""
    errors: list[float] = []
    upstream = case.normal(*case.shape).to(case.dtype)
    for name in ("distance", "energy"):
        results = []
        for of, place in ((REFERENCE, CPU), (backend, device)):
            ((x, y, k, psi),) = case.factors(name, place)
            results.append(of.backward(upstream.to(place), x, y, k, QUANTITIES[name], psi))
        expected, found = results
        errors += map(_of_largest, found, expected)
    return max(errors)


def count(backend: PairBackend, case: Case, device: torch.device) -> float:
    """The largest distance from the boundary of a cone or ball of a pair that was counted wrongly."""
    found = backend.count(case.factors("cone_margin", device), QUANTITIES["cone_margin"], None).cpu()
    errors = [_miscounted(found, case.scores("cone_margin"))]
    for name in DISTANCES[: 1 if case.single else 2]:
        scores = case.scores(name)
        reach = scores.mean(-1)
        found = backend.count(case.factors(name, device), QUANTITIES[name], reach.to(device)).cpu()
        errors.append(_miscounted(found, reach.unsqueeze(-1) - scores))
    return max(errors)


def members(backend: PairBackend, case: Case, device: torch.device) -> float:
    """The largest margin of a pair that is wrongly a member or wrongly not."""
    crow, columns = (part.cpu() for part in backend.members(*case.cone(device, first=True)))
    margins = case.scores("cone_margin")[0]
    if len(crow) != len(margins) + 1 or int(crow[0]) != 0 or int(crow[-1]) != len(columns):
        return math.inf
    sizes = crow.diff()
    if bool((sizes < 0).any()) or not _within(columns, margins.shape[1]):
        return math.inf
    rows = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    places = rows * margins.shape[1] + columns
    if bool((places.diff() <= 0).any()):
        return math.inf
    inside = torch.zeros(margins.numel(), dtype=torch.bool)
    inside[places] = True
    return _worst(margins[inside.view_as(margins) != (margins >= 0)])


def smallest(backend: PairBackend, case: Case, device: torch.device) -> float:
    """The largest error of one of the best k scores, as returned and as looked up by its index."""
    return max(_best(backend, case.factors(name, device, swap), name, swap, of) for name, swap, of in _orders(case))


def shadow(backend: PairBackend, case: Case, device: torch.device) -> float:
    """As `smallest`, of the first queries among points with shadows."""
    errors = []
    for name, swap, scores in _orders(case):
        factors = []
        for x, y, k, psi in case.factors(name, device, swap, first=True):
            kept = backend.shadow(Polar(y.direction[0], y.radius[0]), k)
            beside = Exact.of(y, y.direction, y.direction[0, 0].double(), shadow=kept)
            factors.append(Factor(part_of(x, slice(FEW)), beside, k, psi))
        errors.append(_best(backend, factors, name, swap, scores[:1, :FEW]))
    return max(errors)


def _best(backend: PairBackend, factors: list[Factor], name: str, swap: bool, scores: Tensor) -> float:
    k = min(10, scores.shape[-1])
    values, indices = (part.cpu() for part in backend.smallest(factors, QUANTITIES[name], k, swap))
    distinct = indices.sort(-1).values.diff(dim=-1) > 0
    if not _within(indices, scores.shape[-1]) or not bool(distinct.all()) or bool((values.diff(dim=-1) < 0).any()):
        return math.inf
    best = scores.sort(-1).values[..., :k]
    return max(_relative(values, best), _relative(scores.gather(-1, indices), best))


def rank(backend: PairBackend, case: Case, device: torch.device) -> float:
    """The difference between the score of the target and the score at its returned rank."""
    errors: list[float] = []
    target = case.integers(case.shape[2], *case.shape[:2])
    for name, swap, scores in _orders(case):
        ranks = backend.rank(case.factors(name, device, swap), QUANTITIES[name], target.to(device), swap).cpu()
        if not _within(ranks, scores.shape[-1]):
            return math.inf
        own = scores.gather(-1, target.unsqueeze(-1))
        errors.append(_relative(scores.sort(-1).values.gather(-1, ranks.unsqueeze(-1)), own))
    return max(errors)


def nearest_ladder(backend: PairBackend, case: Case, device: torch.device) -> float:
    """As `ladder`, of distances."""
    order, ends = _prefixes(case)
    errors = []
    for name in DISTANCES[: 1 if case.single else 2]:
        factors = case.factors(name, device, first=True)
        found = backend.nearest_ladder(factors, QUANTITIES[name], order.to(device), ends.to(device))
        errors.append(_ladder(*found, case.scores(name)[0], order, ends))
    return max(errors)


def energy_sum(backend: PairBackend, case: Case, device: torch.device) -> float:
    """The largest error of a mean energy."""
    means = backend.energy_sum(*case.cone(device)) / case.shape[2]
    return _relative(means, case.scores("energy").mean(-1))


def energy_total(backend: PairBackend, case: Case, device: torch.device) -> float:
    """The largest error of a mean over all pairs, and of its gradients, relative to the largest by the same operand."""
    errors: list[float] = []
    pairs = case.shape[1] * case.shape[2]
    for margin, wanted in ((None, False), (0.5, True)):
        total, expected = REFERENCE.energy_total(*case.cone(CPU), margin, wanted)
        found, gradients = backend.energy_total(*case.cone(device), margin, wanted)
        errors += [_relative(found / pairs, total / pairs), *map(_of_largest, gradients or (), expected or ())]
    return max(errors)


def energy_min(backend: PairBackend, case: Case, device: torch.device) -> float:
    """The largest error of a least energy, as returned and as looked up by its index."""
    values, indices = (part.cpu() for part in backend.energy_min(*case.cone(device)))
    scores = case.scores("energy")
    if not _within(indices, scores.shape[-1]):
        return math.inf
    least, found = scores.amin(-1), scores.gather(-1, indices.unsqueeze(-1)).squeeze(-1)
    return max(_relative(values, least), _relative(found, least))


def ladder(backend: PairBackend, case: Case, device: torch.device) -> float:
    """The largest error of a best score within a threshold, as returned and as looked up by its index."""
    x, y, *_ = case.cone(device, first=True)
    queries, candidates = x.direction[0], y.direction[0]
    order, ends = _prefixes(case)
    indices, cosines = backend.ladder(queries, candidates, None, order.to(device), ends.to(device))
    q, c = (torch.nn.functional.normalize(of.cpu().double(), dim=-1) for of in (queries, candidates))
    return _ladder(indices, -cosines, -(q @ c.mT), order, ends)


def contrast(backend: PairBackend, case: Case, device: torch.device) -> float:
    """The largest error of what logits were reduced to, relative to 1 plus that."""
    errors = []
    for quantity, terms in _reductions(case):
        expected, found = (
            of.contrast(case.factors(quantity, place), QUANTITIES[quantity], _on(place, terms))
            for of, place in ((REFERENCE, CPU), (backend, device))
        )
        errors += [_relative(one, other, 1) for one, other in zip(found, expected, strict=True)]
    return max(errors)


def contrast_backward(backend: PairBackend, case: Case, device: torch.device) -> float:
    """The largest error of a gradient of that, relative to the largest gradient by the same operand."""
    errors: list[float] = []
    for quantity, terms in _reductions(case):
        at = QUANTITIES[quantity]
        reduced = REFERENCE.contrast(case.factors(quantity, CPU), at, terms)
        upstream = [case.normal(*part.shape) for part in reduced]
        results = []
        for of, place in ((REFERENCE, CPU), (backend, device)):
            sums, pulls = ([part.to(place) for part in parts] for parts in (reduced[:2], upstream))
            factors = case.factors(quantity, place)
            results.append(of.contrast_backward(factors, at, _on(place, terms), sums, pulls))
        expected, found = results
        errors += map(_of_largest, found, expected)
    return max(errors)


def weigh(backend: PairBackend, case: Case, device: torch.device) -> float:
    """The largest error of an area under the ROC curve or an average precision; 0 where there is no kernel."""
    true, false = case.integers(9, 2, 20)
    weights = case.uniform(11, 20)
    level, rank = torch.cat((true, false)).sort(stable=True)
    last = torch.cat((level.diff() > 0, level.new_ones(1, dtype=torch.bool)))
    items = (4 * (rank % 20) + 2 * (rank < 20) + last).int()
    wins = (true[:, None] < false).double() + (true[:, None] == false).double() / 2
    mass = weights.sum(1)
    area = (weights @ wins * weights).sum(1) / mass.square()
    above, wrong = (weights @ (side[:, None] <= true).double() for side in (true, false))
    precision = (weights * above / (above + wrong)).sum(1) / mass
    found = (backend.weigh(items, weights, weights, precise, 0.5) for precise in (False, True))
    pairs = zip(found, (area, precision), strict=True)
    return max(0.0 if values is None else _relative(values, expected) for values, expected in pairs)


def _reductions(case: Case) -> Iterator[tuple[str, LogitTerms]]:
    batch, *sizes = case.shape
    of_x, of_y = (case.integers(4, batch, size) for size in sizes)
    scale, bias = 1 + 4 * case.uniform(batch), case.normal(batch)
    yield "distance", LogitTerms(scale, bias, (of_x, of_y), False, "logsumexp")
    yield DISTANCES[0 if case.single else 1], LogitTerms(scale, bias, None, True, "softplus")


def _on(device: torch.device, terms: LogitTerms) -> LogitTerms:
    labels = None if terms.labels is None else (terms.labels[0].to(device), terms.labels[1].to(device))
    return terms._replace(scale=terms.scale.to(device), bias=terms.bias.to(device), labels=labels)


Kernel = Callable[[PairBackend, Case, torch.device], float]

OF_PRODUCTS: dict[str, Kernel] = {
    "store": store,
    "count": count,
    "smallest": smallest,
    "shadow": shadow,
    "rank": rank,
    "nearest_ladder": nearest_ladder,
    "contrast": contrast,
    "contrast_backward": contrast_backward,
}
"""The kernels that combine factors of a product of spaces."""

OF_ONE_SPACE: dict[str, Kernel] = {
    "backward": backward,
    "members": members,
    "energy_sum": energy_sum,
    "energy_total": energy_total,
    "energy_min": energy_min,
    "ladder": ladder,
    "weigh": weigh,
}

IN_TF32 = (
    *("store", "backward", "contrast", "contrast_backward"),
    *("count", "members", "energy_sum", "energy_total", "energy_min"),
)
"""Kernels that multiply in TF32 where torch is allowed to; searches stay exact."""


def kernels(case: Case) -> dict[str, Kernel]:
    """The kernels that can be compared on a problem."""
    return {**OF_PRODUCTS, **OF_ONE_SPACE} if case.single else OF_PRODUCTS


def _offered(case: Case) -> list[str]:
    return ["exterior_angle", "distance", "cone_margin", "energy"] if case.single else [*DISTANCES, "cone_margin"]


def _orders(case: Case) -> list[tuple[str, bool, Tensor]]:
    """Orders of candidates: the quantity, whether y is the apex, and the scores, ascending from the best."""
    names = ["distance", "exterior_angle"] if case.single else list(DISTANCES)
    orders = [(name, name == "exterior_angle", case.scores(name, name == "exterior_angle")) for name in names]
    return [*orders, ("cone_margin", True, -case.scores("cone_margin", True))]


def _prefixes(case: Case) -> tuple[Tensor, Tensor]:
    """An order of the candidates, and how many of them each of a few thresholds admits."""
    m = case.shape[2]
    return case.uniform(m).argsort(), torch.tensor([0, m // 4, m // 2, m], device="cpu")


def _ladder(indices: Tensor, values: Tensor, scores: Tensor, order: Tensor, ends: Tensor) -> float:
    """How far indices and values (N, T) are from the smallest of `scores` (N, M) within prefixes."""
    indices, values = indices.cpu(), values.cpu().double()
    errors = [0.0]
    for t, end in enumerate(ends.tolist()):
        admitted = torch.full_like(scores, math.inf)
        admitted[:, order[:end]] = scores[:, order[:end]]
        if end == 0:
            errors.append(0.0 if bool((indices[:, t] == -1).all()) and bool(values[:, t].isnan().all()) else math.inf)
            continue
        if not _within(indices[:, t], scores.shape[1]):
            return math.inf
        best = admitted.amin(-1)
        errors += [_relative(values[:, t], best), _relative(admitted.gather(-1, indices[:, t, None])[:, 0], best)]
    return max(errors)


def _miscounted(counts: Tensor, margins: Tensor) -> float:
    """A lower bound of the largest margin (..., M) among those that were counted wrongly."""
    expected, most = (margins >= 0).sum(-1), margins.shape[-1]
    if not _within(counts, most + 1):
        return math.inf
    ordered = margins.sort(-1, descending=True).values
    wrong = torch.where(counts > expected, counts - 1, counts).clamp_max(most - 1)
    return _worst(ordered.gather(-1, wrong.unsqueeze(-1)).squeeze(-1)[counts != expected])


def _within(indices: Tensor, bound: int) -> bool:
    return bool(((indices >= 0) & (indices < bound)).all())


def _relative(found: Tensor, expected: Tensor, offset: float = 0) -> float:
    """The largest difference; with an `offset` of 1 relative to 1 plus the expected magnitude."""
    return _worst((found.cpu().double() - expected.double()) / (1 + offset * expected.double().abs()))


def _of_largest(found: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest expected magnitude."""
    return _worst(found.cpu().double() - expected.double()) / (_worst(expected.double()) or 1.0)


def _worst(errors: Tensor) -> float:
    return float(errors.abs().nan_to_num(nan=math.inf).max()) if errors.numel() else 0.0
