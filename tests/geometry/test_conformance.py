"""Every geometry of the package through the public conformance suite, and one as a third party would add it."""

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from hiergeo import Euclidean, Lorentz, PoincareBall, Polar, Sphere
from hiergeo._core import plugins
from hiergeo._core.errors import InputError
from hiergeo.geometry import ConstantCurvature, Curved, Geometry, names, parse
from hiergeo.geometry.charts import geoopt
from hiergeo.testing import GeometryConformance


class TestEuclidean(GeometryConformance):
    def make(self, magnitude: float) -> ConstantCurvature:
        return Euclidean()

    def ambient_distance(self, geometry: ConstantCurvature, x: Tensor, y: Tensor) -> Tensor:
        return torch.nn.functional.pairwise_distance(x, y, eps=0)


class TestLorentz(GeometryConformance):
    reach: ClassVar = {torch.float32: 12.0, torch.float64: 30.0}

    def make(self, magnitude: float) -> ConstantCurvature:
        return Lorentz(-magnitude)

    def make_learnable(self, magnitude: float) -> ConstantCurvature:
        return Lorentz(-magnitude, learnable=True)

    def ambient_distance(self, geometry: ConstantCurvature, x: Tensor, y: Tensor) -> Tensor:
        return geoopt().Lorentz(k=torch.tensor(-1 / geometry.value, dtype=torch.float64)).dist(x, y)


class TestPoincareBall(GeometryConformance):
    reach: ClassVar = {torch.float32: 5.99, torch.float64: 25.9}

    def make(self, magnitude: float) -> ConstantCurvature:
        return PoincareBall(-magnitude)

    def make_learnable(self, magnitude: float) -> ConstantCurvature:
        return PoincareBall(-magnitude, learnable=True)

    def ambient_distance(self, geometry: ConstantCurvature, x: Tensor, y: Tensor) -> Tensor:
        return geoopt().PoincareBall(c=torch.tensor(-geometry.value, dtype=torch.float64)).dist(x, y)


class TestSphere(GeometryConformance):
    reach: ClassVar = {torch.float32: 3.1, torch.float64: 3.1}

    def make(self, magnitude: float) -> ConstantCurvature:
        return Sphere(magnitude)

    def make_learnable(self, magnitude: float) -> ConstantCurvature:
        return Sphere(magnitude, learnable=True)

    def ambient_distance(self, geometry: ConstantCurvature, x: Tensor, y: Tensor) -> Tensor:
        return geoopt().SphereProjection(k=torch.tensor(geometry.value, dtype=torch.float64)).dist(x, y)


class Klein(Curved):
    """The Klein ball as a third party would write it: coordinates tanh(s r) u / s, geodesics are straight lines."""

    sign = -1

    def ambient_dim(self, dim: int) -> int:
        return dim

    def to_ambient(self, point: Polar) -> Tensor:
        direction = torch.nn.functional.normalize(point.direction.double(), dim=-1)
        length = torch.tanh(self.scale * point.radius.double()) / self.scale
        return (length.unsqueeze(-1) * direction).to(point.direction.dtype)

    def from_ambient(self, x: Tensor) -> Polar:
        wide = x.double()
        radius = torch.atanh(self.scale * wide.norm(dim=-1)) / self.scale
        return Polar(torch.nn.functional.normalize(wide, dim=-1).to(x.dtype), radius.to(x.dtype))


class FakeEntryPoint:
    name, value = "klein", "klein:Klein"

    def load(self) -> type[Geometry]:
        return Klein


def fake_entry_points(group: str, name: str | None = None) -> list[FakeEntryPoint]:
    assert group == "hiergeo.geometries"
    return [FakeEntryPoint()] if name in (None, "klein") else []


class TestKlein(GeometryConformance):
    reach: ClassVar = {torch.float32: 1.5, torch.float64: 1.5}

    @pytest.fixture(autouse=True)
    def registered_by_entry_point(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(plugins, "entry_points", fake_entry_points)

    def make(self, magnitude: float) -> ConstantCurvature:
        return Klein(-magnitude)

    def make_learnable(self, magnitude: float) -> ConstantCurvature:
        return Klein(-magnitude, learnable=True)

    def ambient_distance(self, geometry: ConstantCurvature, x: Tensor, y: Tensor) -> Tensor:
        """Cayley-Klein: cosh(s d) = (1 - s^2 <x, y>) / sqrt((1 - s^2 |x|^2) (1 - s^2 |y|^2))."""
        s = abs(geometry.value) ** 0.5
        x, y = s * x, s * y
        inner = (1 - (x * y).sum(-1)) / ((1 - x.square().sum(-1)) * (1 - y.square().sum(-1))).sqrt()
        return torch.acosh(inner) / s

    def test_a_product_takes_third_party_factors(self) -> None:
        product = parse("product:klein:-0.5x3,euclidean:x2")
        assert names() == [
            "box",
            "euclidean",
            "gaussian",
            "klein",
            "lorentz",
            "order",
            "penumbral",
            "poincare",
            "product",
            "shadow",
            "sphere",
        ]
        assert [type(factor).__name__ for factor, _ in product.parts(5)] == ["Klein", "Euclidean"]

    def test_its_name_is_suggested(self) -> None:
        with pytest.raises(InputError, match="unknown geometry 'kline': did you mean 'klein'"):
            parse("kline:-1")


class WrongScale(Curved):
    """A Klein ball that confuses K with s."""

    sign = -1
    ambient_dim = Klein.ambient_dim

    def to_ambient(self, point: Polar) -> Tensor:
        return torch.tanh(-self.curvature * point.radius).unsqueeze(-1) * point.direction

    def from_ambient(self, x: Tensor) -> Polar:
        return Polar(torch.nn.functional.normalize(x, dim=-1), torch.atanh(x.norm(dim=-1)) / -self.curvature)


class NotCollected(TestKlein):
    __test__ = False

    def make(self, magnitude: float) -> ConstantCurvature:
        return WrongScale(-magnitude)


@pytest.mark.parametrize("check", ["test_chart_fits_the_curvature", "test_chart_takes_directions_as_rays"])
def test_the_suite_finds_a_wrong_chart(check: str) -> None:
    with pytest.raises(AssertionError):
        getattr(NotCollected(), check)()
