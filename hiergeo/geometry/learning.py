"""A geometry of fixed curvature made one that learns it."""

from hiergeo.errors import InputError
from hiergeo.geometry._base import Curved, Geometry
from hiergeo.geometry.product import Product


def learnable(geometry: Geometry | Product) -> Geometry | Product:
    """The same geometry with learnable curvature, in a product that of every curved factor.

    Raises:
        InputError: it is flat throughout.
    """
    factors = geometry.factors if isinstance(geometry, Product) else ((geometry, 0),)
    if not any(isinstance(factor, Curved) for factor, _ in factors):
        raise InputError(f"{geometry.spec} has no curvature to learn: choose a geometry such as lorentz:-1.")
    made = [(type(g)(g.value, learnable=True) if isinstance(g, Curved) else g, dim) for g, dim in factors]
    if isinstance(geometry, Product):
        return Product(made, "l2" if geometry.order == 2 else "l1")
    return made[0][0]
