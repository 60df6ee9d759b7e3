"""hiergeo: the hierarchies inside vision-language models, in interchangeable geometries."""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from hiergeo import adapters, auditing, cones, datasets, losses, metrics, pairwise
from hiergeo._threads import compute_alone_in_children
from hiergeo._version import __version__
from hiergeo.auditing import Audit, audit
from hiergeo.evaluation import Comparison, Result, compare, evaluate
from hiergeo.geometry import Euclidean, Lorentz, PoincareBall, Product, Space, Sphere
from hiergeo.pairwise import backend
from hiergeo.polar import Polar

if TYPE_CHECKING:
    from hiergeo import (
        benchmarks,
        errors,
        findings,
        geometry,
        info,
        interop,
        plot,
        report,
        search,
        study,
        suite,
        taxonomy,
        testing,
        training,
    )

ON_DEMAND = (
    "benchmarks",
    "findings",
    "info",
    "interop",
    "plot",
    "report",
    "search",
    "study",
    "suite",
    "taxonomy",
    "testing",
    "training",
)
"""Modules that are imported when they are first asked for."""

__all__ = [
    "Audit",
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
    "audit",
    "auditing",
    "backend",
    "benchmarks",
    "compare",
    "cones",
    "datasets",
    "errors",
    "evaluate",
    "findings",
    "geometry",
    "info",
    "interop",
    "losses",
    "metrics",
    "pairwise",
    "plot",
    "report",
    "search",
    "study",
    "suite",
    "taxonomy",
    "testing",
    "training",
]


def __getattr__(name: str) -> ModuleType:
    if name in ON_DEMAND:
        return import_module(f"hiergeo.{name}")
    raise AttributeError(f"module 'hiergeo' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


compute_alone_in_children()
