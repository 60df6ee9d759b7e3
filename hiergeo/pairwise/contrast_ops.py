"""Contrast of every pair as operators of `torch.ops.hiergeo`: logits of distances, reduced over rows and columns."""

from typing import Any

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import widest
from hiergeo.pairwise import checks, derivatives
from hiergeo.pairwise.interface import LogitTerms
from hiergeo.pairwise.logits import REDUCTIONS
from hiergeo.pairwise.operands import PairFrame, Problem
from hiergeo.pairwise.operators import FACTORS, FACTORS_EXACT, Forms, operator
from hiergeo.pairwise.quantity import QUANTITIES, Quantity
from hiergeo.pairwise.transforms import SECOND_ORDER

LOGITS = "Tensor scale, Tensor bias, Tensor? labels_x, Tensor? labels_y, bool squared, str reduction, str quantity"
"""After the points: the logits bias - scale d or bias - scale d^2 / 2, what belongs together, how they are reduced."""

FOUND = "Tensor rows, Tensor columns"


def _reduced(
    frame: PairFrame,
    scale: Tensor,
    bias: Tensor,
    labels_x: Tensor | None,
    labels_y: Tensor | None,
    squared: bool,
    reduction: str,
    quantity: str,
) -> Forms:
    if quantity not in ("distance", "distance_l1"):
        raise InputError(f"quantity must be distance or distance_l1, not '{quantity}'.")
    if reduction not in REDUCTIONS:
        raise InputError(f"reduction must be {' or '.join(REDUCTIONS)}, not '{reduction}'.")
    for name, number in (("scale", scale), ("bias", bias)):
        checks.check_floats(name, number, frame.batch, frame.device)
    if (labels_x is None) != (labels_y is None):
        raise InputError("labels_x and labels_y must be given together.")
    for name, labels, shape in (("labels_x", labels_x, frame.rows), ("labels_y", labels_y, frame.y[:-1])):
        if labels is not None:
            checks.check_dtype(name, labels, (torch.int64,), "an int64 tensor")
            checks.check_operand(name, labels, shape, frame.device)
    exact = widest(frame.device)
    return [(shape, exact) for shape in (frame.rows, frame.y[:-1]) * 2]


def _terms(task: Problem, quantity: str, reduction: str, squared: bool, **logits: Any) -> tuple[Quantity, LogitTerms]:
    scale, bias = (task.flat(logits[name], 0) for name in ("scale", "bias"))
    of_x, of_y = (None if logits[name] is None else task.flat(logits[name]) for name in ("labels_x", "labels_y"))
    labels = None if of_x is None or of_y is None else (of_x, of_y)
    return QUANTITIES[quantity], LogitTerms(scale, bias, labels, squared, reduction)


@operator(
    "pair_contrast",
    f"({FACTORS}, {FACTORS_EXACT}, {LOGITS}) -> (Tensor, Tensor, Tensor, Tensor)",
    _reduced,
    derivative=derivatives.CONTRAST,
)
def pair_contrast(task: Problem, **logits: Any) -> tuple[Tensor, ...]:
    """Logits of every pair reduced over y (..., N) and over x (..., M), and the sums of matching ones, float64."""
    reduced = task.backend.contrast(task.factors, *_terms(task, **logits))
    return tuple(map(task.batched, reduced))


def _of_points(frame: PairFrame) -> list[list[tuple[torch.Size, torch.dtype]]]:
    """Shapes and dtypes of derivatives by directions, radii and curvature, (...), in each factor."""
    by_curvature = frame.gradients[4]
    sides = (frame.x[:-1], frame.y[:-1])
    return [
        [(torch.Size((*side, *size)), frame.dtype) for side in sides for size in ((width,), ())] + [by_curvature]
        for width in frame.widths
    ]


def _pulled(
    frame: PairFrame, rows: Tensor, columns: Tensor, upstream: list[Tensor], by_curvature: bool, **logits: Any
) -> Forms:
    forms = _reduced(frame, **logits)
    _check_shapes({"rows": [rows], "columns": [columns], "upstream": upstream}, [*forms[:2], *forms], frame)
    numbers = [frame.gradients[4]] * 2
    return [*(form for factor in _of_points(frame) for form in factor), *numbers]


def _check_shapes(given: dict[str, list[Tensor]], forms: Forms, frame: PairFrame) -> None:
    operands = [(name, tensor) for name, tensors in given.items() for tensor in tensors]
    if len(operands) != len(forms):
        raise InputError(f"{' and '.join(given)} must be {len(forms)} tensors, not {len(operands)}.")
    for (name, tensor), (shape, _) in zip(operands, forms, strict=True):
        checks.check_floats(name, tensor, torch.Size([size or 0 for size in shape]), frame.device)


@operator(
    "pair_contrast_backward",
    f"({FACTORS}, {FACTORS_EXACT}, {FOUND}, Tensor[] upstream, {LOGITS}, bool by_curvature) -> Tensor[]",
    _pulled,
    refusal=SECOND_ORDER,
    values=False,
)
def pair_contrast_backward(
    task: Problem, rows: Tensor, columns: Tensor, upstream: list[Tensor], by_curvature: bool, **logits: Any
) -> list[Tensor]:
    """Gradients of `upstream` times what `pair_contrast` gave: by u_x, r_x, u_y, r_y, K of each factor, scale and bias.

    `rows` and `columns` are those that it gave.
    """
    sums, pulls = ([task.flat(part) for part in parts] for parts in ((rows, columns), upstream))
    pulled = task.backend.contrast_backward(task.factors, *_terms(task, **logits), sums, pulls, by_curvature)
    return list(map(task.batched, pulled))
