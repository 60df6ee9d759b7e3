"""Interchangeable geometries: a curvature and a chart each, or a law of pairs of one's own."""

from hiergeo.geometry.base import ConstantCurvature, Curved, Geometry
from hiergeo.geometry.charts import Euclidean, Lorentz, PoincareBall, Sphere
from hiergeo.geometry.law import PairLaw
from hiergeo.geometry.points import Points
from hiergeo.geometry.product import Product
from hiergeo.geometry.space import Contrast, Located, Space
from hiergeo.geometry.spec import names, parse

__all__ = [
    "ConstantCurvature",
    "Curved",
    "Geometry",
    "PairLaw",
    "Points",
    "parse",
]
