"""The conformance suite: a mixin that gives the author of a geometry every test of the contract by inheritance."""

import math
import unittest
import warnings
from typing import ClassVar

import torch
from torch import Tensor

from hiergeo import pairwise
from hiergeo._core.polar import Polar
from hiergeo.geometry import ConstantCurvature, Space, parse
from hiergeo.geometry.spec import GEOMETRIES
from hiergeo.testing import oracle
from hiergeo.testing.assertions import assert_bars, curvature_of, slope
from hiergeo.testing.samples import bar_rows, frame, special_points

DIM = 6


class GeometryConformance:
    """Inherit from this, define `make`, and pytest runs the whole contract against your geometry.

    ```python
    class TestKlein(GeometryConformance):
        def make(self, magnitude):
            return Klein(-magnitude)
    ```

    Attributes:
        magnitudes: the values of |K| that are tried; never only 1.
        registered: whether `hiergeo.geometry.parse` knows the geometry, so that its `spec` must round-trip.
        reach: per dtype the largest s r for which the chart keeps the radius to 4 eps cosh(s r / 2)^2 in s r.

    Override `make_learnable` when the curvature can be learnt, and `ambient_distance` to hold the chart against a
    closed form of your own.
    """

    magnitudes: ClassVar[tuple[float, ...]] = (0.25, 0.7, 3.0)
    registered: ClassVar[bool] = True
    reach: ClassVar[dict[torch.dtype, float]] = {torch.float32: 6.0, torch.float64: 12.0}

    def make(self, magnitude: float) -> ConstantCurvature:
        """The geometry with |K| = `magnitude`; a flat one ignores it."""
        raise NotImplementedError

    def make_learnable(self, magnitude: float) -> ConstantCurvature:
        """The geometry with a learnable curvature."""
        raise unittest.SkipTest("this geometry has no learnable curvature")

    def ambient_distance(self, geometry: ConstantCurvature, x: Tensor, y: Tensor) -> Tensor:
        """The distance of points given by float64 coordinates (N, ambient_dim), from a source that is not hiergeo."""
        raise unittest.SkipTest("this geometry gives no distance of coordinates")

    # what is declared

    def test_sign_and_size_of_the_curvature(self) -> None:
        for magnitude in self.magnitudes:
            k = curvature_of(self.make(magnitude))
            assert k == 0 or math.isclose(abs(k), magnitude, rel_tol=1e-6), f"K = {k} for a magnitude of {magnitude}"

    def test_spec_round_trips(self) -> None:
        if not self.registered:
            raise unittest.SkipTest("this geometry is not registered")
        for magnitude in self.magnitudes:
            geometry = self.make(magnitude)
            name = geometry.spec.partition(":")[0]
            hint = f"make it an entry point of the group {GEOMETRIES.group} and install the package"
            assert name in GEOMETRIES, f"'{name}' is not registered: {hint}, or set registered = False"
            again = parse(geometry.spec)
            assert type(again) is type(geometry), f"{geometry.spec} parses to {type(again).__name__}"
            assert again.spec == geometry.spec
            assert math.isclose(curvature_of(again), curvature_of(geometry), rel_tol=1e-6), geometry.spec

    # the chart

    def test_chart_round_trips_within_its_error(self) -> None:
        for geometry, s, dtype in self._cases():
            for a in (0.0, 1e-3, 0.1, 0.5, 1.0, 0.5 * self._reach(geometry, dtype), self._reach(geometry, dtype)):
                point = self._points(a / s, dtype)
                x = geometry.to_ambient(point)
                assert x.shape == (len(point.radius), geometry.ambient_dim(DIM)), "shape of to_ambient"
                assert x.dtype == dtype, "dtype of to_ambient"
                back = geometry.from_ambient(x)
                assert back.direction.dtype == back.radius.dtype == dtype, "dtype of from_ambient"
                eps = torch.finfo(dtype).eps
                error = s * float((back.radius.double() - point.radius.double()).abs().max())
                allowed = 4 * eps * math.cosh(a / 2) ** 2
                assert error <= allowed, f"{geometry.spec} {dtype}: s r = {a:g} comes back {error:.2g} off"
                turn = float(oracle.opening(back, point).max()) if a else float(back.direction.abs().max())
                assert turn <= 8 * eps, f"{geometry.spec} {dtype}: direction off by {turn:.2g} at s r = {a:g}"

    def test_chart_takes_directions_as_rays(self) -> None:
        for geometry, s, dtype in self._cases():
            point = self._points(0.8 / s, dtype)
            longer = geometry.to_ambient(Polar(3 * point.direction, point.radius))
            torch.testing.assert_close(longer, geometry.to_ambient(point))

    def test_chart_keeps_leading_dimensions(self) -> None:
        for geometry, s, dtype in self._cases():
            point = self._points(0.8 / s, dtype)
            batched = Polar(point.direction.reshape(2, -1, DIM), point.radius.reshape(2, -1))
            x = geometry.to_ambient(batched)
            assert torch.equal(x.flatten(0, 1), geometry.to_ambient(point)), "to_ambient of a batch"
            assert geometry.from_ambient(x).radius.shape == batched.radius.shape, "from_ambient of a batch"

    def test_chart_fits_the_curvature(self) -> None:
        for geometry, s, dtype in self._cases():
            if dtype == torch.float64:
                x, y = self._points(0.9 / s, dtype), self._points(1.7 / s, dtype, seed=1)
                measured = self.ambient_distance(geometry, geometry.to_ambient(x), geometry.to_ambient(y))
                expected = oracle.distance(x, y, curvature_of(geometry))
                torch.testing.assert_close(measured, expected, rtol=1e-6, atol=0, msg=f"distance in {geometry.spec}")

    # the lift

    def test_lift_reads_the_radius_off_the_tangent_vector(self) -> None:
        root = torch.linspace(-0.3, 0.4, DIM)
        for geometry, s, dtype in self._cases():
            v = self._vectors(2.0 / s, dtype)
            point = Space(geometry, root.to(dtype)).polar(v + root.to(dtype))
            eps = torch.finfo(dtype).eps
            torch.testing.assert_close(point.radius, v.norm(dim=-1), rtol=8 * eps, atol=8 * eps)
            torch.testing.assert_close(point.direction * point.radius[:, None], v, rtol=0, atol=16 * eps)
            at_root = Space(geometry, root.to(dtype)).polar(root.to(dtype)[None])
            assert float(at_root.radius) == 0, "the root has radius 0"
            assert not bool(at_root.direction.any()), "the root has no direction"

    # the conventions

    def test_conventions_at_special_points(self) -> None:
        for geometry, s, dtype in self._cases():
            space = Space(geometry, "none")
            x = self._vectors(1.0 / s, dtype)
            root = torch.zeros_like(x)
            for measure in (space.exterior_angle, space.distance):
                assert not bool(measure(x, x).any()), f"{measure.__name__} of coincident points in {geometry.spec}"
                assert not bool(measure(root, root).any()), f"{measure.__name__} of the root to itself"
            assert not bool(space.exterior_angle(root, x).any()), "the root entails everything"
            assert torch.equal(space.exterior_angle(x, root), torch.full_like(x[:, 0], math.pi)), "the root lies behind"
            torch.testing.assert_close(space.distance(x, root), space.radius(x))
            assert torch.equal(space.half_aperture(root), torch.full_like(x[:, 0], math.pi / 2)), "aperture at the root"
            behind = space.exterior_angle(x, -0.5 * x)
            torch.testing.assert_close(behind, torch.full_like(behind, math.pi), msg="the other side of the root")
            if curvature_of(geometry) > 0:
                point = space.polar(x)
                antipode = Polar(-point.direction, math.pi / s - point.radius)
                angle = pairwise.exterior_angle(point, antipode, curvature_of(geometry)).diagonal()
                assert not bool(angle.any()), "the antipode of x"

    def test_not_a_number_is_never_the_root(self) -> None:
        for geometry, s, dtype in self._cases():
            x = self._vectors(1.0 / s, dtype)
            x[0, 0], x[1, 1] = math.nan, math.inf if curvature_of(geometry) <= 0 else math.nan
            for result in (
                Space(geometry, "none").distance(x, x.flip(0)),
                Space(geometry, "none").margin(x, x.flip(0)),
            ):
                assert bool(result[[0, 1, -1, -2]].isnan().all()), f"a row with NaN or Inf gives NaN in {geometry.spec}"
                assert not bool(result[2:-2].isnan().any()), "and only there"

    # the metric

    def test_distance_is_a_metric(self) -> None:
        for geometry, s, dtype in self._cases():
            space, bound = Space(geometry, "none"), 16 * torch.finfo(dtype).eps
            x, y, z = (self._vectors(radius / s, dtype, seed) for seed, radius in enumerate((0.7, 1.4, 1.4)))
            there = space.distance(x, y)
            torch.testing.assert_close(there, space.distance(y, x), rtol=bound, atol=0, msg="symmetry")
            detour = space.distance(x, z) + space.distance(z, y)
            assert bool((there <= detour * (1 + bound)).all()), "triangle inequality"
            assert bool((there > 0).all()), "different points are apart"

    def test_rotations_about_the_root_are_isometries(self) -> None:
        generator = torch.Generator().manual_seed(3)
        turn = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator, dtype=torch.float64))[0]
        for geometry, s, dtype in self._cases():
            space = Space(geometry, "none")
            x, y = self._vectors(0.7 / s, dtype), self._vectors(1.4 / s, dtype, seed=1)
            for measure in (space.distance, space.exterior_angle, space.margin):
                torch.testing.assert_close(measure(x @ turn.to(dtype), y @ turn.to(dtype)), measure(x, y))

    def test_rows_equal_pairs(self) -> None:
        for geometry, s, dtype in self._cases():
            space = Space(geometry, "none")
            x, y = self._vectors(0.7 / s, dtype), self._vectors(1.4 / s, dtype, seed=1)
            for rows, every in ((space.distance, space.pairwise_distance), (space.margin, space.pairwise_margin)):
                torch.testing.assert_close(rows(x[:, None], y[None]), every(x, y))

    def test_accuracy_bars(self) -> None:
        for magnitude in self.magnitudes:
            geometry = self.make(magnitude)
            k, space = curvature_of(geometry), Space(geometry, "none")
            drawn = bar_rows(k, 24, 3000, torch.Generator().manual_seed(7))
            v, w = (0.999 * point.direction * point.radius[:, None] for point in drawn)
            x, y = space.polar(v.double()), space.polar(w.double())
            truth = (oracle.exterior_angle(x, y, k), oracle.margin(x, y, k), oracle.distance(x, y, k))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                assert_bars(space.exterior_angle(v, w), space.margin(v, w), space.distance(v, w), truth)

    # gradients

    def test_values_and_gradients_are_finite_everywhere(self) -> None:
        for geometry, _, dtype in self._cases():
            point = special_points(curvature_of(geometry), DIM, dtype)
            x = (point.direction * point.radius[:, None]).requires_grad_()
            space = Space(geometry, "none")
            for measure in (space.distance, space.exterior_angle):
                value = measure(x[:, None], x[None])
                (gradient,) = torch.autograd.grad(value.sum(), x)
                for name, tensor in (("value", value), ("gradient", gradient)):
                    assert bool(tensor.isfinite().all()), f"{measure.__name__}: {name} in {geometry.spec} {dtype}"

    def test_learnable_curvature(self) -> None:
        for magnitude in self.magnitudes:
            geometry = self.make_learnable(magnitude)
            (parameter,) = geometry.parameters()
            s = math.sqrt(magnitude)
            x, y = self._vectors(0.9 / s, torch.float64), self._vectors(1.7 / s, torch.float64, seed=1)
            space = Space(geometry, "none")
            for name in ("distance", "exterior_angle", "half_aperture"):
                points = (x,) if name == "half_aperture" else (x, y)
                (gradient,) = torch.autograd.grad(getattr(space, name)(*points).sum(), parameter)
                (by_k,) = torch.autograd.grad(torch.as_tensor(geometry.curvature), parameter)
                arguments = (space.radius(x),) if len(points) == 1 else [space.polar(point) for point in points]
                expected = slope(name, curvature_of(geometry), *arguments)
                assert math.isclose(float(gradient / by_k), expected, rel_tol=1e-5), (
                    f"d {name} / d K at |K| = {magnitude}"
                )

    # helpers

    def _cases(self) -> list[tuple[ConstantCurvature, float, torch.dtype]]:
        geometries = [self.make(magnitude) for magnitude in self.magnitudes]
        scales = [math.sqrt(abs(curvature_of(geometry))) or 1.0 for geometry in geometries]
        return [
            (g, s, dtype) for g, s in zip(geometries, scales, strict=True) for dtype in (torch.float32, torch.float64)
        ]

    def _reach(self, geometry: ConstantCurvature, dtype: torch.dtype) -> float:
        return min(self.reach[dtype], 0.99 * math.pi) if curvature_of(geometry) > 0 else self.reach[dtype]

    def _points(self, radius: float, dtype: torch.dtype, seed: int = 0) -> Polar:
        direction = frame(12, DIM, torch.Generator().manual_seed(seed))[0] * (radius > 0)
        return Polar(direction.to(dtype), torch.full((12,), radius, dtype=dtype))

    def _vectors(self, radius: float, dtype: torch.dtype, seed: int = 0) -> Tensor:
        point = self._points(1.0, torch.float64, seed)
        return (radius * point.direction).to(dtype)
