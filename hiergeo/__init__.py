"""hiergeo: the hierarchies inside vision-language models, in interchangeable geometries."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hiergeo._threads import compute_alone_in_children
from hiergeo._version import __version__

if TYPE_CHECKING:
    from hiergeo import (
        adapters,
        auditing,
        benchmarks,
        cones,
        datasets,
        errors,
        findings,
        geometry,
        info,
        interop,
        losses,
        metrics,
        pairwise,
        plot,
        report,
        search,
        study,
        suite,
        taxonomy,
        testing,
        training,
    )
    from hiergeo.auditing import Audit, audit
    from hiergeo.evaluation import Comparison, Result, compare, evaluate
    from hiergeo.geometry import Euclidean, Lorentz, PoincareBall, Product, Space, Sphere
    from hiergeo.pairwise import backend
    from hiergeo.polar import Polar

HOMES = {
    "Audit": "auditing",
    "Comparison": "evaluation",
    "Euclidean": "geometry",
    "Lorentz": "geometry",
    "PoincareBall": "geometry",
    "Polar": "polar",
    "Product": "geometry",
    "Result": "evaluation",
    "Space": "geometry",
    "Sphere": "geometry",
    "audit": "auditing",
    "backend": "pairwise",
    "compare": "evaluation",
    "evaluate": "evaluation",
}
"""Public name -> the module that it is of. Modules are imported when something of them is first asked for."""

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


def __getattr__(name: str) -> Any:
    if name in HOMES:
        found = getattr(import_module(f"hiergeo.{HOMES[name]}"), name)
    elif name in __all__ or name in ("evaluation", "polar"):
        found = import_module(f"hiergeo.{name}")
    else:
        raise AttributeError(f"module 'hiergeo' has no attribute '{name}'")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


compute_alone_in_children()
