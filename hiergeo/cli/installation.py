"""What is installed, what runs here, and why something does not."""

import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import torch

from hiergeo import datasets, geometry, pairwise
from hiergeo._core.devices import AUTO, resolve_device
from hiergeo._core.extras import PACKAGES, Package
from hiergeo._core.version import __version__
from hiergeo.adapters import ADAPTERS
from hiergeo.adapters.towers import TOWERS
from hiergeo.construction.backends import BACKENDS
from hiergeo.construction.judges import JUDGES
from hiergeo.datasets import DATASETS
from hiergeo.datasets.hierarcaps import TEST
from hiergeo.evaluation import PROTOCOLS
from hiergeo.evaluation.benchmarks import BENCHMARKS
from hiergeo.evaluation.metrics.registry import PLUGINS as METRIC_PLUGINS
from hiergeo.geometry.base import LEARNABLE
from hiergeo.geometry.spec import GEOMETRIES
from hiergeo.training import LOSSES


def collect(device: str | torch.device | None = AUTO) -> dict[str, str | int]:
    """Facts by name: versions, optional packages and what brings them, kernels, device, data, models and geometries.

    Raises:
        InputError: the device is not one of this machine.
    """
    place = resolve_device(device)
    home = datasets.data_home()
    return {
        "hiergeo": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        "torch threads": torch.get_num_threads(),
        "numpy": version("numpy"),
        **{package.distribution: _state_of(package) for package in PACKAGES},
        **pairwise.kernel_info(),
        "cuda": _cuda(),
        "device": str(place),
        "data home": f"{home}{_state(home)}",
        "hierarcaps": "there" if TEST.path(home).is_file() else _missing("hierarcaps"),
        "models": ", ".join(ADAPTERS.names()),
        "geometries": ", ".join(geometry.names()),
        "learnable curvatures": f"lorentz:-1{LEARNABLE}, and so for every curved geometry",
        "benchmarks": ", ".join(BENCHMARKS.names()),
        "third-party plug-ins": ", ".join(_foreign()) or "none",
    }


def _foreign() -> Iterator[str]:
    """Kind and name of every plug-in that another package registers."""
    kinds = ADAPTERS, BACKENDS, BENCHMARKS, DATASETS, GEOMETRIES, JUDGES, LOSSES, METRIC_PLUGINS, PROTOCOLS, TOWERS
    return (f"{plugins.kind} {name}" for plugins in kinds for name in plugins.foreign())


def _state_of(package: Package) -> str:
    """The version of an optional package, or how to install it."""
    return package.version() or f"not installed: {package.hint}"


def _cuda() -> str:
    if torch.cuda.is_available():
        return f"{torch.version.cuda}, {torch.cuda.get_device_name()}"
    return "this build of torch has none" if torch.version.cuda is None else "no usable GPU or driver"


def _state(home: Path) -> str:
    if home.is_dir():
        return ""
    return " (a file, not a folder)" if home.exists() else " (not there yet)"


def _missing(name: str) -> str:
    return f"not there: run `hiergeo data fetch {name}` or set HIERGEO_DATA_HOME"
