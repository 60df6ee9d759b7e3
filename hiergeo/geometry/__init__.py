"""Interchangeable geometries: what differs between them is a curvature and a chart."""

from hiergeo.geometry.base import ConstantCurvature, Curved, Geometry
from hiergeo.geometry.charts import Euclidean, Lorentz, PoincareBall, Sphere
from hiergeo.geometry.points import Points
from hiergeo.geometry.product import Product
from hiergeo.geometry.space import Contrast, Located, Space
from hiergeo.geometry.spec import names, parse

__all__ = [
    "ConstantCurvature",
    "Curved",
    "Geometry",
    "Points",
    "parse",
]
