"""Which operands are right and what shapes the results have, for every operator: said once more, apart from its code.

A rule takes the operands by name and gives the shapes of the results, or None where an operand is wrong.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from hiergeo.pairwise import ops  # noqa: F401 - registers the operators
from hiergeo.pairwise.quantity import QUANTITIES

FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
REALS = (*FLOATS, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
HUGE = 1 << 45
MOST = 1024

Shapes = list[tuple[int, ...] | None]
Rule = Callable[[dict[str, Any]], Shapes | None]

PAIRED = (
    "pair_store",
    "pair_store_out",
    "pair_backward",
    "row_backward",
    "cone_count",
    "cone_members",
    "cone_smallest",
    "energy_sum",
    "energy_min",
    "ladder",
)
NATIVE = ("store", "backward", "count", "members", "smallest", "energy_sum", "energy_min", "ladder")
OPERATORS = [*((False, name) for name in PAIRED), *((True, name) for name in NATIVE)]


def named_operands(native: bool, name: str) -> list[str]:
    """The names of an operator's operands, from its schema."""
    namespace = torch.ops.hiergeo_native if native else torch.ops.hiergeo
    return [argument.name for argument in getattr(namespace, name).default._schema.arguments]


def _plain(tensor: Tensor, dtypes: tuple[torch.dtype, ...], shape: tuple[int, ...] | None = None) -> bool:
    there = tensor.layout is torch.strided and tensor.device.type == "cpu" and tensor.dtype in dtypes
    return there and (shape is None or tuple(tensor.shape) == shape)


def _points(o: dict[str, Any]) -> tuple[int, ...] | None:
    """The shape (..., N, M) of the pairs of `torch.ops.hiergeo`."""
    sides = [(o["ux"], o["rx"]), (o["uy"], o["ry"])]
    for u, r in sides:
        if not (_plain(u, FLOATS) and u.ndim >= 2 and _plain(r, FLOATS, tuple(u.shape[:-1]))):
            return None
    (ux, rx), (uy, ry) = sides
    if ux.shape[-1] != uy.shape[-1] or rx.shape[:-1] != ry.shape[:-1] or not _curved(o["curvature"]):
        return None
    return (*rx.shape, ry.shape[-1])


def _curved(k: Tensor) -> bool:
    return _plain(k, REALS, ()) and math.isfinite(k.item())


def _placed(o: dict[str, Any]) -> bool:
    """No zero direction with a radius, none negative, none beyond the antipode: changes of values are NaN alone."""
    k = o["curvature"].item()
    limit = math.pi / math.sqrt(k) if k > 0 else math.inf
    for u, r in ((o["ux"], o["rx"]), (o["uy"], o["ry"])):
        if max(u.shape, default=0) >= HUGE:
            return True
        reach = limit * (1 + torch.finfo(r.dtype).eps)
        if bool(((u == 0).all(-1) & (r > 0)).any()) or bool((r < 0).any()) or bool((r > reach).any()):
            return False
    return True


def _conic(o: dict[str, Any], quantity: str = "energy") -> tuple[int, ...] | None:
    shape = _points(o)
    if shape is None or quantity not in QUANTITIES:
        return None
    aperture = o["aperture"]
    fits = QUANTITIES[quantity].cone is None if aperture is None else _plain(aperture, FLOATS, shape[:-1])
    return shape if fits else None


def _pair_store(o: dict[str, Any]) -> Shapes | None:
    shape = _conic(o, o["quantity"])
    return [shape] if shape is not None and _placed(o) else None


def _apart(out: Tensor) -> bool:
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


def _pair_store_out(o: dict[str, Any]) -> Shapes | None:
    shape = _conic(o, o["quantity"])
    if shape is None or not _placed(o) or not _plain(o["out"], FLOATS, shape) or not _apart(o["out"]):
        return None
    try:
        o["out"].view(-1, *shape[-2:]) if o["out"].numel() else None
    except RuntimeError:
        return None
    return [shape]


def _pair_backward(o: dict[str, Any]) -> Shapes | None:
    shape = _conic(o, o["quantity"])
    if shape is None or not _plain(o["upstream"], FLOATS, shape):
        return None
    return [*(tuple(o[name].shape) for name in ("ux", "rx", "uy", "ry")), shape[:-2], shape[:-1]]


def _row_backward(o: dict[str, Any]) -> Shapes | None:
    shape = tuple(o["ux"].shape)
    floats = all(_plain(o[name], FLOATS) for name in ("ux", "rx", "uy", "ry", "upstream"))
    if not floats or not shape or not _curved(o["curvature"]) or o["quantity"] not in QUANTITIES:
        return None
    if tuple(o["uy"].shape) != shape or any(tuple(o[name].shape) != shape[:-1] for name in ("rx", "ry", "upstream")):
        return None
    return [shape, shape[:-1], shape, shape[:-1], shape[:-1]]


def _reduced(results: int) -> Rule:
    def rule(o: dict[str, Any]) -> Shapes | None:
        shape = _conic(o)
        return [shape[:-1]] * results if shape is not None and _placed(o) else None

    return rule


def _cone_members(o: dict[str, Any]) -> Shapes | None:
    shape = _conic(o)
    return [(shape[0] + 1,), None] if shape is not None and len(shape) == 2 and _placed(o) else None


def _cone_smallest(o: dict[str, Any]) -> Shapes | None:
    shape = _points(o)
    if shape is None or not 1 <= o["k"] <= min(MOST, shape[-1]) or not _placed(o):
        return None
    if o["offset"] is not None and not _plain(o["offset"], FLOATS, tuple(o["ry"].shape)):
        return None
    return [(*shape[:-1], o["k"])] * 2


def _ladder(o: dict[str, Any]) -> Shapes | None:
    q, c, radius, t = o["queries"], o["candidates"], o["radius"], o["thresholds"]
    if not (_plain(q, FLOATS) and _plain(c, FLOATS) and _plain(radius, REALS) and _plain(t, REALS)):
        return None
    if q.ndim != 2 or c.ndim != 2 or q.shape[1] != c.shape[1] or radius.shape != c.shape[:1] or t.ndim != 1:
        return None
    ascends = max(t.shape) >= HUGE or bool((t[1:] >= t[:-1]).all() and not t.isnan().any())
    return [(len(q), len(t))] if ascends else None


SHAPES: dict[str, Rule] = {
    "pair_store": _pair_store,
    "pair_store_out": _pair_store_out,
    "pair_backward": _pair_backward,
    "row_backward": _row_backward,
    "cone_count": _reduced(1),
    "cone_members": _cone_members,
    "cone_smallest": _cone_smallest,
    "energy_sum": _reduced(1),
    "energy_min": _reduced(2),
    "ladder": _ladder,
}


def _rows(u: Tensor, dims: int) -> bool:
    return _plain(u, FLOATS) and u.ndim == dims and (u.shape[-1] < 2 or u.stride(-1) == 1)


def _native_points(o: dict[str, Any]) -> tuple[int, ...] | None:
    ux, rx, uy, ry = (o[name] for name in ("ux", "rx", "uy", "ry"))
    if not (_rows(ux, 3) and _rows(uy, 3) and ux.dtype == uy.dtype and ux.shape[::2] == uy.shape[::2]):
        return None
    doubles = all(_plain(r, (torch.float64,), tuple(u.shape[:2])) for u, r in ((ux, rx), (uy, ry)))
    if not doubles or not math.isfinite(o["curvature"]) or not 0 <= o["product"] <= 2:
        return None
    return (*rx.shape, ry.shape[1])


def _native_conic(o: dict[str, Any], quantity: int = 3) -> tuple[int, ...] | None:
    shape = _native_points(o)
    if shape is None or not 0 <= quantity <= 3:
        return None
    aperture = o["aperture"]
    fits = quantity < 2 if aperture is None else _plain(aperture, (torch.float64,), shape[:2])
    return shape if fits else None


def _store(o: dict[str, Any]) -> Shapes | None:
    shape = _native_conic(o, o["quantity"])
    return [shape] if shape is not None and _plain(o["out"], FLOATS, shape) and _apart(o["out"]) else None


def _backward(o: dict[str, Any]) -> Shapes | None:
    shape = _native_conic(o, o["quantity"])
    compute = torch.float64 if o["ux"].dtype == torch.float64 else torch.float32
    if shape is None or o["quantity"] == 2 or not _plain(o["upstream"], (compute,), shape):
        return None
    return [*(tuple(o[name].shape) for name in ("ux", "rx", "uy", "ry")), shape[:2], shape[:1]]


def _native_reduced(results: int) -> Rule:
    def rule(o: dict[str, Any]) -> Shapes | None:
        shape = _native_conic(o)
        return None if shape is None else [shape[:2]] * results

    return rule


def _members(o: dict[str, Any]) -> Shapes | None:
    shape = _native_conic(o)
    return [(shape[1] + 1,), None] if shape is not None and shape[0] == 1 else None


def _smallest(o: dict[str, Any]) -> Shapes | None:
    shape = _native_points(o)
    if shape is None or not 1 <= o["k"] <= min(MOST, shape[-1]):
        return None
    fits = o["offset"] is None or _plain(o["offset"], (torch.float64,), tuple(o["ry"].shape))
    return [(*shape[:2], o["k"])] * 2 if fits else None


def _native_ladder(o: dict[str, Any]) -> Shapes | None:
    q, c, order, ends = o["queries"], o["candidates"], o["order"], o["ends"]
    if not (_rows(q, 2) and _rows(c, 2) and q.dtype == c.dtype and q.shape[1] == c.shape[1]):
        return None
    if any(not _plain(t, (torch.int64,)) or t.ndim != 1 for t in (order, ends)) or not 0 <= o["product"] <= 2:
        return None
    if max(len(order), len(ends)) >= HUGE:
        return [(len(q), len(ends))]
    within = all(0 <= i < len(c) for i in order.tolist())
    ascends = all(a <= b for a, b in pairwise([0, *ends.tolist(), len(order)]))
    return [(len(q), len(ends))] if within and ascends else None


NATIVE_SHAPES: dict[str, Rule] = {
    "store": _store,
    "backward": _backward,
    "count": _native_reduced(1),
    "members": _members,
    "smallest": _smallest,
    "energy_sum": _native_reduced(1),
    "energy_min": _native_reduced(2),
    "ladder": _native_ladder,
}
