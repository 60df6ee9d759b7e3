"""hiergeo: the hierarchies inside vision-language models, in interchangeable geometries."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hiergeo._core.version import __version__

if TYPE_CHECKING:
    from hiergeo import (
        adapters,
        datasets,
        errors,
        evaluation,
        geometry,
        losses,
        pairwise,
        report,
        search,
        testing,
        training,
    )
    from hiergeo._core.polar import Polar
    from hiergeo.adapters import embedded
    from hiergeo.evaluation import Comparison, Result, auditing, benchmarks, compare, evaluate, experiment, metrics
    from hiergeo.evaluation.auditing import Audit, audit
    from hiergeo.evaluation.classifying import Classifier, classify
    from hiergeo.geometry import Euclidean, Lorentz, PoincareBall, Product, Space, Sphere
    from hiergeo.pairwise import backend
    from hiergeo.report import interop, plot
    from hiergeo.search import taxonomy
    from hiergeo.training import study, suite

OBJECTS = {
    "Audit": "evaluation.auditing",
    "Classifier": "evaluation.classifying",
    "Comparison": "evaluation",
    "Euclidean": "geometry",
    "Lorentz": "geometry",
    "PoincareBall": "geometry",
    "Polar": "_core.polar",
    "Product": "geometry",
    "Result": "evaluation",
    "Space": "geometry",
    "Sphere": "geometry",
    "audit": "evaluation.auditing",
    "backend": "pairwise",
    "classify": "evaluation.classifying",
    "compare": "evaluation",
    "embedded": "adapters",
    "evaluate": "evaluation",
}
"""Public name -> the module that it is of. Modules are imported when something of them is first asked for."""

MODULES = {
    "adapters": "adapters",
    "auditing": "evaluation.auditing",
    "benchmarks": "evaluation.benchmarks",
    "datasets": "datasets",
    "errors": "errors",
    "evaluation": "evaluation",
    "experiment": "evaluation.experiment",
    "geometry": "geometry",
    "interop": "report.interop",
    "losses": "losses",
    "metrics": "evaluation.metrics",
    "pairwise": "pairwise",
    "plot": "report.plot",
    "report": "report",
    "search": "search",
    "study": "training.study",
    "suite": "training.suite",
    "taxonomy": "search.taxonomy",
    "testing": "testing",
    "training": "training",
}
"""Public module -> the room that it stands in."""

__all__ = [
    "Audit",
    "Classifier",
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
    "classify",
    "compare",
    "datasets",
    "embedded",
    "errors",
    "evaluate",
    "evaluation",
    "experiment",
    "geometry",
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
    if name in OBJECTS:
        value = getattr(import_module(f"hiergeo.{OBJECTS[name]}"), name)
    elif name in MODULES:
        value = import_module(f"hiergeo.{MODULES[name]}")
    else:
        raise AttributeError(f"module 'hiergeo' has no attribute '{name}'")
    globals()[name] = value
    return value


class _Public(ModuleType):
    """A module under its public name, so that ``from hiergeo.interop import ...`` finds what is in its room."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)
        return getattr(import_module(f"hiergeo.{MODULES[self.__name__.removeprefix('hiergeo.')]}"), name)


sys.modules.update({f"hiergeo.{name}": _Public(f"hiergeo.{name}") for name, room in MODULES.items() if name != room})


def __dir__() -> list[str]:
    return sorted(__all__)
