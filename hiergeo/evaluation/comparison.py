"""The same embeddings measured in several spaces, and what the differences amount to."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from hiergeo import adapters, datasets
from hiergeo._core import limits, notebook
from hiergeo._core.devices import AUTO, resolve_device
from hiergeo._core.errors import InputError
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.progress import track
from hiergeo._core.records import json_text, plain
from hiergeo._core.text import shortened
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.answers import Answer, setting_of
from hiergeo.evaluation.embedded import Compute, Embedded
from hiergeo.evaluation.findings import (
    Conclusion,
    Cube,
    Findings,
    SpaceFacts,
    conclude_comparison,
    contrast_all,
    flat_spaces,
    identity,
    small_samples,
)
from hiergeo.evaluation.measuring import ProtocolSettings, answered, as_space, check_fit, embed_for
from hiergeo.evaluation.metrics import RADIAL, find_metric
from hiergeo.evaluation.metrics.registry import omissions
from hiergeo.evaluation.result import Result
from hiergeo.geometry import Geometry, Space, parse

HEADLINE = 100
"""Characters of a conclusion in a `repr`."""

SAME_RADIUS = 1e-5
"""Relative difference up to which radii in float32 count as equal."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """Results over the same rows, one a space."""

    embedded: Embedded
    results: tuple[Result, ...]

    def __repr__(self) -> str:
        spaces = ", ".join(result.geometry for result in self.results)
        about = f"{self.embedded.model} on {self.embedded.hierarchy!r} in {spaces}"
        return f"<Comparison of {about}: {shortened(self.conclusion.headline, HEADLINE)}>"

    def _repr_html_(self) -> str:
        """The conclusion, the table, and cautions."""
        cautions = (each.message for each in self.findings.cautions)
        concluded = self.conclusion.headline, *self.conclusion.remarks
        return (
            notebook.sentences(*concluded) + self.findings._repr_html_() + notebook.sentences(*cautions, self.omissions)
        )

    @cached_property
    def shared(self) -> frozenset[str]:
        """Metrics that are the same in every space by construction: `RADIAL`, unless a norm or a root changes radii.

        Products round radii differently, which can break ties of other geometries: then nothing is shared.
        """
        first = self.results[0]
        same = all(np.allclose(first.radii, result.radii, rtol=SAME_RADIUS, atol=0) for result in self.results)
        measured = RADIAL & first.metrics.keys()
        equal = all(first.metrics[name] == result.metrics[name] for name in measured for result in self.results)
        return frozenset(measured) if same and equal else frozenset()

    @property
    def omissions(self) -> str:
        """What was left out of a space and why, in words; empty where nothing was."""
        return omissions({name: why for result in self.results for name, why in result.left_out.items()})

    @property
    def dim(self) -> int:
        """Dimension of the embeddings."""
        return int(self.embedded.root.shape[-1])

    @cached_property
    def findings(self) -> Findings:
        """Scores, contrasts, leaders and cautions; metrics that curvature cannot change are not compared."""
        dim = self.dim
        spaces = tuple(_facts(result, dim) for result in self.results)
        cube = Cube(tuple(result.entry(dim) for result in self.results))
        fixed = frozenset(name for name in cube.resampled if not find_metric(name).depends_on_curvature)
        return Findings(
            cube=cube,
            spaces=spaces,
            contrasts=contrast_all(cube, spaces, without=fixed, seed=0),
            shared=self.shared,
            cautions=(*small_samples(cube), *flat_spaces(spaces)),
        )

    @property
    def cube(self) -> Cube:
        """All numbers, with `to_pandas`, `to_csv`, `to_markdown`, `to_latex` and `to_json`."""
        return self.findings.cube

    @cached_property
    def conclusion(self) -> Conclusion:
        """What was found, in words."""
        settings = self.results[0].settings
        setting = setting_of(str(settings["model"]), str(settings["dataset"]))
        return conclude_comparison(self.findings, self.answers, setting)

    @property
    def answers(self) -> dict[str, dict[str, Answer]]:
        """Geometry -> question -> answer."""
        return {result.geometry: result.answers for result in self.results}

    @cached_property
    def winners(self) -> dict[str, str | None]:
        """Metric -> the geometry that wins against every other space, or None.

        A difference counts when its 95 % interval, which holds simultaneously over all metrics and pairs of spaces,
        excludes 0 and a paired test agrees after Holm's correction over them. Charts of one space, and spaces that are
        effectively flat, count as one.
        """
        known = ((name, find_metric(name)) for name in self.findings.metrics(self.dim))
        named = [name for name, metric in known if metric.depends_on_curvature and not metric.control]
        return {name: self.findings.winner(name, self.dim) for name in named}

    def to_json(self) -> str:
        """The metrics of every geometry first, as ``GEOMETRY/METRIC``; then what won, and each result whole."""
        flat = {f"{result.geometry}/{name}": value for result in self.results for name, value in result.metrics.items()}
        whole = {
            "metrics": flat,
            "winners": self.winners,
            "same_by_construction": sorted(self.shared),
            "answers": plain(self.answers),
            "conclusion": str(self.conclusion),
            "contrasts": [each.as_dict() for each in self.findings.contrasts],
            "cautions": [asdict(each) for each in self.findings.cautions],
            "results": {result.geometry: result.as_dict() for result in self.results},
        }
        return json_text(whole)


def _facts(result: Result, dim: int) -> SpaceFacts:
    root = result.settings["root"]
    curvature = result.diagnostics.get("curvature")
    try:
        geometry = parse(result.geometry)
    except InputError:  # a geometry that no spec names
        alone = result.geometry if curvature is None else curvature, root
        return SpaceFacts(result.geometry, dim, alone, curvature != 0, result.diagnostics["bend"])
    curved = any(float(factor.curvature) != 0 for factor, _ in geometry.parts(dim))
    same = identity(result.geometry, root) if curvature is None else (curvature, root)
    added = geometry.norm == "l1"
    return SpaceFacts(result.geometry, dim, same, curved, result.diagnostics["bend"], added)


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
    settings = ProtocolSettings(protocol, steps, seed, samples)
    if isinstance(spaces, str | nn.Module):
        raise InputError("a comparison takes a list of geometries: use evaluate for a single one.")
    chosen = [as_space(space) for space in spaces]
    specs = [space.geometry.fixed().spec for space in chosen]
    if len(specs) > limits.GEOMETRIES:
        raise InputError(f"a comparison takes at most {limits.GEOMETRIES} geometries, not {len(specs)}.")
    if not specs or len(set(specs)) < len(specs):
        raise InputError(f"a comparison needs different geometries, not {', '.join(specs) or 'none'}.")
    compute = Compute(resolve_device(device), dtype, batch_size)
    model = adapters.load(model, device=str(compute.device)) if isinstance(model, str) else model
    hierarchy = datasets.load(dataset) if isinstance(dataset, str) else dataset
    for space in chosen:
        check_fit(model, hierarchy, space, protocol)
    embedded = embed_for(protocol, model, hierarchy, compute, progress=progress)
    bar = track(chosen, "measuring spaces", enabled=progress)
    return Comparison(embedded, tuple(answered(embedded, space, settings, progress=False) for space in bar))
