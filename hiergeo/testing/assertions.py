"""Assertions that the conformance suites share: the accuracy bars of the numerics contract, and refusals."""

from collections.abc import Callable

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo.geometry import ConstantCurvature
from hiergeo.testing import oracle

ANGLE_MOST, ANGLE_WORST, DISTANCE_WORST = 5e-6, 1e-4, 1e-5
"""Exterior angle and margin: 99.9 % within the first, all within the second, radians; distance: relative error."""


def assert_bars(angle: Tensor, margin: Tensor, distance: Tensor, truth: tuple[Tensor, Tensor, Tensor]) -> None:
    """Assert that float32 results meet the bars against the float64 `truth` (angle, margin, distance)."""
    for name, measured, expected in (("exterior angle", angle, truth[0]), ("margin", margin, truth[1])):
        error = (measured.double() - expected).abs().flatten()
        most = float(error.kthvalue(max(1, int(0.999 * len(error)))).values)
        assert most <= ANGLE_MOST, f"{name}: 99.9 % of the errors are within {most:.2g} rad, not {ANGLE_MOST:g}"
        assert float(error.max()) <= ANGLE_WORST, f"{name}: the largest error is {float(error.max()):.2g} rad"
    apart = truth[2] > 0
    relative = ((distance.double() - truth[2]).abs() / torch.where(apart, truth[2], 1.0))[apart]
    assert float(relative.max()) <= DISTANCE_WORST, (
        f"distance: the largest relative error is {float(relative.max()):.2g}"
    )
    assert not bool(distance[~apart].any()), "the distance of coincident points is not 0"


def assert_refused(call: Callable[[], object], *named: str) -> None:
    """Assert that `call` raises an InputError whose message names all of `named`."""
    refusal = None
    try:
        call()
    except InputError as error:
        refusal = str(error)
    assert refusal is not None, f"nothing is refused where an InputError should name {', '.join(named)}"
    for name in named:
        assert name in refusal, f"the refusal does not name {name}: {refusal}"


def assert_text(text: object, what: str) -> None:
    """Assert that something is text without blanks around it."""
    assert isinstance(text, str), f"{what} is a {type(text).__name__}, not a string"
    assert text, f"{what} is empty"
    assert text == text.strip(), f"{what} begins or ends with a blank: {text!r}"


def curvature_of(geometry: ConstantCurvature) -> float:
    """The curvature of `geometry` as a plain number."""
    k = geometry.curvature
    return k.item() if isinstance(k, Tensor) else k


def slope(quantity: str, curvature: float, *points: tuple[Tensor, ...]) -> float:
    """The derivative by K of the sum of an oracle quantity over rows, by central differences in float64."""
    step = 1e-5 * abs(curvature)
    measure = getattr(oracle, quantity)
    ahead, behind = (float(measure(*points, k).sum()) for k in (curvature + step, curvature - step))
    return (ahead - behind) / (2 * step)
