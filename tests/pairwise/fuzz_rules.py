"""Which operands are right and what shapes the results have, for every operator of `torch.ops.hiergeo_native`.

Said once more, apart from the code of the operators.

A rule takes the operands by name and gives the shapes of the results, or None where an operand is wrong.
"""

import math
from collections.abc import Callable, Iterable
from itertools import pairwise, zip_longest
from typing import Any

import torch
from torch import Tensor

from hiergeo.pairwise import native  # noqa: F401 - registers the operators
from hiergeo.pairwise.quantity import QUANTITIES

FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
NARROW = (torch.float32, torch.bfloat16, torch.float16)
DOUBLE = (torch.float64,)
HUGE = 1 << 45
MOST = 1024

MARGIN = "cone_margin"
DISTANCES = ("distance", "distance_l1")
COMBINED = (*DISTANCES, MARGIN)
"""The quantities of products of spaces."""

ORDERED = ("exterior_angle", *COMBINED)
CODES = {quantity.code: name for name, quantity in QUANTITIES.items()}
POINTS = ("ux", "rx", "uy", "ry", "curvature")

Operands = dict[str, Any]
Shape = tuple[int, ...]
Shapes = list[Shape | None]
Rule = Callable[[Operands], Shapes | None]


def schema(name: str) -> list[tuple[str, bool]]:
    """The names of an operator's operands, and whether each is a list with an entry for every factor."""
    arguments = getattr(torch.ops.hiergeo_native, name).default._schema.arguments
    return [(argument.name, str(argument.type).startswith("List")) for argument in arguments]


def tensors(operands: Iterable[object]) -> list[Tensor]:
    """All tensors among operands, also those in lists."""
    flat = [part for operand in operands for part in (operand if isinstance(operand, list) else [operand])]
    return [part for part in flat if isinstance(part, Tensor)]


def is_huge(tensor: Tensor) -> bool:
    return max(tensor.shape, default=0) >= HUGE


def plain(tensor: Tensor, dtypes: tuple[torch.dtype, ...], shape: Shape | None = None) -> bool:
    there = tensor.layout is torch.strided and tensor.device.type == "cpu" and tensor.dtype in dtypes
    return there and (shape is None or tuple(tensor.shape) == shape)


def labelled(o: Operands, sides: tuple[Shape, Shape]) -> bool:
    """Whether integers say what of two sides matches, or nothing does."""
    labels = o["labels_x"], o["labels_y"]
    return labels == (None, None) or all(
        each is not None and plain(each, (torch.int64,), side) for each, side in zip(labels, sides, strict=True)
    )


def factors(o: Operands) -> list[Operands] | None:
    """The operands of each factor, or None unless there is one factor at least and every list holds them all."""
    counts = {len(o[name]) for name in POINTS}
    if len(counts) > 1 or 0 in counts:
        return None
    return [dict(zip(POINTS, part, strict=True)) for part in zip(*(o[name] for name in POINTS), strict=True)]


def combined(shapes: list[Shape | None]) -> Shape | None:
    """The shape that all factors have."""
    return shapes[0] if len(set(shapes)) == 1 else None


def one_a_factor(o: Operands, quantity: str, count: int) -> bool:
    """Whether the quantity has a value in so many factors, and there are as many half apertures as it needs."""
    conic = QUANTITIES[quantity].cone is not None
    return (count == 1 or quantity in COMBINED) and len(o["aperture"]) == (count if conic else 0)


def apart(out: Tensor) -> bool:
    """Rows that are contiguous, and no number that is written twice."""
    if out.numel() == 0:
        return True
    if out.shape[-1] > 1 and out.stride(-1) != 1:
        return False
    extent = 0
    for stride, size in sorted(zip(out.stride(), out.shape, strict=True)):
        if size > 1:
            if stride <= extent:
                return False
            extent += stride * (size - 1)
    return True


def within(indices: Tensor, count: int) -> bool:
    return bool(((indices >= 0) & (indices < count)).all())


def _rows(u: Tensor, dims: int) -> bool:
    return plain(u, FLOATS) and u.ndim == dims and (u.shape[-1] < 2 or u.stride(-1) == 1)


def _one_width(directions: Iterable[Tensor]) -> bool:
    """Whether all directions are float64, or none is."""
    return len({u.dtype == torch.float64 for u in directions}) == 1


def _points(o: Operands) -> Shape | None:
    """The shape (B, N, M) of the pairs of one space, or of one factor."""
    ux, rx, uy, ry = (o[name] for name in POINTS[:4])
    if not (_rows(ux, 3) and _rows(uy, 3) and _one_width((ux, uy)) and ux.shape[::2] == uy.shape[::2]):
        return None
    doubles = all(plain(r, DOUBLE, tuple(u.shape[:2])) for u, r in ((ux, rx), (uy, ry)))
    return (*rx.shape, ry.shape[1]) if doubles and math.isfinite(o["curvature"]) else None


def _conic(o: Operands, quantity: int = 3) -> Shape | None:
    shape = _points(o)
    if shape is None or quantity not in CODES or not 0 <= o["product"] <= 2:
        return None
    aperture = o["aperture"]
    missing = QUANTITIES[CODES[quantity]].cone is not None
    fits = not missing if aperture is None else plain(aperture, DOUBLE, shape[:2])
    return shape if fits else None


def _product(o: Operands, quantities: Iterable[str], swap: bool = False) -> Shape | None:
    """The shape (B, N, M) of the pairs of a product of spaces, for one of the quantities."""
    parts, quantity = factors(o), CODES.get(o["quantity"])
    if parts is None or quantity is None or quantity not in quantities or not one_a_factor(o, quantity, len(parts)):
        return None
    shape = combined([_points(part) for part in parts])
    if shape is None or not _one_width([*o["ux"], *o["uy"]]) or not 0 <= o["product"] <= 2:
        return None
    apexes = tuple(o["ry" if swap else "rx"][0].shape)
    return shape if all(plain(psi, DOUBLE, apexes) for psi in o["aperture"]) else None


def _store(o: Operands) -> Shapes | None:
    shape = _product(o, QUANTITIES)
    return [shape] if shape is not None and plain(o["out"], FLOATS, shape) and apart(o["out"]) else None


def _backward(o: Operands) -> Shapes | None:
    shape = _conic(o, o["quantity"])
    compute = torch.float64 if o["ux"].dtype == torch.float64 else torch.float32
    if shape is None or not plain(o["upstream"], (compute,), shape):
        return None
    return [*(tuple(o[name].shape) for name in POINTS[:4]), shape[:2], shape[:1]]


def _by_row(results: int) -> Rule:
    def rule(o: Operands) -> Shapes | None:
        shape = _conic(o)
        return None if shape is None else [shape[:2]] * results

    return rule


def _members(o: Operands) -> Shapes | None:
    shape = _conic(o)
    return [(shape[1] + 1,), None] if shape is not None and shape[0] == 1 else None


def _count(o: Operands) -> Shapes | None:
    reach = o["reach"]
    shape = _product(o, (MARGIN,) if reach is None else DISTANCES)
    if shape is None:
        return None
    return [shape[:2]] if reach is None or plain(reach, DOUBLE, shape[:2]) else None


def _reduced(o: Operands, shape: Shape | None) -> tuple[Shape, Shape] | None:
    """The shapes (B, N) and (B, M) of what logits are reduced to."""
    if shape is None or not 0 <= o["product"] <= 2:
        return None
    sides = shape[:2], shape[::2]
    if not all(plain(o[name], DOUBLE, shape[:1]) for name in ("scale", "bias")):
        return None
    return sides if labelled(o, sides) else None


def _contrast(o: Operands) -> Shapes | None:
    sides = _reduced(o, _product(o, DISTANCES))
    return None if sides is None else [*sides, *sides]


def _contrast_backward(o: Operands) -> Shapes | None:
    shape = _points(o)
    sides = _reduced(o, shape)
    if shape is None or sides is None or len(o["upstream"]) != 4:
        return None
    numbers = zip([o["rows"], o["columns"], *o["upstream"]], sides * 3, strict=True)
    if not all(plain(part, DOUBLE, side) for part, side in numbers):
        return None
    return [*(tuple(o[name].shape) for name in POINTS[:4]), *[shape[:1]] * 3]


def _smallest(o: Operands) -> Shapes | None:
    shape = _product(o, ORDERED, o["swap"])
    return [(*shape[:2], o["k"])] * 2 if shape is not None and 1 <= o["k"] <= MOST else None


def _shadow(o: Operands) -> Shapes | None:
    fits = _points(o | {"ux": o["uy"], "rx": o["ry"]}) is not None and o["uy"].dtype != torch.float64
    return [None, None] if fits and len(o["uy"]) == 1 else None


def _smallest_among(o: Operands) -> Shapes | None:
    for u, rows, numbers in zip_longest(o["uy"], o["rows"], o["numbers"]):
        if any(part is None for part in (u, rows, numbers)) or u.ndim != 3 or len(u) != 1 or u.dtype == torch.float64:
            return None
        lines = [-(-size // 64) * 64 for size in u.shape[1:]]
        if not (plain(rows, (torch.uint8,), (u.shape[1], lines[1])) and plain(numbers, FLOATS[:1], (16, lines[0]))):
            return None
        if not (rows.is_contiguous() and numbers.is_contiguous()):
            return None
    return _smallest(o)


def _rank(o: Operands) -> Shapes | None:
    shape, target = _product(o, ORDERED, o["swap"]), o["target"]
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
    shape = _product(o, DISTANCES)
    if shape is None or shape[0] != 1 or not _prefixes(o, shape[2]):
        return None
    return [(shape[1], len(o["ends"]))] * 2


def _ladder(o: Operands) -> Shapes | None:
    q, c, norms = o["queries"], o["candidates"], o["norms"]
    if not (_rows(q, 2) and _rows(c, 2) and _one_width((q, c)) and q.shape[1] == c.shape[1]):
        return None
    if (norms is not None and not plain(norms, DOUBLE, (len(c),))) or not 0 <= o["product"] <= 2:
        return None
    return [(len(q), len(o["ends"]))] * 2 if _prefixes(o, len(c)) else None


def _weigh(o: Operands) -> Shapes | None:
    items, own, other = o["items"], o["positive"], o["negative"]
    if not plain(items, (torch.int32,)) or items.ndim != 1:
        return None
    if any(not plain(side, DOUBLE) or side.ndim != 2 or len(side) != len(own) for side in (own, other)):
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


def _totals(o: Operands) -> Shapes | None:
    """The shapes of a total over all pairs and of its gradients."""
    shape, margin = _conic(o), o["margin"]
    if shape is None or not (margin is None or 0 < margin < math.inf):
        return None
    batch, n, _ = shape
    gradients = [*(tuple(o[name].shape) for name in POINTS[:4]), (batch, n), (batch,)]
    return [(batch,), *(gradients if o["gradients"] else [(batch, 0)] * len(gradients))]


def _exactly(rule: Rule) -> Rule:
    """The rule, where what directions were rounded from (vectors of x, of y, and origins) fits them as well."""

    def checked(o: Operands) -> Shapes | None:
        exact = o["exact"]
        ux, uy = (o[name] if isinstance(o[name], list) else [o[name]] for name in ("ux", "uy"))
        if exact and len(exact) != 3 * len(ux):
            return None
        if any(part.ndim and part.shape[-1] > 1 and part.stride(-1) != 1 for part in exact):
            return None
        for vectors, u in zip(exact, (*ux, *uy), strict=False):
            if u.dtype == torch.float64 or not plain(vectors, NARROW, tuple(u.shape)):
                return None
        for origin, u in zip(exact[2 * len(ux) :], ux, strict=False):
            if not plain(origin, DOUBLE, tuple(u.shape[-1:])):
                return None
        return rule(o)

    return checked


SHAPES: dict[str, Rule] = {
    "store": _store,
    "backward": _backward,
    "count": _count,
    "members": _members,
    "smallest": _smallest,
    "shadow": _shadow,
    "smallest_among": _smallest_among,
    "rank": _rank,
    "nearest_ladder": _nearest_ladder,
    "energy_sum": _by_row(1),
    "energy_total": _totals,
    "energy_min": _by_row(2),
    "contrast": _contrast,
    "contrast_backward": _contrast_backward,
    "ladder": _ladder,
    "weigh": _weigh,
}
SHAPES |= {name: _exactly(rule) for name, rule in SHAPES.items() if name not in ("ladder", "shadow", "weigh")}
