"""A geometry of fixed curvature made one that learns it."""

from hiergeo.geometry._base import Curved, Geometry
from hiergeo.geometry.product import Product


def learnable(geometry: Geometry | Product) -> Geometry | Product:
    """The same geometry with every curvature to be learnt; flat factors stay, and those of third parties that are not
    `Curved`."""
    if isinstance(geometry, Product):
        factors = [(_learnable(factor), dim) for factor, dim in geometry.factors]
        return Product(factors, "l2" if geometry.order == 2 else "l1")
    return _learnable(geometry)


def _learnable(geometry: Geometry) -> Geometry:
    return type(geometry)(geometry.value, learnable=True) if isinstance(geometry, Curved) else geometry
