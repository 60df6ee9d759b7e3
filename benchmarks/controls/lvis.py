"""Real CLIP text features of LVIS names: heads by geometry, judged on WordNet is-a pairs that they never came near.

Five folds. Synsets that is-a pairs link, however indirectly, stay together, so that a test pair has both of its synsets
outside training, and everything that either is related to. Each pair is judged by the head that did not see it.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.controls.findings import Findings
from hiergeo._core.errors import UnavailableError
from hiergeo.datasets import data_home
from hiergeo.evaluation.metrics import Ranking, bootstrap_draws, percentile_interval
from hiergeo.geometry import Geometry, Space, parse
from hiergeo.training import RE, Chains, Recipe, train_head
from hiergeo.training.trainer import SHARPEN

FILE = Path("clip_lvis") / "lvis1203_clip_vitb32_text.npz"
GEOMETRIES = ("euclidean", "lorentz:-1", "sphere:0.25", "product:lorentz:-1x256,euclidean:x256")
RECIPE = Recipe(hidden=0, batch=128, every=10, validation=0.15, learning_rate=1e-4)
OBJECTIVES = {"sharpening": SHARPEN, "RE": RE}
"""What heads minimise, fixed beforehand: the default, and the RE loss with the weights of its paper."""

FOLDS, SAMPLES = 5, 1000
DRAWN = 8
"""Negative synsets a training pair, and false pairs a test pair."""


class Names(NamedTuple):
    """LVIS names.

    Attributes:
        text: (n, D) unit embeddings.
        pairs: (P, 2) int64, child and ancestor.
        family: (n,) the component of the is-a graph that a synset is in.
        related: (n, n) booleans, whether one of two synsets is an ancestor of the other, or both are the same.
    """

    text: Tensor
    pairs: Tensor
    family: Tensor
    related: Tensor

    @property
    def root(self) -> Tensor:
        """The mean of the unit embeddings; there is no embedding of the empty caption."""
        return self.text.mean(0)


class Judged(NamedTuple):
    """Scores of test pairs: true (P,), false (P, DRAWN), and whether the child lies further out (P,)."""

    true: np.ndarray
    false: np.ndarray
    ordered: np.ndarray


def run(out: Path | None, scale: str) -> Findings:
    """The frozen features and a head, geometry by geometry."""
    recipe = replace(RECIPE, steps=5, every=5) if scale == "quick" else RECIPE
    names, findings = load(), Findings("lvis", {"recipe": asdict(recipe), "folds": FOLDS, "drawn": DRAWN})
    folds = list(_folds(names))
    findings.notes.append(
        f"{len(names.pairs)} is-a pairs of {len(names.text)} names in {FOLDS} folds of whole components; each is set "
        f"against {DRAWN} unrelated pairs of its own fold. Intervals: 95 %, bootstrap over pairs, {SAMPLES} resamples; "
        "differences are paired with the frozen features. The root is the mean of all unit embeddings, of norm one as "
        "heads give it, or plain where the table says so. Steps: of the state that validation kept, fold by fold."
    )
    title = "LVIS is-a pairs, out of fold"
    for spec in GEOMETRIES:
        false = [_false_pairs(names, test, seed=place) for place, (_, test) in enumerate(folds)]
        tests = [(names.pairs[test], drawn) for (_, test), drawn in zip(folds, false, strict=True)]
        plain, frozen = (
            _pooled([_judge(names.text, root, parse(spec), *test) for test in tests])
            for root in (names.root, normalize(names.root, dim=0))
        )
        findings.add(title, {"space": spec, "features": "frozen, plain mean", **_measured(plain), "steps": "–"})
        findings.add(title, {"space": spec, "features": "frozen", **_measured(frozen), "steps": "–"})
        for name, losses in OBJECTIVES.items():
            parts, steps = [], []
            for place, ((training, _), test) in enumerate(zip(folds, tests, strict=True)):
                chains = _chains(names, training, seed=place)
                trained = train_head(chains, parse(spec), replace(recipe, losses=losses))
                steps.append(str(trained.best))
                with torch.no_grad():
                    text, root = trained.head(names.text), trained.head(names.root)
                parts.append(_judge(text, root, trained.geometry, *test))
            row = {"space": spec, "features": f"head, {name}", **_measured(_pooled(parts), frozen)}
            findings.add(title, row | {"steps": ", ".join(steps)})
        findings.write(out)
    return findings


def load() -> Names:
    """The names, or UnavailableError where the data home lacks them."""
    path = data_home() / FILE
    if not path.is_file():
        raise UnavailableError(f"{path} is not there: this control needs the CLIP features of the LVIS names.")
    with np.load(path) as arrays:
        text, pairs = torch.from_numpy(arrays["text"]).double(), torch.from_numpy(arrays["isa_pairs"]).long()
    related = torch.eye(len(text), dtype=torch.bool)
    related[pairs[:, 0], pairs[:, 1]] = related[pairs[:, 1], pairs[:, 0]] = True
    family = torch.arange(len(text))
    while not torch.equal(spread := torch.where(related, family, len(text)).amin(1), family):
        family = spread
    return Names(normalize(text, dim=1).float(), pairs, family, related)


def _folds(names: Names) -> Iterator[tuple[Tensor, Tensor]]:
    """Positions in `pairs` of training and of test, families dealt out largest first to the smallest fold."""
    family, counts = torch.unique(names.family[names.pairs[:, 0]], return_counts=True)
    fold_of, filled = {}, [0] * FOLDS
    for place in counts.argsort(descending=True, stable=True).tolist():
        smallest = filled.index(min(filled))
        fold_of[int(family[place])] = smallest
        filled[smallest] += int(counts[place])
    fold = torch.tensor([fold_of[int(f)] for f in names.family[names.pairs[:, 0]]])
    for place in range(FOLDS):
        yield (fold != place).nonzero()[:, 0], (fold == place).nonzero()[:, 0]


def _chains(names: Names, training: Tensor, seed: int) -> Chains:
    """Chains (ancestor, child), each DRAWN times with other negatives: training synsets unrelated to the ancestor."""
    child, ancestor = names.pairs[training].repeat(DRAWN, 1).T
    known = names.pairs[training].unique()
    draw = torch.Generator().manual_seed(seed)
    allowed = ~names.related[ancestor][:, known]
    negative = known[torch.multinomial(allowed.double(), 2, generator=draw)]
    positive = torch.stack((ancestor, child), dim=1)
    clash = negative[:, 1] == child
    negative[clash] = negative[clash].flip(1)
    return Chains(names.text, positive, negative, names.root, names.family[child], "LVIS is-a pairs")


def _false_pairs(names: Names, test: Tensor, seed: int) -> Tensor:
    """(P, DRAWN, 2) unrelated synsets of the fold, uniform."""
    known = names.pairs[test].unique()
    places = (~names.related[known][:, known]).nonzero()
    draw = torch.Generator().manual_seed(seed)
    return known[places[torch.randint(len(places), (len(test), DRAWN), generator=draw)]]


@torch.no_grad()
def _judge(text: Tensor, root: Tensor, geometry: Geometry, true: Tensor, false: Tensor) -> Judged:
    space = Space(geometry, root)

    def score(pairs: Tensor) -> np.ndarray:
        return -space.exterior_angle(text[pairs[..., 1]], text[pairs[..., 0]]).double().numpy()

    radius = space.radius(text)
    return Judged(score(true), score(false), (radius[true[:, 0]] > radius[true[:, 1]]).double().numpy())


def _pooled(parts: list[Judged]) -> Judged:
    return Judged(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _measured(judged: Judged, frozen: Judged | None = None) -> dict[str, float | str]:
    """AUROC and radius order with their intervals, and how much better than frozen they are."""
    statistics = {"AUROC": _draws(judged), "radius order": _order_draws(judged)}
    values = {"AUROC": Ranking(judged.true, judged.false).auroc(), "radius order": float(judged.ordered.mean())}
    base = None if frozen is None else {"AUROC": _draws(frozen), "radius order": _order_draws(frozen)}
    row: dict[str, float | str] = {}
    for name, draws in statistics.items():
        row[name] = values[name]
        row[f"{name}, 95 %"] = _interval(draws, "")
        row[f"{name}, difference"] = "–" if base is None else _interval(draws - base[name], "+")
    return row


def _draws(judged: Judged) -> np.ndarray:
    return bootstrap_draws(Ranking(judged.true, judged.false).auroc, len(judged.true), samples=SAMPLES)


def _order_draws(judged: Judged) -> np.ndarray:
    rows = len(judged.ordered)
    return bootstrap_draws(lambda counts: float(counts @ judged.ordered) / rows, rows, samples=SAMPLES)


def _interval(draws: np.ndarray, sign: str) -> str:
    low, high = percentile_interval(draws)
    return f"{low:{sign}.3f} to {high:{sign}.3f}"
