"""hiergeo: the hierarchies inside vision-language models, in interchangeable geometries."""

from hiergeo import adapters, cones, datasets, losses, metrics, pairwise
from hiergeo._threads import compute_alone_in_children
from hiergeo._version import __version__
from hiergeo.evaluation import Comparison, Result, compare, evaluate
from hiergeo.geometry import Euclidean, Lorentz, PoincareBall, Product, Space, Sphere
from hiergeo.polar import Polar

__all__ = [
    "Comparison",
    "Euclidean",
    "Lorentz",
    "PoincareBall",
    "Polar",
    "Product",
    "Result",
    "Space",
    "Sphere",
    "__version__",
    "adapters",
    "compare",
    "cones",
    "datasets",
    "evaluate",
    "losses",
    "metrics",
    "pairwise",
]

compute_alone_in_children()
