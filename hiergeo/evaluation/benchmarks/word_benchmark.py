"""What the benchmarks of words share: prompts around names, which of them a model can embed, scores of is-a pairs."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import wide
from hiergeo.adapters import Model
from hiergeo.evaluation.benchmarks.benchmark import Benchmark, check_choice
from hiergeo.geometry import Space

WORD_SCORES = {"angle": True, "margin": True, "radius": False, "distance": True, "cosine": False}
"""Scores of "X is a type of Y", larger where more, and whether curvature can change them.

``angle`` is -Xi(Y, X), ``margin`` how deep X lies within the cone of Y, ``radius`` how much further from the root X is
than Y, ``distance`` minus their geodesic distance, ``cosine`` that of the embeddings, which sees no root and no space.
"""

SLACK = 8.0
"""Relative difference up to which radii count as equal, in units of the rounding of the embeddings."""

MISSING = ("refuse", "skip")
"""What happens to words that a model of stored embeddings lacks."""


class WordBenchmark(Benchmark):
    """A benchmark of words, each embedded in a prompt.

    Args:
        data: their name.
        prompt: text around each word, ``{}`` where it goes.
        missing: one of `MISSING`.

    Raises:
        InputError: a prompt that does not hold ``{}`` once, or an unknown value of `missing`.
    """

    def __init__(self, data: str, prompt: str, missing: str) -> None:
        if not isinstance(prompt, str) or prompt.count("{}") != 1:
            raise InputError(f"the prompt '{prompt}' must hold {{}} once, where the word goes.")
        check_choice("value of missing", missing, MISSING)
        self.data, self.prompt, self.missing = data, prompt, missing

    def texts(self, words: Iterable[str]) -> list[str]:
        """The prompts of words."""
        return [self.prompt.replace("{}", word) for word in words]

    def embeddable(self, model: Model, words: Iterable[str]) -> set[str]:
        """The words that a model can embed: all of them, unless those that it refuses are skipped."""
        if self.missing == "refuse":
            return set(words)
        found = set()
        for word in words:
            try:
                model.check_texts(self.texts([word]))
            except InputError:
                continue
            found.add(word)
        return found


def is_a_scores(space: Space, word: Tensor, kind: Tensor) -> dict[str, np.ndarray]:
    """Every score of `WORD_SCORES` for the pairs (word_i, kind_i), name -> (n,) float64.

    Ranks are not those of rounding errors: scores are taken in float64 where the device has it, symmetric ones are so
    to the last bit, and radii that differ by rounding alone, such as those of unit vectors around no root, are equal.

    Args:
        space: with its root.
        word: (n, D) embeddings of X.
        kind: (n, D) embeddings of Y.
    """
    rounding = SLACK * torch.finfo(word.dtype).eps
    word, kind = wide(word), wide(kind)
    x, y = space.points(word), space.points(kind)
    found = {
        "angle": -space.exterior_angle(y, x),
        "margin": space.margin(y, x),
        "radius": _difference(space.radius(x), space.radius(y), rounding),
        "distance": -(space.distance(x, y) + space.distance(y, x)) / 2,
        "cosine": _cosine(word, kind),
    }
    return {name: score.double().cpu().numpy() for name, score in found.items()}


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
