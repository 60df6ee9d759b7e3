"""The same embeddings in several spaces, with paired intervals for every difference."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from hiergeo import _limits, adapters, datasets
from hiergeo._devices import AUTO, resolve_device
from hiergeo._numerics import torch_defaults
from hiergeo._progress import track
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.errors import InputError
from hiergeo.evaluation.embedded import Compute, Embedded
from hiergeo.evaluation.measuring import Settings, as_space, check, check_fit, embed_for, measure
from hiergeo.evaluation.result import Result
from hiergeo.geometry import Geometry, Space
from hiergeo.metrics import Interval, percentile_interval

RADIAL = frozenset({"tau_d"})
"""Metrics of radii alone. No geometry wins them: the lift keeps |e - root|, whatever the curvature."""

SAME_RADIUS = 1e-5
"""Relative difference below which radii are the same number, computed twice in float32."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """Results over the same rows, one a space."""

    embedded: Embedded
    results: tuple[Result, ...]

    def __repr__(self) -> str:
        spaces = ", ".join(result.geometry for result in self.results)
        return f"<Comparison of {self.embedded.model} on {self.embedded.hierarchy!r} in {spaces}>"

    @cached_property
    def shared(self) -> frozenset[str]:
        """Metrics that are the same in every space by construction: `RADIAL`, unless a norm or a root changes radii.

        Products round radii differently, which parts some that tie in other geometries: then none is the same.
        """
        first = self.results[0]
        same = all(np.allclose(first.radii, result.radii, rtol=SAME_RADIUS, atol=0) for result in self.results)
        equal = all(first.metrics[name] == result.metrics[name] for name in RADIAL for result in self.results)
        return RADIAL if same and equal else frozenset()

    @cached_property
    def winners(self) -> dict[str, str | None]:
        """Metric -> the geometry that beats every other space by a paired 95 % interval that excludes 0, or None.

        Charts of one space count as one; a single row, whose intervals have no width, decides nothing.
        """
        return {metric: self._winner(metric) for metric in self._measured if metric not in RADIAL}

    def difference(self, metric: str, a: Result, b: Result) -> Interval:
        """The paired 95 % interval of metric(a) - metric(b)."""
        return percentile_interval(a.draws[metric] - b.draws[metric])

    def to_json(self) -> str:
        """The metrics of every geometry first, as ``GEOMETRY/METRIC``; then what won, and each result whole."""
        flat = {f"{result.geometry}/{name}": value for result in self.results for name, value in result.metrics.items()}
        whole = {result.geometry: result.as_dict() for result in self.results}
        findings = {"winners": self.winners, "same_by_construction": sorted(self.shared)}
        return json.dumps({"metrics": flat, **findings, "results": whole}, indent=2)

    @property
    def _measured(self) -> list[str]:
        """The metrics with intervals of any of the results: a product lacks those of its exterior angle."""
        return list(dict.fromkeys(metric for result in self.results for metric in result.draws))

    @cached_property
    def twins(self) -> tuple[tuple[str, ...], ...]:
        """Geometries that are one space in several charts: equal curvature around the same root."""
        spaces: dict[tuple[object, object], list[str]] = {}
        for result in self.results:
            if "curvature" in result.diagnostics:
                spaces.setdefault((result.diagnostics["curvature"], result.settings["root"]), []).append(
                    result.geometry
                )
        return tuple(tuple(charts) for charts in spaces.values() if len(charts) > 1)

    def charts(self, geometry: str) -> tuple[str, ...]:
        """The geometry and the other charts of its space among the results."""
        return next((charts for charts in self.twins if geometry in charts), (geometry,))

    def _winner(self, metric: str) -> str | None:
        scored = [result for result in self.results if metric in result.draws]
        best = max(scored, key=lambda result: result.metrics[metric])
        same = self.charts(best.geometry)
        leads = [self.difference(metric, best, rival) for rival in scored if rival.geometry not in same]
        return best.geometry if leads and all(0 < lead.low < lead.high for lead in leads) else None


@torch_defaults()
def compare(
    model: Model | str,
    dataset: Hierarchy | str,
    spaces: Sequence[Space | Geometry | str],
    protocol: str = "re",
    steps: int = 50,
    seed: int = 0,
    *,
    samples: int = 1000,
    device: str | torch.device = AUTO,
    dtype: str | torch.dtype = "float32",
    batch_size: int | None = None,
    progress: bool = False,
) -> Comparison:
    """Measure one model on one dataset in several spaces; arguments and errors as for `evaluate`.

    Raises:
        InputError: also when no space is given, or the same one twice.
    """
    check(protocol, steps, seed, samples)
    if isinstance(spaces, str | nn.Module):
        raise InputError("a comparison takes a list of geometries: use evaluate for a single one.")
    chosen = [as_space(space) for space in spaces]
    specs = [space.geometry.spec for space in chosen]
    if len(specs) > _limits.GEOMETRIES:
        raise InputError(f"a comparison takes at most {_limits.GEOMETRIES} geometries, not {len(specs)}.")
    if not specs or len(set(specs)) < len(specs):
        raise InputError(f"a comparison needs different geometries, not {', '.join(specs) or 'none'}.")
    compute = Compute(resolve_device(device), dtype, batch_size)
    model = adapters.load(model, device=str(compute.device)) if isinstance(model, str) else model
    hierarchy = datasets.load(dataset) if isinstance(dataset, str) else dataset
    for space in chosen:
        check_fit(model, hierarchy, space, protocol)
    embedded = embed_for(protocol, model, hierarchy, compute, progress=progress)
    settings = Settings(protocol, steps, seed, samples)
    bar = track(chosen, "measuring", enabled=progress)
    return Comparison(embedded, tuple(measure(embedded, space, settings, progress=False) for space in bar))
