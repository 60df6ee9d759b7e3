"""The same embeddings measured in several spaces, and what the differences amount to."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from hiergeo import adapters
from hiergeo._core import limits
from hiergeo._core.devices import AUTO, resolve_device
from hiergeo._core.errors import InputError
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.progress import track
from hiergeo._core.records import Exported, Grid, Record, json_text, paragraphs, plain
from hiergeo._core.text import shortened
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.answers import Answer, Conclusion, conclude
from hiergeo.evaluation.embedded import Compute, Embedded
from hiergeo.evaluation.experiment import Board, Run
from hiergeo.evaluation.measuring import (
    ProtocolSettings,
    answered,
    as_space,
    check_fit,
    embed_for,
    learnt_space,
    measured,
)
from hiergeo.evaluation.metrics import RADIAL, find_metric
from hiergeo.evaluation.metrics.registry import omissions
from hiergeo.evaluation.protocols import SAME_RADIUS
from hiergeo.evaluation.result import Result
from hiergeo.evaluation.twins import TWINS, twins_of
from hiergeo.geometry import Geometry, Space

HEADLINE = 100
"""Characters of a conclusion in a `repr`."""


@dataclass(frozen=True, repr=False)
class Comparison(Exported):
    """Results over the same rows, one a space."""

    embedded: Embedded
    results: tuple[Result, ...]

    def __repr__(self) -> str:
        spaces = ", ".join(result.geometry for result in self.results)
        about = f"{self.embedded.model} on {self.embedded.hierarchy!r} in {spaces}"
        return f"<Comparison of {about}: {shortened(self.conclusion.headline, HEADLINE)}>"

    def _repr_html_(self) -> str:
        """The conclusion, the table, and cautions."""
        said = self.conclusion.headline, *self.conclusion.remarks
        cautions = (caution.message for caution in self.board.cautions)
        return paragraphs(*said) + super()._repr_html_() + paragraphs(*cautions, self.omissions)

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """The rows of its board."""
        return self.board.records(items=items)

    def grids(self, metrics: Sequence[str] | None = None) -> Iterator[Grid]:
        """The table of its board: metrics with intervals, or those of `metrics`."""
        return self.board.grids(metrics)

    @cached_property
    def board(self) -> Board:
        """Scores, contrasts, leaders and cautions; metrics that curvature cannot change are not compared."""
        first = self.results[0]
        runs = (Run(result.geometry, self.embedded.model, result.geometry, result, self.dim) for result in self.results)
        fixed = frozenset(name for name in first.draws if not find_metric(name).depends_on_curvature)
        hierarchy = self.embedded.hierarchy
        dataset = f"{hierarchy.name} {hierarchy.split}"
        return Board(tuple(runs), dataset, without=fixed, shared=self.shared)

    @cached_property
    def shared(self) -> frozenset[str]:
        """Metrics of radii alone, the same in every space by construction unless a norm or a root changes radii.

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
    def conclusion(self) -> Conclusion:
        """What was answered, in words."""
        settings, ladders = self.results[0].settings, ("precision", "recall")
        flat = [spec for spec, answers in self.answers.items() if answers["curvature"].word == "inapplicable"]
        won = [each for each in self.board.contrasts if each.metric in ladders and each.winner in flat]
        worse = {space for each in won for space in (each.a, each.b)} - set(flat)
        return conclude(self.answers, str(settings["model"]), str(settings["dataset"]), worse)

    @property
    def answers(self) -> dict[str, dict[str, Answer]]:
        """Geometry -> question -> answer."""
        return {result.geometry: result.answers for result in self.results}

    @cached_property
    def winners(self) -> dict[str, str | None]:
        """Metric -> the first geometry that leads on its board (`Board.leaders`), or None."""
        named = [name for name in self.board.metrics(self.dim) if name not in self.board.without]
        leaders = {name: self.board.leaders(name, self.dim) for name in named if not find_metric(name).control}
        return {name: leading[0] if leading else None for name, leading in leaders.items()}

    def to_json(self) -> str:
        """The metrics of every geometry first, as ``GEOMETRY/METRIC``; then what won, and each result whole."""
        flat = {f"{result.geometry}/{name}": value for result in self.results for name, value in result.metrics.items()}
        whole = {
            "metrics": flat,
            "winners": self.winners,
            "same_by_construction": sorted(self.shared),
            "answers": plain(self.answers),
            "conclusion": str(self.conclusion),
            "contrasts": [contrast.as_dict() for contrast in self.board.contrasts],
            "cautions": [asdict(caution) for caution in self.board.cautions],
            "results": {result.geometry: result.as_dict() for result in self.results},
        }
        return json_text(whole)


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
    twins: int = TWINS,
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
    hierarchy = measured(model, dataset)
    model = adapters.load(model, device=str(compute.device))
    chosen = [learnt_space(model, as_space(space)) if isinstance(space, str) else as_space(space) for space in spaces]
    for space in chosen:
        check_fit(model, hierarchy, space, protocol)
    copies = twins_of(model, twins, progress=progress)
    embedded = embed_for(protocol, model, hierarchy, compute, progress=progress)
    results: list[Result] = []
    for space in track(chosen, "measuring spaces", enabled=progress):
        first = results[0] if results else None
        results.append(answered(embedded, space, settings, copies, progress=False, first=first))
    return Comparison(embedded, tuple(results))
