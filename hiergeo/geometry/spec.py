"""Geometries by name: the strings of the command line and the entry points of third parties."""

import copy
import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any, Literal

import torch

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, InputError, described
from hiergeo._core.plugins import Plugins, named_object, quoting
from hiergeo.geometry.base import LEARNABLE, Geometry
from hiergeo.geometry.charts import Euclidean, Lorentz, PoincareBall, Sphere
from hiergeo.geometry.law import PairLaw
from hiergeo.geometry.partial_orders import LAWS
from hiergeo.geometry.product import Product
from hiergeo.geometry.state import ENTRY

GEOMETRIES: Plugins[Callable[..., Geometry]] = Plugins(
    "geometry",
    "hiergeo.geometries",
    {of.__name__.lower(): of for of in (Euclidean, Lorentz, Product, Sphere, *LAWS)} | {"poincare": PoincareBall},
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
    one alone. ``order``, ``box``, ``box:0.1``, ``gaussian``, ``shadow:0.1`` and ``penumbral`` are laws of papers.
    ``my_file.py:MyLaw`` or ``package.module:MyLaw``, perhaps with a number (``my_file.py:MyLaw:0.5``), is a class of a
    file or a module, which runs. A third-party geometry is an entry point of the group ``hiergeo.geometries``, called
    with the curvature, or without one when none is given.

    Raises:
        InputError: an unknown name (the nearest is suggested), a curvature that is not a number or has the wrong sign,
            nothing to learn.
    """
    spec = spec.strip()
    if GEOMETRIES.is_code(spec):
        return _of_code(spec)
    plain = spec.removesuffix(LEARNABLE)
    if plain.partition(":")[0] != "product":
        return _single(spec, spec)
    product = _product(spec, plain.partition(":")[2].split(","))
    return product if plain == spec else _learnable(product, spec)


def recorded(spec: str, learnt: Mapping[str, Any] | None = None) -> Geometry:
    """As `parse`, of a spec that a stored file holds: it runs no code that was not named in this process before.

    `learnt` is that of the geometry when it was stored.

    Raises:
        InputError: also where the spec names a file or a module that was not, or numbers that do not fit it.
    """
    with quoting():
        geometry = parse(spec)
    if not learnt:
        return geometry
    own = copy.deepcopy(geometry)
    try:
        state = {name: torch.tensor(values) for name, values in learnt.items()}
        own.load_state_dict(state | {ENTRY: own.get_extra_state()})
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"what was stored of the geometry {spec} does not fit it: {described(error)}.") from error
    return own


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


def _of_code(spec: str) -> Geometry:
    made, number = named_object("geometry", spec)
    if isinstance(made, type):
        try:
            made = made(float(number)) if number else made()
        except HiergeoError:
            raise
        except Exception as error:  # the code of the user runs here
            raise InputError(f"the geometry '{spec}' could not be made: {described(error)}.") from error
    if not isinstance(made, Geometry):
        raise InputError(f"'{spec}' is a {type(made).__name__}, not a hiergeo.geometry.PairLaw or another geometry.")
    if isinstance(made, PairLaw):
        with suppress(OSError):
            made.code = sha256(inspect.getsource(sys.modules[type(made).__module__]).encode()).hexdigest()[:12]
        made.named = spec
    return made


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
