"""``hiergeo info``: what is installed, what runs, and why something does not; ``--check`` tests the kernels."""

import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any

from hiergeo._core.records import Record, Records, drawn, plain
from hiergeo.cli import options
from hiergeo.cli._guard import WrongResults
from hiergeo.cli._io import check_writable, publish
from hiergeo.cli.options import flag

if TYPE_CHECKING:
    import torch


def info_command(
    check: Annotated[
        bool, flag("--check", "Compare every kernel with the reference; exits with 1 where one is wrong.")
    ] = False,
    format: options.Format = "table",
    json: options.Json = None,
    device: options.Device = options.AUTO,
) -> None:
    """Print versions, kernels, devices, data and plug-ins, for a bug report or a paper's appendix."""
    from hiergeo import pairwise

    check_writable(json)
    facts = collect(device)
    document: dict[str, Any] = {"metrics": {"torch_threads": facts["torch threads"]}, "info": facts}
    rows: list[Record] = [{"fact": name, "value": value} for name, value in facts.items()]
    screen, lines = [drawn(Records(rows).grid)], list[str]()
    if check:
        outcomes = [(on, outcome) for on, several in pairwise.check_kernels().items() for outcome in several]
        checks = [plain({"place": on, **asdict(outcome), "passed": outcome.passed}) for on, outcome in outcomes]
        lines = [f"{on}: {outcome}" for on, outcome in outcomes if not outcome.passed]
        document["metrics"] |= {"kernels_checked": len(checks), "kernels_wrong": len(lines)}
        document["checks"] = checks
        rows += [{"fact": "kernel", **of} for of in checks]
        verdict = f"{len(checks) - len(lines)} of {len(checks)} within their bars."
        lines.append(verdict if checks else "There are no kernels to check.")
    publish(document, json, format, Records(rows), screen=screen, lines=lines)
    if document["metrics"].get("kernels_wrong"):
        raise WrongResults


def collect(device: "str | torch.device | None" = options.AUTO) -> dict[str, str | int]:
    """Facts by name: versions, optional packages and what brings them, kernels, device, data, models and geometries.

    Raises InputError where the device is not one of this machine.
    """
    import torch

    from hiergeo import datasets, geometry, pairwise
    from hiergeo._core.devices import resolve_device
    from hiergeo._core.extras import PACKAGES
    from hiergeo._core.version import __version__
    from hiergeo.adapters import ADAPTERS
    from hiergeo.datasets.hierarcaps import TEST
    from hiergeo.evaluation.benchmarks import BENCHMARKS
    from hiergeo.geometry.base import LEARNABLE

    home = datasets.data_home()
    if torch.cuda.is_available():
        cuda = f"{torch.version.cuda}, {torch.cuda.get_device_name()}"
    else:
        cuda = "this build of torch has none" if torch.version.cuda is None else "no usable GPU or driver"
    hierarcaps = "not there: run `hiergeo data fetch hierarcaps` or set HIERGEO_DATA_HOME"
    return {
        "hiergeo": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        "torch threads": torch.get_num_threads(),
        "numpy": version("numpy"),
        **{package.distribution: package.version() or f"not installed: {package.hint}" for package in PACKAGES},
        **pairwise.kernel_info(),
        "cuda": cuda,
        "device": str(resolve_device(device)),
        "data home": f"{home}" if home.is_dir() else f"{home} (not there yet)",
        "hierarcaps": "there" if TEST.path(home).is_file() else hierarcaps,
        "models": ", ".join(ADAPTERS.names()),
        "geometries": ", ".join(geometry.names()),
        "learnable curvatures": f"lorentz:-1{LEARNABLE}, and so for every curved geometry",
        "benchmarks": ", ".join(BENCHMARKS.names()),
        "third-party plug-ins": ", ".join(_third_party()) or "none",
    }


def _third_party() -> list[str]:
    """Kind and name of every plug-in that another package registers."""
    from hiergeo.adapters import ADAPTERS
    from hiergeo.adapters.towers import TOWERS
    from hiergeo.construction.backends import BACKENDS
    from hiergeo.construction.judges import JUDGES
    from hiergeo.datasets import DATASETS
    from hiergeo.evaluation import PROTOCOLS
    from hiergeo.evaluation.benchmarks import BENCHMARKS
    from hiergeo.evaluation.metrics.registry import PLUGINS
    from hiergeo.geometry.spec import GEOMETRIES
    from hiergeo.training import LOSSES

    kinds = ADAPTERS, BACKENDS, BENCHMARKS, DATASETS, GEOMETRIES, JUDGES, LOSSES, PLUGINS, PROTOCOLS, TOWERS
    return [f"{plugins.kind} {name}" for plugins in kinds for name in plugins.foreign()]
