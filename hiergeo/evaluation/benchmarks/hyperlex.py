"""HyperLex: do scores of "X is a type of Y" agree with people's graded answers?"""

from functools import cached_property
from typing import final

import numpy as np
import torch

from hiergeo._core.errors import InputError
from hiergeo.adapters import Model
from hiergeo.datasets.hyperlex import WordPair, load_hyperlex
from hiergeo.datasets.scenes import taxonomy
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks.benchmark import Published, Run
from hiergeo.evaluation.benchmarks.word_benchmark import WORD_SCORES, WordBenchmark, is_a_scores, letters
from hiergeo.evaluation.metrics import CHANCE, RankCorrelation, Ranking
from hiergeo.evaluation.metrics.registry import area, correlation, declare
from hiergeo.evaluation.metrics.sharing import Sharing
from hiergeo.evaluation.result import Outcome, Statistic
from hiergeo.geometry import Space

RE_PAPER = "arXiv 2407.08521"
UNKNOWN = "neither the prompt nor the score is public"
PARTS = {"": None, "_nouns": "N", "_verbs": "V"}
LEAST = 3
"""Pairs below which a part of speech has no correlation."""

declare(
    *(area(f"direction_{of}", f"direction AUROC ({of})", True, bends) for of, bends in WORD_SCORES.items()),
    *(
        correlation(f"spearman_{of}{part}", f"Spearman ({of}{part.replace('_', ', ')})", True, bends)
        for of, bends in WORD_SCORES.items()
        for part in PARTS
    ),
)


@final
class HyperLex(WordBenchmark):
    """Spearman's correlation of scores of word pairs with their ratings, over all, nouns and verbs.

    Metrics are ``spearman_SCORE``, ``spearman_SCORE_nouns``, ``spearman_SCORE_verbs``, and ``direction_SCORE``: the
    AUROC of hypernym pairs (X below Y) over reversed ones (X above Y), which a symmetric score leaves at chance. Scores
    are those of `benchmarks.word_benchmark.WORD_SCORES`. The baseline ``length`` scores a pair by how many more
    characters X has than Y; ``chance`` is 0, and ``permuted`` the 97.5 % quantile under random order of the ratings.

    Args:
        prompt: text around each word, ``{}`` where it goes; by default the word alone.
        data: ``hyperlex`` (the table in the data home), ``demo`` (the shapes of scenes), or the path of such a table.
        missing: ``refuse`` words that the model has no embedding of, or ``skip`` their pairs; the result says how many
            are left.

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
        """The pairs, read when first needed."""
        if self.data == "demo":
            return taxonomy.word_pairs()
        return load_hyperlex(None if self.data == "hyperlex" else self.data)

    @property
    def protocol(self) -> str:
        left_out = "; pairs with a word that the model lacks are left out" if self.missing == "skip" else ""
        return f"prompt '{self.prompt}', {self.data}{left_out}"

    def load(self) -> None:
        _ = self.pairs

    def check(self, model: Model, space: Space) -> None:
        if self.missing == "refuse":
            model.check_texts(self.texts(_words(self.pairs)))
        if len(self._kept(model)) < LEAST:
            raise InputError(f"{model.name} has embeddings of fewer than {LEAST} pairs of {self.data}.")

    def run(self, model: Model, space: Space, how: Run) -> Result:
        pairs = self._kept(model)
        words = _words(pairs)
        place = {word: index for index, word in enumerate(words)}
        text = model.encode_text(self.texts(words), **how.place, progress=how.progress)
        x, y = (text[torch.tensor([place[each] for each in side]).to(text.device)] for side in _sides(pairs))
        rooted = space.rooted(model.root(text.device, text.dtype))
        outcome = correlations(pairs, is_a_scores(rooted, x, y), how.samples, how.seed)
        facts = {"split": self.data, "pairs": len(pairs), "words": len(words)}
        return self.result(outcome, model, rooted, text, how, **facts)

    def _kept(self, model: Model) -> tuple[WordPair, ...]:
        known = self.embeddable(model, _words(self.pairs))
        return tuple(pair for pair in self.pairs if {pair.word, pair.kind} <= known)


def correlations(
    pairs: tuple[WordPair, ...], scores: dict[str, np.ndarray], samples: int = 1000, seed: int = 0
) -> Outcome:
    """The metrics of HyperLex for scores of its pairs.

    Args:
        pairs: n pairs.
        scores: name -> (n,) larger where X is more a type of Y.
        samples: permutations of the null.
        seed: of the permutations.
    """
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
