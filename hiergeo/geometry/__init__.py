"""Interchangeable geometries: what differs between them is a curvature and a chart."""

from hiergeo.geometry._base import Curved, Geometry
from hiergeo.geometry.euclidean import Euclidean
from hiergeo.geometry.learning import learnable
from hiergeo.geometry.lorentz import Lorentz
from hiergeo.geometry.poincare import PoincareBall
from hiergeo.geometry.product import Product
from hiergeo.geometry.space import Space
from hiergeo.geometry.spec import names, parse
from hiergeo.geometry.sphere import Sphere

__all__ = [
    "Curved",
    "Euclidean",
    "Geometry",
    "Lorentz",
    "PoincareBall",
    "Product",
    "Space",
    "Sphere",
    "learnable",
    "names",
    "parse",
]
