"""Which operands are right and what shapes the results have, for every operator of `torch.ops.hiergeo`.

Said once more, apart from the code of the operators.

A rule takes the operands by name and gives the shapes of the results, or None where an operand is wrong.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from hiergeo.pairwise import contrast_ops, ops, search_ops, widening  # noqa: F401 - registers the operators
from hiergeo.pairwise.quantity import QUANTITIES

FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
NARROW = (torch.float32, torch.bfloat16, torch.float16)
REALS = (*FLOATS, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
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


def schema(native: bool, name: str) -> list[tuple[str, bool]]:
    """The names of an operator's operands, and whether each is a list with an entry for every factor."""
    namespace = torch.ops.hiergeo_native if native else torch.ops.hiergeo
    arguments = getattr(namespace, name).default._schema.arguments
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


def _points(o: Operands) -> Shape | None:
    """The shape (..., N, M) of the pairs of one space."""
    sides = [(o["ux"], o["rx"]), (o["uy"], o["ry"])]
    for u, r in sides:
        if not (plain(u, FLOATS) and u.ndim >= 2 and plain(r, FLOATS, tuple(u.shape[:-1]))):
            return None
    (ux, rx), (uy, ry) = sides
    if ux.shape[-1] != uy.shape[-1] or rx.shape[:-1] != ry.shape[:-1] or not _curved(o["curvature"]):
        return None
    return (*rx.shape, ry.shape[-1])


def _curved(k: Tensor) -> bool:
    return plain(k, REALS, ()) and math.isfinite(k.item())


def _placed(o: Operands) -> bool:
    """No zero direction with a radius, none negative, none beyond the antipode: changes of values are NaN alone."""
    k = o["curvature"].item()
    limit = math.pi / math.sqrt(k) if k > 0 else math.inf
    for u, r in ((o["ux"], o["rx"]), (o["uy"], o["ry"])):
        if is_huge(u):
            return True
        reach = limit * (1 + torch.finfo(r.dtype).eps)
        if bool(((u == 0).all(-1) & (r > 0)).any()) or bool((r < 0).any()) or bool((r > reach).any()):
            return False
    return True


def _placed_on_a_sphere(o: Operands) -> bool:
    """The same for derivatives, whose points were checked before: elsewhere they take any."""
    return o["curvature"].item() <= 0 or _placed(o)


def _conic(o: Operands, quantity: str = "energy") -> Shape | None:
    shape = _points(o)
    if shape is None or quantity not in QUANTITIES:
        return None
    aperture = o["aperture"]
    fits = QUANTITIES[quantity].cone is None if aperture is None else plain(aperture, FLOATS, shape[:-1])
    return shape if fits else None


def paired(o: Operands, swap: bool = False, derived: bool = False) -> Shape | None:
    """The shape (..., N, M) of the pairs of a product of spaces: with `swap` cones are at y; perhaps of derivatives."""
    parts, quantity = factors(o), o["quantity"]
    if parts is None or quantity not in QUANTITIES or not one_a_factor(o, quantity, len(parts)):
        return None
    shape = combined([_points(part) for part in parts])
    if shape is None or any(len({u.dtype for u in o[side]}) > 1 for side in ("ux", "uy")):
        return None
    apexes = tuple(o["ry" if swap else "rx"][0].shape)
    if any(not plain(psi, FLOATS, apexes) for psi in o["aperture"]):
        return None
    return shape if all(map(_placed_on_a_sphere if derived else _placed, parts)) else None


def _pair_store(o: Operands) -> Shapes | None:
    shape = _conic(o, o["quantity"])
    return [shape] if shape is not None and _placed(o) else None


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


def _written(o: Operands, shape: Shape | None) -> Shapes | None:
    if shape is None or not plain(o["out"], FLOATS, shape) or not apart(o["out"]):
        return None
    try:
        o["out"].view(-1, *shape[-2:]) if o["out"].numel() else None
    except RuntimeError:
        return None
    return [shape]


def _pair_store_out(o: Operands) -> Shapes | None:
    return _written(o, _conic(o, o["quantity"])) if _pair_store(o) else None


def _pair_backward(o: Operands) -> Shapes | None:
    shape = _conic(o, o["quantity"])
    if shape is None or not plain(o["upstream"], FLOATS, shape) or not _placed_on_a_sphere(o):
        return None
    return [*(tuple(o[name].shape) for name in POINTS[:4]), shape[:-2], shape[:-1]]


def _rows(o: Operands, *numbers: str) -> Shape | None:
    """The shape (..., D) of points that meet row by row, with `numbers` (...)."""
    shape = tuple(o["ux"].shape)
    numbers = tuple(name for name in numbers if o[name] is not None)
    floats = all(plain(o[name], FLOATS) for name in (*POINTS[:4], *numbers))
    if not floats or not shape or not _curved(o["curvature"]) or o["quantity"] not in QUANTITIES:
        return None
    fit = tuple(o["uy"].shape) == shape and all(tuple(o[name].shape) == shape[:-1] for name in ("rx", "ry", *numbers))
    return shape if fit else None


def _row_law(o: Operands) -> Shapes | None:
    shape, k = _rows(o), o["curvature"]
    if shape is None:
        return None
    limit = math.pi / math.sqrt(k) if k > 0 else math.inf
    for r in (o["rx"], o["ry"]):
        if not is_huge(o["ux"]) and bool((r.isfinite() & (r > limit * (1 + torch.finfo(r.dtype).eps))).any()):
            return None
    return [shape[:-1]] * 3


def _row_backward(o: Operands) -> Shapes | None:
    shape = _rows(o, "upstream", "versine", "coversine")
    if shape is None or (o["versine"] is None) != (o["coversine"] is None):
        return None
    return [shape, shape[:-1], shape, shape[:-1], shape[:-1]]


def _reduced(results: int) -> Rule:
    def rule(o: Operands) -> Shapes | None:
        shape = _conic(o)
        return [shape[:-1]] * results if shape is not None and _placed(o) else None

    return rule


def positive(margin: float | None) -> bool:
    """Whether a margin, where there is one, is a number > 0."""
    return margin is None or 0 < margin < math.inf


def totals(o: Operands, shape: Shape | None) -> Shapes | None:
    """The shapes of a total over all pairs and of its gradients."""
    if shape is None or not positive(o["margin"]):
        return None
    *batch, _, _ = shape
    gradients = [*(tuple(o[name].shape) for name in POINTS[:4]), tuple(batch), shape[:-1]]
    return [tuple(batch), *(gradients if o["gradients"] else [(*batch, 0)] * len(gradients))]


def _energy_total(o: Operands) -> Shapes | None:
    shape = _conic(o)
    return totals(o, shape) if shape is not None and _placed(o) else None


def _energy_total_backward(o: Operands) -> Shapes | None:
    found, k = o["slopes"], o["curvature"]
    if len(found) == 6 and plain(k, REALS, ()):
        o = {**o, "curvature": torch.zeros(())}  # its value is not needed where gradients are given
    shapes = totals({**o, "gradients": True}, _conic(o))
    if shapes is None or not plain(o["upstream"], FLOATS, shapes[0]) or len(found) not in (0, 6):
        return None
    wide = torch.float64 if torch.float64 in (o["ux"].dtype, o["uy"].dtype) else torch.float32
    dtypes = [wide] * 4 + [torch.float64] * 2
    fit = all(plain(of, (dtype,), shape) for of, dtype, shape in zip(found, dtypes, shapes[1:], strict=False))
    return shapes[1:] if fit else None


def _cone_members(o: Operands) -> Shapes | None:
    shape = _conic(o)
    return [(shape[0] + 1,), None] if shape is not None and len(shape) == 2 and _placed(o) else None


def _product_store(o: Operands) -> Shapes | None:
    shape = paired(o)
    return None if shape is None else [shape]


def _pair_count(o: Operands) -> Shapes | None:
    shape, reach = paired(o), o["reach"]
    if shape is None or o["quantity"] not in ((MARGIN,) if reach is None else DISTANCES):
        return None
    return [shape[:-1]] if reach is None or plain(reach, FLOATS, shape[:-1]) else None


def _pair_smallest(o: Operands) -> Shapes | None:
    shape = paired(o, o["swap"])
    if shape is None or o["quantity"] not in ORDERED or not 1 <= o["k"] <= MOST:
        return None
    return [(*shape[:-1], o["k"])] * 2


def _pair_rank(o: Operands) -> Shapes | None:
    shape, target = paired(o, o["swap"]), o["target"]
    if shape is None or o["quantity"] not in ORDERED or not plain(target, (torch.int64,), shape[:-1]):
        return None
    return [shape[:-1]] if is_huge(target) or within(target, shape[-1]) else None


def within(indices: Tensor, count: int) -> bool:
    return bool(((indices >= 0) & (indices < count)).all())


def _steps(o: Operands, candidates: int) -> bool:
    """Whether radii, thresholds and what is known of their order fit so many candidates."""
    radius, t, order = o["radius"], o["thresholds"], o["order"]
    if not (plain(radius, REALS, (candidates,)) and plain(t, REALS)) or t.ndim != 1:
        return False
    if order is not None and not plain(order, (torch.int64,), (candidates,)):
        return False
    if is_huge(t) or is_huge(radius):
        return True
    return bool((t[1:] >= t[:-1]).all() and not t.isnan().any()) and (order is None or within(order, candidates))


def _pair_ladder(o: Operands) -> Shapes | None:
    shape = paired(o)
    if shape is None or len(shape) != 2 or o["quantity"] not in DISTANCES or not _steps(o, shape[1]):
        return None
    return [(shape[0], len(o["thresholds"]))] * 2


def _ladder(o: Operands) -> Shapes | None:
    q, c = o["queries"], o["candidates"]
    if not (plain(q, FLOATS) and plain(c, FLOATS)) or q.ndim != 2 or c.ndim != 2 or q.shape[1] != c.shape[1]:
        return None
    if o["norms"] is not None and not plain(o["norms"], (torch.float64,), (len(c),)):
        return None
    return [(len(q), len(o["thresholds"]))] * 2 if _steps(o, len(c)) else None


def exact_of(o: Operands) -> list[Any]:
    """What directions were rounded from: vectors of x, vectors of y and origins."""
    named = [o.get(name) for name in ("vx", "vy", "origin")]
    return list(o["exact"]) if "exact" in o else [each for each in named if each is not None]


def with_exact(rule: Rule) -> Rule:
    """The rule, where what directions were rounded from fits them as well."""

    def checked(o: Operands) -> Shapes | None:
        exact = exact_of(o)
        ux, uy = (o[name] if isinstance(o[name], list) else [o[name]] for name in ("ux", "uy"))
        if exact and len(exact) != 3 * len(ux):
            return None
        for vectors, u in zip(exact, (*ux, *uy), strict=False):
            if u.dtype == torch.float64 or not plain(vectors, NARROW, tuple(u.shape)):
                return None
        for origin, u in zip(exact[2 * len(ux) :], ux, strict=False):
            if not plain(origin, (torch.float64,), tuple(u.shape[-1:])):
                return None
        return rule(o)

    return checked


def _widened(o: Operands) -> Shapes | None:
    return [tuple(o["x"].shape)] if plain(o["x"], FLOATS) else None


SHAPES: dict[str, Rule] = {
    "pair_store": _pair_store,
    "pair_store_out": _pair_store_out,
    "pair_backward": _pair_backward,
    "row_law": _row_law,
    "row_backward": _row_backward,
    "energy_sum": _reduced(1),
    "energy_total": _energy_total,
    "energy_total_backward": _energy_total_backward,
    "energy_min": _reduced(2),
    "cone_members": _cone_members,
    "product_store": _product_store,
    "product_store_out": lambda o: _written(o, paired(o)),
    "pair_count": _pair_count,
    "pair_smallest": _pair_smallest,
    "pair_rank": _pair_rank,
    "pair_ladder": _pair_ladder,
    "ladder": _ladder,
    "widened_half": _widened,
}
SHAPES |= {name: with_exact(rule) for name, rule in SHAPES.items() if name not in ("ladder", "widened_half")}
