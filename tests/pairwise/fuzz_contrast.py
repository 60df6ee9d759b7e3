"""The rules of `fuzz_rules` for the contrast of every pair, and operands for calls of it."""

import random
from typing import Any

import torch
from torch import Tensor

from hiergeo.pairwise.interface import Factor, LogitTerms
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.reference import REFERENCE
from tests.pairwise.fuzz_rules import (
    DISTANCES,
    FLOATS,
    POINTS,
    SHAPES,
    Operands,
    Shape,
    Shapes,
    labelled,
    paired,
    plain,
    with_exact,
)


def _sides(o: Operands, derived: bool = False) -> tuple[Shape, Shape] | None:
    """The shapes (..., N) and (..., M)."""
    shape = paired(o, derived=derived)
    if shape is None or o["quantity"] not in DISTANCES or o["reduction"] not in ("logsumexp", "softplus"):
        return None
    if not all(plain(o[name], FLOATS, shape[:-2]) for name in ("scale", "bias")):
        return None
    sides = shape[:-1], (*shape[:-2], shape[-1])
    return sides if labelled(o, sides) else None


def _reduced(o: Operands) -> Shapes | None:
    sides = _sides(o)
    return None if sides is None else [*sides, *sides]


def _found(o: Operands) -> tuple[Shape, Shape] | None:
    sides = _sides(o, derived=True)
    if sides is None or not all(
        plain(o[name], FLOATS, side) for name, side in zip(("rows", "columns"), sides, strict=True)
    ):
        return None
    return sides


def _pulled(o: Operands) -> Shapes | None:
    sides = _found(o)
    if sides is None or len(o["upstream"]) != 4:
        return None
    if not all(plain(each, FLOATS, side) for each, side in zip(o["upstream"], (*sides, *sides), strict=True)):
        return None
    batch = sides[0][:-1]
    by_factor = [
        [*(tuple(part.shape) for part in parts[:4]), batch] for parts in zip(*(o[n] for n in POINTS), strict=True)
    ]
    return [*(shape for shapes in by_factor for shape in shapes), batch, batch]


SHAPES |= {
    "pair_contrast": with_exact(_reduced),
    "pair_contrast_backward": with_exact(_pulled),
}


def operands(draw: random.Random, drawn: dict[str, Any], batch: Shape, n: int, m: int, native: bool) -> dict[str, Any]:
    """What a call takes beside points."""
    quantity = draw.choice(DISTANCES)

    def numbers(*shape: int) -> Tensor:
        return torch.rand(shape, dtype=torch.float64)

    labelled = draw.random() < 0.5
    labels = [torch.randint(0, 4, (*batch, size)) if labelled else None for size in (n, m)]
    return {
        "aperture": [],
        "quantity": QUANTITIES[quantity].code if native else quantity,
        "reduction": draw.choice(("logsumexp", "softplus")),
        "squared": draw.choice((True, False)),
        "softplus": draw.choice((True, False)),
        **{name: numbers(*batch) for name in ("scale", "bias")},
        "labels_x": labels[0],
        "labels_y": labels[1],
        "rows": numbers(*batch, n),
        "columns": numbers(*batch, m),
        "upstream": [numbers(*batch, size) for size in (n, m, n, m)],
    }


def referred(given: dict[str, Any]) -> list[Tensor]:
    """What the reference gives for the operands of a native operator; nothing of no problems."""
    labels = None if given["labels_x"] is None else (given["labels_x"], given["labels_y"])
    reduction = "softplus" if given["softplus"] else "logsumexp"
    terms = LogitTerms(given["scale"], given["bias"], labels, given["squared"], reduction)
    if "factors" in given:
        return list(REFERENCE.contrast(given["factors"], given["quantity"], terms))
    factors = [Factor(given["x"], given["y"], given["curvature"])]
    found = [given["rows"], given["columns"]]
    return list(REFERENCE.contrast_backward(factors, QUANTITIES["distance"], terms, found, given["upstream"]))
