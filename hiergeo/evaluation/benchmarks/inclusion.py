"""Does a caption's Gaussian lie inside that of its parent: the relation of probabilistic models, beside cones."""

from typing import Any, final

import numpy as np
import torch

from hiergeo._core.errors import InputError
from hiergeo.adapters import Gaussian, Model, inclusion
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks.benchmark import Run
from hiergeo.evaluation.benchmarks.hierarcaps import ChainBenchmark
from hiergeo.evaluation.embedded import positions
from hiergeo.evaluation.length import PairLengths, matched_by_length, rankings
from hiergeo.evaluation.metrics import CHANCE, Ranking
from hiergeo.evaluation.metrics.registry import declare, share
from hiergeo.evaluation.metrics.sharing import Sharing
from hiergeo.evaluation.result import Outcome, auroc_of, average_precision_of, mean_of
from hiergeo.geometry import Space

declare(
    *rankings("_inclusion", "inclusion", ties=False, bends=False),
    share("inclusion_direction", "inclusion direction", depends_on_curvature=False),
)


@final
class Inclusion(ChainBenchmark):
    """The pairs of the ``pairs`` protocol, scored by `hiergeo.adapters.inclusion` of the child in its parent.

    ``auroc_inclusion`` and ``average_precision_inclusion`` tell a caption's child from the contradicting text;
    ``inclusion_direction`` is the share of parents that include their child more than the child includes them (a tie
    counts one half). The geometry plays no part. Models of Gaussians have a method `encode_text_gaussian`, as that of
    `hiergeo.adapters.prolip.ProLipModel`.

    Args:
        data: a dataset of chains with contradicting ones.
        split: its split.
    """

    name = "inclusion"
    label = "inclusion of Gaussians"
    primary = "auroc_inclusion"
    metrics = ("auroc_inclusion", "average_precision_inclusion", "inclusion_direction")
    needs = "a model of Gaussians (prolip:) and chains with negatives: HierarCaps' expanded-test, or scenes"

    def __init__(self, data: str = "hierarcaps", split: str = "expanded-test") -> None:
        super().__init__(data, split)

    @property
    def protocol(self) -> str:
        return f"inclusion of child in parent, {self.source}"

    def check(self, model: Model, space: Space) -> None:
        if not callable(getattr(model, "encode_text_gaussian", None)):
            raise InputError(f"{model.name} gives no Gaussians: inclusion needs a model such as prolip:FOLDER.")
        if not self.hierarchy.has_negatives:
            raise InputError(f"inclusion needs contradicting chains, and {self.data} {self.split} has none.")

    def run(self, model: Model, space: Space, how: Run) -> Result:
        rows = self.hierarchy.rows
        chains = [row.positive for row in rows], [row.negative or () for row in rows]
        texts = list(dict.fromkeys(text for side in chains for chain in side for text in chain))
        probabilistic: Any = model
        found: Gaussian = probabilistic.encode_text_gaussian(texts, **how.place, progress=how.progress)
        positive, negative = (positions(texts, side, found.mean.device) for side in chains)
        outcome = score_inclusion(found, positive, negative, PairLengths.of(self.hierarchy))
        facts = {"split": self.split, "rows": len(rows), "texts": len(texts)}
        return self.result(outcome, model, space, found.mean, how, **facts)


def score_inclusion(
    captions: Gaussian, positive: torch.Tensor, negative: torch.Tensor, lengths: PairLengths
) -> Outcome:
    """The metrics of `Inclusion` for chains, (n, T) positions among Gaussians of (V, D)."""
    parent, child, wrong = positive[:, :-1], positive[:, 1:], negative[:, :-1]
    true, false, back = (_scores(captions, *pair) for pair in ((child, parent), (wrong, parent), (parent, child)))
    direction = ((true > back) + 0.5 * (true == back)).mean(1)
    shorter = np.sign(np.diff(lengths.positive, axis=1)) / 2 + 0.5
    ranking, outcome, sharing = Ranking(true, false), Outcome(), Sharing(positive.cpu().numpy())
    outcome.add("auroc_inclusion", auroc_of(ranking, len(true), sharing))
    outcome.add("average_precision_inclusion", average_precision_of(ranking, len(true), sharing))
    outcome.add("inclusion_direction", mean_of(direction, sharing), chance=CHANCE, length=float(shorter.mean()))
    return outcome | matched_by_length("_inclusion", true, false, lengths, sharing, sibling=False)


def _scores(captions: Gaussian, inner: torch.Tensor, outer: torch.Tensor) -> np.ndarray:
    """Inclusion of each inner in its outer, of the shape of their positions; a column of pairs at a time."""
    columns = [
        inclusion(Gaussian(*(part[i] for part in captions)), Gaussian(*(part[j] for part in captions)))
        for i, j in zip(inner.T, outer.T, strict=True)
    ]
    return torch.stack(columns, dim=1).double().cpu().numpy()
