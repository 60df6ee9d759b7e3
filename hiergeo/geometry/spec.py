"""Geometries by name: the strings of the command line and the entry points of third parties."""

from collections.abc import Callable
from typing import Literal

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.plugins import Plugins
from hiergeo.geometry.base import LEARNABLE, Geometry
from hiergeo.geometry.charts import Euclidean, Lorentz, PoincareBall, Sphere
from hiergeo.geometry.product import Product

GEOMETRIES: Plugins[Callable[..., Geometry]] = Plugins(
    "geometry",
    "hiergeo.geometries",
    {"euclidean": Euclidean, "lorentz": Lorentz, "poincare": PoincareBall, "product": Product, "sphere": Sphere},
)
"""Name -> what makes the geometry, called with the curvature, or without one."""

OTHERWISE = {
    "hyperbolic": "lorentz:-1 or poincare:-1",
    "hyperboloid": "lorentz:-1",
    "spherical": "sphere:1",
    "flat": "euclidean",
}
"""What to write for other words of the field."""

DIGITS = 9
"""Digits of a dimension in a spec."""


def parse(spec: str) -> Geometry:
    """The geometry a string names.

    ``euclidean``, ``lorentz:-1``, ``poincare:-0.5``, ``sphere:0.25``, or a product of factors NAME:CURVATURExDIM such
    as ``product:lorentz:-1x192,euclidean:x192`` (with ``,l1`` at the end for l1 combination). ``?learnable`` at the end
    of a spec, ``lorentz:-1?learnable``, makes its curvatures parameters, and at the end of a factor's curvature that
    one alone. A third-party geometry is an entry point of the group ``hiergeo.geometries``, called with the curvature,
    or without one when none is given.

    Raises:
        InputError: an unknown name (the nearest is suggested), a curvature that is not a number or has the wrong sign,
            nothing to learn.
    """
    spec = spec.strip()
    plain = spec.removesuffix(LEARNABLE)
    if plain.partition(":")[0] != "product":
        return _single(spec, spec)
    product = _product(spec, plain.partition(":")[2].split(","))
    return product if plain == spec else _learnable(product, spec)


def names() -> list[str]:
    """Every geometry that `parse` knows, those of third parties included."""
    return GEOMETRIES.names()


def _single(factor: str, spec: str) -> Geometry:
    plain = factor.removesuffix(LEARNABLE)
    name, _, curvature = plain.partition(":")
    if name == "product":
        raise InputError(f"'{spec}' puts a product inside a product: list all factors in one.")
    geometry = _of_curvature(name, curvature, spec)
    return geometry if plain == factor else _learnable(geometry, spec)


def _learnable(geometry: Geometry, spec: str) -> Geometry:
    geometry = geometry.learnable()
    if next(geometry.parameters(), None) is None:
        plain = spec.removesuffix(LEARNABLE)
        raise InputError(f"{plain} has no curvature to learn: choose a geometry such as lorentz:-1.")
    return geometry


def _of_curvature(name: str, curvature: str, spec: str) -> Geometry:
    if name in OTHERWISE and name not in GEOMETRIES:
        raise InputError(f"'{name}' is not a geometry by itself: write {OTHERWISE[name]}.")
    constructor = GEOMETRIES.get(name)
    if not curvature:
        return _made(name, constructor)
    try:
        value = float(curvature)
    except ValueError:
        raise InputError(f"'{curvature}' in geometry '{spec}' is not a number: write it like lorentz:-1.") from None
    if constructor is Euclidean:
        raise InputError(f"geometry '{spec}': Euclidean space has curvature 0 and takes none.")
    return _made(name, constructor, value)


def _made(name: str, constructor: Callable[..., Geometry], *curvature: float) -> Geometry:
    with GEOMETRIES.running(name, "could not be made"):
        try:
            geometry = constructor(*curvature)
        except TypeError as error:
            hint = "takes no curvature" if curvature else f"needs a curvature: write {name}:K"
            raise InputError(f"geometry '{name}' {hint} ({error}).") from error
    if not isinstance(geometry, Geometry):
        raise InputError(f"'{name}' made a {type(geometry).__name__}, not a hiergeo.geometry.Geometry.")
    return geometry


def _product(spec: str, items: list[str]) -> Product:
    combine: Literal["l1", "l2"] = "l1" if items[-1] == "l1" else "l2"
    items = items[:-1] if items[-1] in ("l1", "l2") else items
    if len(items) > limits.FACTORS:
        raise InputError(f"a product of {len(items)} factors is too long: {limits.FACTORS} at most.")
    factors = []
    for item in items:
        factor, cross, dim = item.rpartition("x")
        if not cross or not (dim.isascii() and dim.isdigit() and len(dim) <= DIGITS):
            raise InputError(f"factor '{item}' of '{spec}' needs a dimension: write it like lorentz:-1x192.")
        factors.append((_single(factor, spec), int(dim)))
    return Product(factors, combine)  # type: ignore[arg-type]  # a factor that is a product is refused there
