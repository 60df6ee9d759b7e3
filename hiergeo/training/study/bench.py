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
from hiergeo.training.summary import behind_head, between, extended, measured


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
        return self._measured(self.frozen, Head(HeadShape(dim, dim)).to(self.frozen.captions.device), geometry)

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
            outcome = pairs_behind_head(self.aside, HeadModel(self.model, head), space)
        return extended(result, outcome, self.settings)


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
