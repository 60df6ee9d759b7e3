"""Measuring the heads of a study: all on the same test rows, and on the same chains set aside for pairs."""

import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch

from hiergeo._core.errors import InputError
from hiergeo.adapters import Model
from hiergeo.adapters.head import HeadShape
from hiergeo.evaluation import Result
from hiergeo.evaluation.embedded import Embedded
from hiergeo.evaluation.length import PairLengths
from hiergeo.evaluation.measuring import ProtocolSettings
from hiergeo.evaluation.protocols import score_pairs
from hiergeo.evaluation.result import Outcome
from hiergeo.geometry import Geometry, Space, parse
from hiergeo.training import Chains, Head, HeadModel, Trained
from hiergeo.training.study.result import HeadRun
from hiergeo.training.summary import behind, between, extended, measured


@dataclass(frozen=True)
class Bench:
    """Data that no head was trained on.

    Attributes:
        model: the frozen model.
        frozen: the test rows as it embeds them.
        aside: chains on which pairs are measured.
        settings: protocol, thresholds and bootstrap.
        unseen: (rows,) booleans or None, test rows without training texts.
        held_out: ids of the images for retrieval, or None for all.
    """

    model: Model
    frozen: Embedded
    aside: Chains
    settings: ProtocolSettings
    unseen: np.ndarray | None = None
    held_out: Collection[int] | None = None

    def without_head(self, spec: str) -> Result:
        """The frozen model in a geometry; in Euclidean space where a product does not fit its embeddings."""
        geometry, dim = parse(spec), self.model.dim
        try:
            geometry.parts(dim)
        except InputError:
            geometry = parse("euclidean")
        return self._measured(self.frozen, HeadModel(self.model, Head(HeadShape(dim, dim)).to(self._place)), geometry)

    def run(self, trained: Trained, before: Result, untrained: Geometry) -> HeadRun:
        """Measure a head; if its points leave its space (a sphere), the untrained head is measured instead.

        Args:
            trained: the head.
            before: the result of the frozen model.
            untrained: the geometry before any curvature was learnt.
        """
        try:
            return self._run(trained, before, trained.diverged)
        except InputError as error:
            head = Head(trained.head.shape, trained.recipe.seed).to(self._place).eval()
            broken = f"{trained.diverged}; " if trained.diverged else ""
            reason = str(error).rstrip(".")
            problem = (
                f"{broken}the trained head cannot be measured ({reason}), so the untrained head was measured instead"
            )
            standing_in = replace(trained, head=head, geometry=untrained.to(self._place), best=0)
            return self._run(standing_in, before, problem)

    @property
    def _place(self) -> torch.device:
        return self.frozen.captions.device

    def _run(self, trained: Trained, before: Result, problem: str | None) -> HeadRun:
        model = HeadModel(self.model, trained.head)
        sharpened = behind(self.frozen, model)
        after = self._measured(sharpened, model, trained.geometry)
        summary = between(before, after, self.frozen, sharpened)
        return HeadRun(
            seed=trained.recipe.seed,
            trained=trained,
            summary=summary,
            metrics=after.metrics | summary.drift,
            draws=after.draws,
            problem=problem,
            rows=after.rows,
            items=after.items,
            rocs=after.rocs,
        )

    def _measured(self, embedded: Embedded, model: HeadModel, geometry: Geometry) -> Result:
        space, aside, settings = Space(geometry), self.aside, self.settings
        with torch.no_grad(), beyond_the_equator():
            result = measured(embedded, space, settings, unseen=self.unseen, held_out=self.held_out)
            outcome = pairs_behind_head(aside, model, space)
        return extended(result, outcome, settings)


def pairs_behind_head(chains: Chains, model: HeadModel, space: Space) -> Outcome:
    """The pairs protocol on chains behind a head, around its own root."""
    used, places = torch.cat((chains.positive, chains.negative)).unique(return_inverse=True)
    positive, negative = places.split(len(chains))
    root = model.through(chains.root[None])[0]
    lengths = None
    if chains.words is not None:
        lengths = PairLengths(*(chains.words[each.cpu().numpy()] for each in (chains.positive, chains.negative)))
    return score_pairs(model.through(chains.text[used]), positive, negative, space.rooted(root), lengths)


@contextmanager
def beyond_the_equator() -> Iterator[None]:
    """Suppress the warning about cones that widen on a sphere: the verdict of the study reports it once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="points lie beyond the equator")
        yield
