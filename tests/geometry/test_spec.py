"""Geometries by name: what parses, into what, and what is refused in which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo import Euclidean, Lorentz, PoincareBall, Product, Sphere
from hiergeo._core import plugins
from hiergeo._core.errors import InputError
from hiergeo.geometry import parse


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Geometries of other packages, which may be installed beside the tests, are out of sight."""
    monkeypatch.setattr(plugins, "entry_points", lambda **_: [])


@pytest.mark.parametrize(
    ("spec", "kind", "curvature"),
    [
        ("euclidean", Euclidean, 0.0),
        ("lorentz:-1", Lorentz, -1.0),
        ("lorentz", Lorentz, -1.0),
        (" poincare:-0.5 ", PoincareBall, -0.5),
        ("sphere:0.25", Sphere, 0.25),
        ("sphere", Sphere, 1.0),
        ("lorentz:-2.5e-3", Lorentz, -2.5e-3),
    ],
)
def test_parse(spec: str, kind: type, curvature: float) -> None:
    geometry = parse(spec)
    assert type(geometry) is kind
    assert geometry.curvature == curvature


def test_parse_a_product() -> None:
    product = parse("product:lorentz:-0.5x192,euclidean:x190,sphere:0.25x2")
    assert isinstance(product, Product)
    found = [(type(g), g.curvature, part) for g, part in product.parts(384)]
    assert found == [
        (Lorentz, -0.5, slice(0, 192)),
        (Euclidean, 0.0, slice(192, 382)),
        (Sphere, 0.25, slice(382, 384)),
    ]
    assert product.norm == "l2"
    assert parse("product:lorentz:-1x2,euclideanx3,l1").norm == "l1"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("lorenz:-1", "unknown geometry 'lorenz': did you mean 'lorentz'?"),
        ("Poincaré:-1", "unknown geometry 'Poincaré': did you mean 'poincare'?"),
        ("torus", "unknown geometry 'torus' (known: box, euclidean, gaussian, lorentz, order, penumbral, "),
        ("lorentz:1", "Lorentz needs a negative curvature, not 1."),
        ("poincare:0", "PoincareBall needs a negative curvature, not 0."),
        ("sphere:-2", "Sphere needs a positive curvature, not -2."),
        ("sphere:nan", "Sphere needs a positive curvature, not nan."),
        ("lorentz:flat", "'flat' in geometry 'lorentz:flat' is not a number: write it like lorentz:-1."),
        ("euclidean:-1", "geometry 'euclidean:-1': Euclidean space has curvature 0 and takes none."),
        ("product:lorentz:-1", "factor 'lorentz:-1' of 'product:lorentz:-1' needs a dimension"),
        ("product:", "factor '' of 'product:' needs a dimension"),
        ("product:l1", "a product needs at least one factor."),
        ("product:lorentz:-1x0", "every factor of a product needs a dimension of at least 1, not [0]."),
        ("product:lorenz:-1x4", "unknown geometry 'lorenz': did you mean 'lorentz'?"),
        ("product:lorentz:1x4", "Lorentz needs a negative curvature, not 1."),
    ],
)
def test_refusals(spec: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(spec)
    assert str(caught.value).startswith(words)


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_a_fixed_curvature_survives_its_spec(magnitude: float) -> None:
    for geometry in (Lorentz(-magnitude), PoincareBall(-magnitude), Sphere(magnitude)):
        assert parse(geometry.spec).curvature == geometry.curvature


@pytest.mark.parametrize(
    ("spec", "instead"),
    [("hyperbolic", "lorentz:-1"), ("hyperbolic:-1", "poincare:-1"), ("spherical", "sphere:1"), ("flat", "euclidean")],
)
def test_other_words_of_the_field_are_answered_with_what_to_write(spec, instead):
    with pytest.raises(InputError, match=instead):
        parse(spec)
