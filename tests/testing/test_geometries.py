"""The suite of geometries finds wrong ones, and its accuracy bars are those of the numerics contract."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from hiergeo import Lorentz, Polar
from hiergeo.geometry import ConstantCurvature, Curved
from hiergeo.testing import GeometryConformance
from hiergeo.testing.assertions import assert_bars
from tests.testing.conformance_common import failures

CHART = "test_chart_round_trips_within_its_error"
FITS = "test_chart_fits_the_curvature"
BATCH = "test_chart_keeps_leading_dimensions"


class Sound(Curved):
    """The Lorentz model by another name."""

    sign = -1

    def ambient_dim(self, dim: int) -> int:
        return dim + 1

    def to_ambient(self, point: Polar) -> Tensor:
        return Lorentz(self.value).to_ambient(point)

    def from_ambient(self, x: Tensor) -> Polar:
        return Lorentz(self.value).from_ambient(x)


class Longer(Sound):
    """Its radii come back ten roundings too long."""

    def from_ambient(self, x: Tensor) -> Polar:
        point = super().from_ambient(x)
        return Polar(point.direction, point.radius * (1 + 10 * torch.finfo(x.dtype).eps))


class Turned(Sound):
    """Its directions come back turned by up to fifty roundings."""

    def from_ambient(self, x: Tensor) -> Polar:
        point = super().from_ambient(x)
        return Polar(point.direction + 50 * torch.finfo(x.dtype).eps * point.direction.roll(1, -1), point.radius)


class Single(Sound):
    """It gives float32 whatever it is given."""

    def to_ambient(self, point: Polar) -> Tensor:
        return super().to_ambient(point).float()


class Steep(Sound):
    """Its chart is that of twice the curvature, there and back."""

    def to_ambient(self, point: Polar) -> Tensor:
        return Lorentz(2 * self.value).to_ambient(point)

    def from_ambient(self, x: Tensor) -> Polar:
        return Lorentz(2 * self.value).from_ambient(x)


class Unbatched(Sound):
    """It takes one leading dimension."""

    def to_ambient(self, point: Polar) -> Tensor:
        return super().to_ambient(Polar(point.direction.flatten(0, -2), point.radius.flatten()))


class Doubled(Sound):
    """Its curvature is twice what it is asked for."""

    def __init__(self, curvature: float, learnable: bool = False) -> None:
        super().__init__(2 * curvature, learnable)


WRONG: dict[type[Sound], set[str]] = {
    Sound: set(),
    Longer: {CHART},
    Turned: {CHART},
    Single: {CHART, FITS},
    Steep: {FITS},
    Unbatched: {BATCH},
    Doubled: {"test_sign_and_size_of_the_curvature"},
}


def suite_of(kind: type[Sound]) -> Any:
    class Suite(GeometryConformance):
        registered = False

        def make(self, magnitude: float) -> ConstantCurvature:
            return kind(-magnitude)

        def make_learnable(self, magnitude: float) -> ConstantCurvature:
            return kind(-magnitude, learnable=True)

        def ambient_distance(self, geometry: ConstantCurvature, x: Tensor, y: Tensor) -> Tensor:
            """acosh of the Minkowski product, time first."""
            s = math.sqrt(abs(geometry.value))
            product = x[:, 0] * y[:, 0] - (x[:, 1:] * y[:, 1:]).sum(-1)
            return torch.acosh(s * s * product) / s

    return Suite()


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_charts_and_curvatures_are_found(kind: type[Sound]) -> None:
    assert failures(suite_of(kind)) == WRONG[kind]


ROWS = 2000
TRUTH = torch.linspace(0.1, 3, ROWS, dtype=torch.float64)


def measured(quantity: str, rows: int, error: float) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor, Tensor]]:
    """Angles, margins and distances that are right but for `rows` of one, which are off by `error`; and the truth."""
    apart = torch.cat((torch.zeros(1, dtype=torch.float64), TRUTH[1:]))
    truth = {"angle": TRUTH, "margin": TRUTH, "distance": apart}
    wrong = {name: value.clone() for name, value in truth.items()}
    wrong[quantity][:rows] += error
    return wrong, (TRUTH, TRUTH, apart)


@pytest.mark.parametrize(
    ("quantity", "rows", "within", "beyond"),
    [
        ("angle", ROWS, 4.9e-6, 5.2e-6),
        ("margin", ROWS, 4.9e-6, 5.2e-6),
        ("angle", 1, 9.9e-5, 1.1e-4),
        ("margin", 1, 9.9e-5, 1.1e-4),
        ("distance", 1, 0.0, 1e-12),
    ],
)
def test_bars_are_those_of_the_contract(quantity: str, rows: int, within: float, beyond: float) -> None:
    results, truth = measured(quantity, rows, within)
    assert_bars(**results, truth=truth)
    results, truth = measured(quantity, rows, beyond)
    with pytest.raises(AssertionError):
        assert_bars(**results, truth=truth)


@pytest.mark.parametrize(("relative", "refused"), [(0.9e-5, False), (1.1e-5, True)])
def test_the_bar_of_distances_is_relative(relative: float, refused: bool) -> None:
    results, truth = measured("distance", 0, 0.0)
    results["distance"][-1] *= 1 + relative
    if refused:
        with pytest.raises(AssertionError, match="distance"):
            assert_bars(**results, truth=truth)
    else:
        assert_bars(**results, truth=truth)
