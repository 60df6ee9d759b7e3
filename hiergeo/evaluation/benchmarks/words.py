"""Benchmarks of words, each in a prompt: scores of "X is a type of Y", and HyperLex, where people graded them."""

from collections.abc import Iterable
from functools import cached_property
from typing import final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import wide
from hiergeo.adapters import Model
from hiergeo.datasets.hyperlex import WordPair, load_hyperlex
from hiergeo.datasets.scenes import taxonomy
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks.benchmark import Benchmark, Published, Run, check_choice
from hiergeo.evaluation.metrics import CHANCE, RankCorrelation, Ranking
from hiergeo.evaluation.metrics.registry import area, correlation, declare
from hiergeo.evaluation.metrics.sharing import Sharing
from hiergeo.evaluation.result import Outcome, Statistic
from hiergeo.geometry import Space

WORD_SCORES = {"angle": True, "margin": True, "radius": False, "distance": True, "cosine": False}
"""Scores of "X is a type of Y", larger where more, and whether curvature can change them.

``angle`` is -Xi(Y, X), ``margin`` how deep X lies within the cone of Y, ``radius`` how much further from the root X is
than Y, ``distance`` minus their geodesic distance, ``cosine`` that of the embeddings, which sees no root and no space.
"""

SLACK = 8.0  # relative difference up to which radii count as equal, in units of the rounding of the embeddings
MISSING = ("refuse", "skip")  # what happens to words that a model of stored embeddings lacks
RE_PAPER = "arXiv 2407.08521"
UNKNOWN = "neither the prompt nor the score is public"
PARTS = {"": None, "_nouns": "N", "_verbs": "V"}
LEAST = 3  # pairs below which a part of speech has no correlation

declare(
    *(area(f"direction_{of}", f"direction AUROC ({of})", True, bends) for of, bends in WORD_SCORES.items()),
    *(
        correlation(f"spearman_{of}{part}", f"Spearman ({of}{part.replace('_', ', ')})", True, bends)
        for of, bends in WORD_SCORES.items()
        for part in PARTS
    ),
)


class WordBenchmark(Benchmark):
    """A benchmark of words, each embedded in a prompt that holds ``{}`` once; `missing` is one of `MISSING`."""

    def __init__(self, data: str, prompt: str, missing: str) -> None:
        if prompt.count("{}") != 1:
            raise InputError(f"the prompt '{prompt}' must hold {{}} once, where the word goes.")
        check_choice("value of missing", missing, MISSING)
        self.data, self.prompt, self.missing = data, prompt, missing

    @property
    def protocol(self) -> str:
        left_out = "; words that the model lacks are left out" if self.missing == "skip" else ""
        return f"{self.data}, prompt '{self.prompt}'{left_out}"

    def texts(self, words: Iterable[str]) -> list[str]:
        """The prompts of words."""
        return [self.prompt.replace("{}", word) for word in words]

    def embeddable(self, model: Model, words: Iterable[str]) -> set[str]:
        """The words that a model can embed: all of them, unless those that it refuses are skipped."""
        return {word for word in words if self.missing == "refuse" or self._has(model, word)}

    def _has(self, model: Model, word: str) -> bool:
        try:
            model.check_texts(self.texts([word]))
        except InputError:
            return False
        return True


def is_a_scores(space: Space, word: Tensor, kind: Tensor) -> dict[str, np.ndarray]:
    """Every score of `WORD_SCORES` for the pairs (word_i, kind_i) of embeddings (n, D), name -> (n,) float64.

    Ranks are not those of rounding errors: scores are taken in float64 where the device has it, symmetric ones are so
    to the last bit, and radii that differ by rounding alone, such as those of unit vectors around no root, are equal.
    """
    rounding = SLACK * torch.finfo(word.dtype).eps
    word, kind = wide(word), wide(kind)
    x, y = space.points(word), space.points(kind)
    scores = {
        "angle": -space.exterior_angle(y, x),
        "margin": space.margin(y, x),
        "radius": _difference(space.radius(x), space.radius(y), rounding),
        "distance": -(space.distance(x, y) + space.distance(y, x)) / 2,
        "cosine": _cosine(word, kind),
    }
    return {name: score.double().cpu().numpy() for name, score in scores.items()}


def _difference(x: Tensor, y: Tensor, rounding: float) -> Tensor:
    """x - y, and 0 where that is within a relative error."""
    difference = x - y
    return torch.where(difference.abs() <= rounding * torch.maximum(x, y), torch.zeros_like(x), difference)


def _cosine(x: Tensor, y: Tensor) -> Tensor:
    """The cosine of row vectors, symmetric to the last bit; 0 where one has no direction."""
    norms = x.norm(dim=-1) * y.norm(dim=-1)
    return torch.where(norms > 0, (x * y).sum(-1) / norms, torch.zeros_like(norms))


def letters(words: Iterable[str]) -> np.ndarray:
    """How many characters each word has, (n,): a baseline that ignores meaning."""
    return np.array([len(word) for word in words], dtype=np.float64)


@final
class HyperLex(WordBenchmark):
    """Spearman's correlation of scores of word pairs with their ratings, over all, nouns and verbs.

    ``direction_SCORE`` is the AUROC of hypernym pairs (X below Y) over reversed ones (X above Y), which a symmetric
    score leaves at chance. The baseline ``length`` scores a pair by how many more characters X has than Y; ``permuted``
    is the 97.5 % quantile under random order of the ratings.

    Args:
        prompt: text around each word, ``{}`` where it goes; by default the word alone.
        data: ``hyperlex`` (the table in the data home), ``demo`` (the shapes of scenes), or the path of such a table.
        missing: ``refuse`` words that the model has no embedding of, or ``skip`` their pairs.

    Source: Vulic et al., HyperLex (Computational Linguistics 2017).
    """

    name = "hyperlex"
    label = "HyperLex"
    primary = "spearman_angle"
    metrics = (
        *(f"spearman_{score}" for score in WORD_SCORES),
        "spearman_angle_nouns",
        "spearman_margin_nouns",
        "spearman_radius_nouns",
        "direction_angle",
        "direction_radius",
    )
    loads = "pairs"
    needs = "the table of HyperLex (`hiergeo data fetch hyperlex`)"
    published: tuple[Published, ...] = (
        Published("CLIP ViT-B/32", "spearman_angle", 0.44, RE_PAPER, UNKNOWN),
        Published("CLIP ViT-B/32 + RE", "spearman_angle", 0.51, RE_PAPER, UNKNOWN),
        Published("LEAR", "spearman_angle", 0.69, RE_PAPER, "trained on lexical relations"),
    )

    def __init__(self, prompt: str = "{}", data: str = "hyperlex", missing: str = "refuse") -> None:
        super().__init__(data, prompt, missing)
        if (data, missing) != ("hyperlex", "refuse"):
            self.published = ()

    @cached_property
    def pairs(self) -> tuple[WordPair, ...]:
        """The pairs."""
        if self.data == "demo":
            return taxonomy.word_pairs()
        return load_hyperlex(None if self.data == "hyperlex" else self.data)

    def check(self, model: Model, space: Space) -> None:
        if self.missing == "refuse":
            model.check_texts(self.texts(_words(self.pairs)))
        if len(self._measured(model)) < LEAST:
            raise InputError(f"{model.name} has embeddings of fewer than {LEAST} pairs of {self.data}.")

    def run(self, model: Model, space: Space, how: Run) -> Result:
        pairs = self._measured(model)
        words = _words(pairs)
        index = {word: position for position, word in enumerate(words)}
        text = how.texts(model, self.texts(words))
        x, y = (text[torch.tensor([index[word] for word in side]).to(text.device)] for side in _sides(pairs))
        rooted = space.rooted(model.root(text.device, text.dtype))
        outcome = correlations(pairs, is_a_scores(rooted, x, y), how.samples, how.seed)
        facts = {"split": self.data, "pairs": len(pairs), "words": len(words)}
        return self.result(outcome, model, rooted, text, how, **facts)

    def _measured(self, model: Model) -> tuple[WordPair, ...]:
        words = self.embeddable(model, _words(self.pairs))
        return tuple(pair for pair in self.pairs if {pair.word, pair.kind} <= words)


def correlations(
    pairs: tuple[WordPair, ...], scores: dict[str, np.ndarray], samples: int = 1000, seed: int = 0
) -> Outcome:
    """The metrics of HyperLex for n pairs and scores (n,), by name, that are larger where X is more a type of Y."""
    rating, part = np.array([pair.score for pair in pairs]), np.array([pair.part_of_speech for pair in pairs])
    relation = np.array([pair.relation for pair in pairs])
    up, down = (np.flatnonzero(np.char.startswith(relation, kind)) for kind in ("hyp-", "r-hyp-"))
    length = np.subtract(*(letters(side) for side in _sides(pairs)))
    words = np.unique(np.array(_sides(pairs)), return_inverse=True)[1].reshape(2, -1).T
    outcome = Outcome()
    for suffix, of in PARTS.items():
        chosen = np.flatnonzero(part == of) if of else np.arange(len(pairs))
        if len(chosen) < LEAST:
            continue
        by_length = RankCorrelation(length[chosen], rating[chosen]).rho()
        null = RankCorrelation(rating[chosen], rating[chosen]).permuted(samples, seed)
        high = float(np.quantile(null, 0.975))
        for name, score in scores.items():
            ranked = RankCorrelation(score[chosen], rating[chosen])
            statistic = Statistic(ranked.rows, ranked.rho, sharing=Sharing(words[chosen]), influence=ranked.influence)
            outcome.add(f"spearman_{name}{suffix}", statistic, chance=0.0, permuted=high, length=by_length)
    if len(up) and len(down):
        by_length = Ranking(length[up], length[down]).auroc()
        for name, score in scores.items():
            outcome.add(f"direction_{name}", _direction(score, up, down), chance=CHANCE, length=by_length)
    return outcome


def _direction(score: np.ndarray, up: np.ndarray, down: np.ndarray) -> Statistic:
    """AUROC of the pairs `up` over the pairs `down`; both are resampled together."""
    ranking, ups = Ranking(score[up], score[down]), len(up)
    return Statistic(ups + len(down), lambda counts: ranking.auroc(counts[..., :ups], counts[..., ups:]), stacked=True)


def _words(pairs: tuple[WordPair, ...]) -> list[str]:
    return list(dict.fromkeys(word for pair in pairs for word in (pair.word, pair.kind)))


def _sides(pairs: tuple[WordPair, ...]) -> tuple[list[str], list[str]]:
    return [pair.word for pair in pairs], [pair.kind for pair in pairs]
