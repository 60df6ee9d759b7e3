"""Running a study: tune, train a head for every seed, measure, compare."""

import math
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from hiergeo._core.devices import resolve_device
from hiergeo._core.errors import InputError
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.progress import track
from hiergeo._core.text import without_folders
from hiergeo.adapters import Model
from hiergeo.adapters.head import HeadShape
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation import Result
from hiergeo.evaluation.embedded import Compute, Embedded, embed
from hiergeo.evaluation.length import PairLengths
from hiergeo.evaluation.measuring import ProtocolSettings
from hiergeo.evaluation.metrics import RADIAL
from hiergeo.evaluation.protocols import score_pairs
from hiergeo.evaluation.result import Outcome
from hiergeo.geometry import Geometry, PairLaw, Space, parse
from hiergeo.training import Chains, Head, HeadModel, Recipe, Trained, chain_loss, train_head
from hiergeo.training.chains import split_groups
from hiergeo.training.saving import trained_once
from hiergeo.training.study.design import StudyPlan, StudySettings, check_data
from hiergeo.training.study.result import HeadRun, Study, StudyCell
from hiergeo.training.summary import behind_head, between, extended, measured

Training: TypeAlias = Callable[[Chains, Geometry, Recipe], Trained]
"""What trains a head."""

JUDGE = "auroc_margin"
"""Criterion of the tuning: a rank statistic, on the same scale in every geometry, that products have too."""


@torch_defaults()
def run_study(
    plan: StudyPlan,
    chains: Chains,
    model: Model,
    test: Hierarchy,
    settings: StudySettings | None = None,
    *,
    unseen: np.ndarray | None = None,
    held_out: Collection[int] | None = None,
    out: Path | None = None,
    progress: bool = False,
) -> Study:
    """Train and measure a head for every geometry, dimension and seed of a plan, on the same data.

    Args:
        plan: what is compared.
        chains: what heads learn from; pairs are measured on the share of them that the plan sets aside.
        model: the frozen model that embedded the chains; it also has embeddings of the test rows.
        test: data of the ``re`` protocol and of retrieval.
        settings: how it is measured, and on which device; the defaults of `StudySettings` when None.
        unseen: (rows of `test`,) booleans, rows that share no text with the chains; they get a tau_d of their own.
        held_out: ids of the images that retrieval is measured on; None is all of them.
        out: a folder for every training that is done, so that the same study goes on where it was stopped.
        progress: show progress bars for work that takes longer than a second.

    Raises:
        InputError: chains of another model, a prior between different dimensions, a head that does not fit into its
            space before any training, and whatever `hiergeo.training.summarise` refuses.
    """
    settings = settings or StudySettings()
    measuring = ProtocolSettings("re", settings.steps, settings.seed, settings.samples)
    compute = Compute(resolve_device(settings.device))
    chains = chains.to(compute.device)
    check_data(plan, chains, model, test, unseen)
    training, aside = (chains.take(rows) for rows in split_groups(chains, plan.set_aside, min(plan.seeds)))
    frozen = embed(model, test, compute=compute, progress=progress)
    bench = Bench(model, frozen, aside, measuring, unseen, held_out)
    before = {spec: bench.without_head(spec) for spec in plan.geometries}

    train = partial(train_head, device=None) if out is None else partial(trained_once, out)
    tried = _tune(plan, training, model, train, progress)
    runs: dict[tuple[str, int], list[HeadRun]] = {cell: [] for cell in plan.cells}
    heads = [(cell, head_seed) for cell in plan.cells for head_seed in plan.seeds]
    for (spec, dim), head_seed in track(heads, "training heads", enabled=progress):
        recipe = plan.head(dim, head_seed, best_rate(tried[spec, dim]))
        trained = train(training, plan.geometry(spec), recipe)
        runs[spec, dim].append(bench.run(trained, before[spec], plan.geometry(spec)))

    cells = tuple(
        StudyCell(spec, dim, best_rate(scores), tuple(runs[spec, dim]), scores if len(scores) > 1 else {})
        for (spec, dim), scores in tried.items()
    )
    return Study(
        plan=plan,
        settings=settings,
        frozen=frozen,
        before=before,
        cells=cells,
        shared=same_by_construction(cells, tuple(plan.recipe.losses)) & before[plan.geometries[0]].metrics.keys(),
        pairs=int(aside.positive[:, 1:].numel()),
        aside=without_folders(chains.origin),
    )


@dataclass(frozen=True)
class Bench:
    """Data that no head was trained on: test rows as the frozen model embeds them, and chains set aside for pairs.

    `unseen` and `held_out` are as for `run_study`.
    """

    model: Model
    frozen: Embedded
    aside: Chains
    settings: ProtocolSettings
    unseen: np.ndarray | None = None
    held_out: Collection[int] | None = None

    @cached_property
    def lengths(self) -> PairLengths | None:
        """Of the chains set aside, where their texts are known."""
        if self.aside.texts is None:
            return None
        return PairLengths(
            self.aside.texts, *(part.cpu().numpy() for part in (self.aside.positive, self.aside.negative))
        )

    def without_head(self, spec: str) -> Result:
        """The frozen model in a geometry; in Euclidean space where a product does not fit its embeddings."""
        geometry, dim = parse(spec), self.model.dim
        try:
            geometry.parts(dim)
        except InputError:
            geometry = parse("euclidean")
        return self._measured(self.frozen, Head(HeadShape(dim, dim)).to(self.frozen.captions.device), geometry)

    def run(self, trained: Trained, before: Result, untrained: Geometry) -> HeadRun:
        """Measure a head; if its points leave its space (a sphere), the untrained head is measured in the `untrained`
        geometry instead."""
        try:
            return self._run(trained, before, trained.diverged)
        except InputError as error:
            device = self.frozen.captions.device
            head = Head(trained.head.shape, trained.recipe.seed).to(device).eval()
            broken = f"{trained.diverged}; " if trained.diverged else ""
            problem = (
                f"{broken}the trained head cannot be measured ({str(error).rstrip('.')}), so the untrained head was "
                "measured instead"
            )
            return self._run(replace(trained, head=head, geometry=untrained.to(device), best=0), before, problem)

    def _run(self, trained: Trained, before: Result, problem: str | None) -> HeadRun:
        sharpened = behind_head(self.frozen, trained.head, HeadModel(self.model, trained.head).name)
        after = self._measured(sharpened, trained.head, trained.geometry)
        return HeadRun(trained, between(before, after, self.frozen, sharpened), problem)

    def _measured(self, embedded: Embedded, head: Head, geometry: Geometry) -> Result:
        with torch.no_grad(), beyond_the_equator():
            space = Space(geometry)
            result = measured(embedded, space, self.settings, unseen=self.unseen, held_out=self.held_out)
            outcome = pairs_behind_head(self.aside, HeadModel(self.model, head), space, self.lengths)
        return extended(result, outcome, self.settings)


def pairs_behind_head(chains: Chains, model: HeadModel, space: Space, lengths: PairLengths | None = None) -> Outcome:
    """The pairs protocol on chains behind a head, around its own root."""
    used, positions = torch.cat((chains.positive, chains.negative)).unique(return_inverse=True)
    positive, negative = positions.split(len(chains))
    root = model.through(chains.root[None])[0]
    return score_pairs(model.through(chains.text[used]), positive, negative, space.rooted(root), lengths)


@contextmanager
def beyond_the_equator() -> Iterator[None]:
    """Suppress the warning about cones that widen on a sphere: facts of the study tell of it once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="points lie beyond the equator")
        yield


def same_by_construction(cells: Sequence[StudyCell], losses: Sequence[str]) -> frozenset[str]:
    """Metrics that cannot differ between the geometries of these cells.

    Losses that do not depend on curvature train the same head in every geometry, at the same learning rate, and its
    radii are |f(e) - f(root)| in all of them except products that add lengths (l1) and laws of other radii. A head that
    was replaced by an untrained one is another head.
    """
    apart = any(
        cell.learning_rate != other.learning_rate for cell in cells for other in cells if cell.dim == other.dim
    ) or any(run.problem for cell in cells for run in cell.runs)
    geometries = [parse(cell.geometry) for cell in cells]
    added = any(of.norm == "l1" or (isinstance(of, PairLaw) and not of.radial) for of in geometries)
    bent = any(chain_loss(name).sees_curvature for name in losses)
    return frozenset() if apart or bent or added else frozenset(RADIAL)


def best_rate(scores: dict[float, float]) -> float:
    """The learning rate with the best score, the first of equal ones; the smallest where training failed at all."""
    usable = {rate: score for rate, score in scores.items() if not math.isnan(score)}
    return max(usable, key=lambda rate: usable[rate]) if usable else min(scores)


def _tune(
    plan: StudyPlan, chains: Chains, model: Model, train: Training, progress: bool
) -> dict[tuple[str, int], dict[float, float]]:
    """Cell -> learning rate -> `JUDGE` on the validation rows of a seed that is not among the plan's.

    A single candidate is not tried and scores NaN, and so does one where training fails.
    """
    tried = {cell: dict.fromkeys(plan.learning_rates, math.nan) for cell in plan.cells}
    trials = [(cell, rate) for cell in plan.cells for rate in plan.learning_rates if len(plan.learning_rates) > 1]
    for (spec, dim), rate in track(trials, "tuning heads", enabled=progress):
        recipe = plan.head(dim, plan.tuning_seed, rate)
        trained = train(chains, plan.geometry(spec), recipe)
        if trained.diverged:
            continue
        validation = chains.take(split_groups(chains, recipe.validation, recipe.seed)[1])
        try:
            with torch.no_grad(), beyond_the_equator():
                outcome = pairs_behind_head(validation, HeadModel(model, trained.head), Space(trained.geometry))
        except InputError:
            continue
        tried[spec, dim][rate] = outcome.statistics[JUDGE].value
    return tried
