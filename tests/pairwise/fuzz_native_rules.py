"""The rules of `fuzz_rules` for the operators of `torch.ops.hiergeo_native`."""

import math
from collections.abc import Iterable
from itertools import pairwise, zip_longest

import torch
from torch import Tensor

from hiergeo.pairwise.quantity import QUANTITIES
from tests.pairwise.fuzz_rules import (
    CODES,
    DISTANCES,
    FLOATS,
    MARGIN,
    MOST,
    ORDERED,
    POINTS,
    Operands,
    Rule,
    Shape,
    Shapes,
    apart,
    combined,
    exact_of,
    factors,
    is_huge,
    labelled,
    one_a_factor,
    plain,
    totals,
    with_exact,
    within,
)


def _rows(u: Tensor, dims: int) -> bool:
    return plain(u, FLOATS) and u.ndim == dims and (u.shape[-1] < 2 or u.stride(-1) == 1)


def _one_width(directions: Iterable[Tensor]) -> bool:
    """Whether all directions are float64, or none is."""
    return len({u.dtype == torch.float64 for u in directions}) == 1


def _native_points(o: Operands) -> Shape | None:
    """The shape (B, N, M) of the pairs of one space, or of one factor."""
    ux, rx, uy, ry = (o[name] for name in POINTS[:4])
    if not (_rows(ux, 3) and _rows(uy, 3) and _one_width((ux, uy)) and ux.shape[::2] == uy.shape[::2]):
        return None
    doubles = all(plain(r, (torch.float64,), tuple(u.shape[:2])) for u, r in ((ux, rx), (uy, ry)))
    return (*rx.shape, ry.shape[1]) if doubles and math.isfinite(o["curvature"]) else None


def _native_conic(o: Operands, quantity: int = 3) -> Shape | None:
    shape = _native_points(o)
    if shape is None or quantity not in CODES or not 0 <= o["product"] <= 2:
        return None
    aperture = o["aperture"]
    missing = QUANTITIES[CODES[quantity]].cone is not None
    fits = not missing if aperture is None else plain(aperture, (torch.float64,), shape[:2])
    return shape if fits else None


def _native_product(o: Operands, quantities: Iterable[str], swap: bool = False) -> Shape | None:
    """The shape (B, N, M) of the pairs of a product of spaces, for one of the quantities."""
    parts, quantity = factors(o), CODES.get(o["quantity"])
    if parts is None or quantity is None or quantity not in quantities or not one_a_factor(o, quantity, len(parts)):
        return None
    shape = combined([_native_points(part) for part in parts])
    if shape is None or not _one_width([*o["ux"], *o["uy"]]) or not 0 <= o["product"] <= 2:
        return None
    apexes = tuple(o["ry" if swap else "rx"][0].shape)
    return shape if all(plain(psi, (torch.float64,), apexes) for psi in o["aperture"]) else None


def _store(o: Operands) -> Shapes | None:
    shape = _native_product(o, QUANTITIES)
    return [shape] if shape is not None and plain(o["out"], FLOATS, shape) and apart(o["out"]) else None


def _backward(o: Operands) -> Shapes | None:
    shape = _native_conic(o, o["quantity"])
    compute = torch.float64 if o["ux"].dtype == torch.float64 else torch.float32
    if shape is None or not plain(o["upstream"], (compute,), shape):
        return None
    return [*(tuple(o[name].shape) for name in POINTS[:4]), shape[:2], shape[:1]]


def _native_reduced(results: int) -> Rule:
    def rule(o: Operands) -> Shapes | None:
        shape = _native_conic(o)
        return None if shape is None else [shape[:2]] * results

    return rule


def _energy_total(o: Operands) -> Shapes | None:
    shapes = totals(o, _native_conic(o))
    if shapes is None or not o["gradients"]:
        return shapes
    *found, by_curvature, by_aperture = shapes
    return [*found, by_aperture, by_curvature]


def _members(o: Operands) -> Shapes | None:
    shape = _native_conic(o)
    return [(shape[1] + 1,), None] if shape is not None and shape[0] == 1 else None


def _count(o: Operands) -> Shapes | None:
    reach = o["reach"]
    shape = _native_product(o, (MARGIN,) if reach is None else DISTANCES)
    if shape is None:
        return None
    return [shape[:2]] if reach is None or plain(reach, (torch.float64,), shape[:2]) else None


def _reduced(o: Operands, shape: Shape | None) -> tuple[Shape, Shape] | None:
    """The shapes (B, N) and (B, M) of what logits are reduced to."""
    if shape is None or not 0 <= o["product"] <= 2:
        return None
    sides = shape[:2], shape[::2]
    if not all(plain(o[name], (torch.float64,), shape[:1]) for name in ("scale", "bias")):
        return None
    return sides if labelled(o, sides) else None


def _contrast(o: Operands) -> Shapes | None:
    sides = _reduced(o, _native_product(o, DISTANCES))
    return None if sides is None else [*sides, *sides]


def _contrast_backward(o: Operands) -> Shapes | None:
    shape = _native_points(o)
    sides = _reduced(o, shape)
    if shape is None or sides is None or len(o["upstream"]) != 4:
        return None
    numbers = zip([o["rows"], o["columns"], *o["upstream"]], sides * 3, strict=True)
    if not all(plain(each, (torch.float64,), side) for each, side in numbers):
        return None
    return [*(tuple(o[name].shape) for name in POINTS[:4]), *[shape[:1]] * 3]


def _smallest(o: Operands) -> Shapes | None:
    shape = _native_product(o, ORDERED, o["swap"])
    return [(*shape[:2], o["k"])] * 2 if shape is not None and 1 <= o["k"] <= MOST else None


def _shadow(o: Operands) -> Shapes | None:
    fits = _native_points(o | {"ux": o["uy"], "rx": o["ry"]}) is not None and o["uy"].dtype != torch.float64
    return [None, None] if fits and len(o["uy"]) == 1 else None


def _smallest_among(o: Operands) -> Shapes | None:
    for u, rows, numbers in zip_longest(o["uy"], o["rows"], o["numbers"]):
        if any(each is None for each in (u, rows, numbers)) or u.ndim != 3 or len(u) != 1 or u.dtype == torch.float64:
            return None
        lines = [-(-size // 64) * 64 for size in u.shape[1:]]
        if not (plain(rows, (torch.uint8,), (u.shape[1], lines[1])) and plain(numbers, FLOATS[:1], (16, lines[0]))):
            return None
        if not (rows.is_contiguous() and numbers.is_contiguous()):
            return None
    return _smallest(o)


def _rank(o: Operands) -> Shapes | None:
    shape, target = _native_product(o, ORDERED, o["swap"]), o["target"]
    if shape is None or not plain(target, (torch.int64,), shape[:2]):
        return None
    return [shape[:2]] if is_huge(target) or within(target, shape[2]) else None


def _prefixes(o: Operands, candidates: int) -> bool:
    """Whether `order` names candidates, and `ends` ascends within its length."""
    order, ends = o["order"], o["ends"]
    if any(not plain(steps, (torch.int64,)) or steps.ndim != 1 for steps in (order, ends)):
        return False
    if is_huge(order) or is_huge(ends):
        return True
    return within(order, candidates) and all(a <= b for a, b in pairwise([0, *ends.tolist(), len(order)]))


def _nearest_ladder(o: Operands) -> Shapes | None:
    shape = _native_product(o, DISTANCES)
    if shape is None or shape[0] != 1 or not _prefixes(o, shape[2]):
        return None
    return [(shape[1], len(o["ends"]))] * 2


def _native_ladder(o: Operands) -> Shapes | None:
    q, c, norms = o["queries"], o["candidates"], o["norms"]
    if not (_rows(q, 2) and _rows(c, 2) and _one_width((q, c)) and q.shape[1] == c.shape[1]):
        return None
    if (norms is not None and not plain(norms, (torch.float64,), (len(c),))) or not 0 <= o["product"] <= 2:
        return None
    return [(len(q), len(o["ends"]))] * 2 if _prefixes(o, len(c)) else None


def _weigh(o: Operands) -> Shapes | None:
    items, own, other = o["items"], o["positive"], o["negative"]
    if not plain(items, (torch.int32,)) or items.ndim != 1:
        return None
    if any(not plain(side, (torch.float64,)) or side.ndim != 2 or len(side) != len(own) for side in (own, other)):
        return None
    rows = {True: own.shape[1], False: other.shape[1]}
    fits = is_huge(items) or all(0 <= item < 4 * rows[bool(item & 2)] for item in items.tolist())
    return [(len(own),)] if fits else None


def weighed(items: Tensor, positive: Tensor, negative: Tensor, precision: bool, chance: float) -> Tensor:
    """What `weigh` gives, one weight after the other."""
    values = []
    for own, other in zip(positive.tolist(), negative.tolist(), strict=True):
        true = false = above = wrong = total = 0.0
        for item in items.tolist():
            true, false = (true + own[item // 4], false) if item & 2 else (true, false + other[item // 4])
            if item & 1:
                total += 0 if precision else true * (2 * wrong + false)
                above, wrong = above + true, wrong + false
                total += true * above / (above + wrong) if precision and true else 0
                true = false = 0.0
        whole = above if precision else 2 * above * wrong
        values.append((total if precision else whole - total) / whole if whole else chance)
    return torch.tensor(values, dtype=torch.float64)


def _with_exact(rule: Rule) -> Rule:
    def checked(o: Operands) -> Shapes | None:
        exact = exact_of(o)
        contiguous = all(each.shape[-1] < 2 or each.stride(-1) == 1 for each in exact if each.ndim)
        return with_exact(rule)(o) if contiguous else None

    return checked


NATIVE_SHAPES: dict[str, Rule] = {
    "store": _store,
    "backward": _backward,
    "count": _count,
    "members": _members,
    "smallest": _smallest,
    "shadow": _shadow,
    "smallest_among": _smallest_among,
    "rank": _rank,
    "nearest_ladder": _nearest_ladder,
    "energy_sum": _native_reduced(1),
    "energy_total": _energy_total,
    "energy_min": _native_reduced(2),
    "contrast": _contrast,
    "contrast_backward": _contrast_backward,
    "ladder": _native_ladder,
    "weigh": _weigh,
}
NATIVE_SHAPES |= {
    name: _with_exact(rule) for name, rule in NATIVE_SHAPES.items() if name not in ("ladder", "shadow", "weigh")
}
